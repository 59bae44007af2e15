// Two densities under the hand: p with one peak or two, q one Gaussian; below them the integrand whose area is the KL.
import { make } from "./elements.js";
import { bestForward, bestReverse, divergences, format, integrand, ladder, logDensity, logGaussian, PEAK } from "./kl_math.js";
import { choice, drag, fillHatched, repaint, grip, INK, mark, meters, road, say, sharp, ticks, UNITS } from "./kl_view.js";

const TRAITS = ["p_weights", "p_means", "p_sds", "q_mean", "q_sd", "unit", "direction"];
const LEFT = 50, RIGHT = 12, TOP = 12, HIGH = 244, FLOOR = 235, LOW = 176, FOOT = 22; // CSS pixels
const GLIDE = 300; // ms
const number = (value) => format(value, 2);

// Axes that hold everything with room to drag; they stay as they are while something moves.
function fit({ p, q }) {
  const all = [...p.means.map((mean, k) => [mean, p.sds[k]]), [q.mean, q.sd]];
  const lo = Math.min(...all.map(([mean, sd]) => mean - 3.2 * sd));
  const hi = Math.max(...all.map(([mean, sd]) => mean + 3.2 * sd));
  const step = ladder((hi - lo) / 20);
  const tallest = Math.max(...all.map(([, sd]) => PEAK / sd));
  return { lo: Math.floor(lo / step - 1) * step, hi: Math.ceil(hi / step + 1) * step, top: 1.1 * tallest };
}

function render({ model, el }) {
  const gone = new AbortController();
  const { signal } = gone;
  const read = () => ({
    p: { weights: [...model.get("p_weights")], means: [...model.get("p_means")], sds: [...model.get("p_sds")] },
    q: { mean: model.get("q_mean"), sd: model.get("q_sd") },
  });
  let state = read();
  let unit = model.get("unit");
  let direction = model.get("direction");
  let start = structuredClone(state);
  let view = fit(state);
  let second = null; // the second peak, while p has one
  let said = ""; // what the last button found
  let glide = 0;

  // The elements
  const densities = make("canvas", { role: "img", "data-picture": "densities", "data-handle": "nearest" });
  const area = make("canvas", { role: "img", "data-picture": "integrand" });
  const stage = make("div", { class: "vc-kl-stage" }, densities);
  const meter = meters();
  const peaks = choice("Shape of p", { 1: "p: one peak", 2: "p: two peaks" }, setPeaks, signal);
  const ways = choice("Integrand", { "p‖q": "", "q‖p": "" }, (value) => { direction = value; touched(); }, signal);
  const units = choice("Unit", { nats: "nats", bits: "bits" }, (value) => { unit = value; touched(); }, signal);
  const weight = make("input", { type: "range", min: 0.05, max: 0.95, step: 0.01 });
  const weightOut = make("span", { class: "vc-kl-number" });
  const weightRow = make("label", { class: "vc-kl-weight" }, make("span", {}, "weight of the first peak"), weight, weightOut);
  weight.addEventListener("input", () => {
    state.p.weights = [Number(weight.value), 1 - Number(weight.value)];
    touched();
  }, { signal });
  const swatch = (kind) => make("span", { class: `vc-kl-swatch vc-kl-swatch-${kind}`, "aria-hidden": "true" });
  const [plus, minus, total, formula] = ["span", "span", "span", "b"].map((tag) => make(tag, { class: "vc-kl-number" }));
  const [plusWhere, minusWhere, totalName] = [make("span"), make("span"), make("span")];
  const legend = make("div", { class: "vc-kl-legend" }, formula,
    make("span", {}, swatch("above"), plusWhere, plus), make("span", {}, swatch("below"), minusWhere, minus), make("span", {}, totalName, total));
  const press = (name, text, action) => {
    const button = make("button", { type: "button", "data-action": name }, text);
    button.addEventListener("click", action, { signal });
    return button;
  };
  const actions = make("div", { class: "vc-kl-actions" },
    press("forward", "best q for KL(p‖q)", () => seek("pq")), press("reverse", "best q for KL(q‖p)", () => seek("qp")), press("reset", "reset", reset));
  const status = make("p", { class: "vc-note", role: "status" });
  const title = make("div", { class: "vc-title" });
  const help = make("p", { class: "vc-note" },
    "Drag a peak: sideways moves it, upwards makes it narrower. With the keyboard: Tab, then the arrows; Shift for big steps.");
  const root = make("div", { class: "vc vc-kl" }, title, help,
    make("div", { class: "vc-kl-controls" }, peaks.element, weightRow, ways.element, units.element), stage, legend, area, meter.element, actions, status);
  el.append(root);

  // Where things are: x and density in CSS pixels of the upper canvas, and back
  let width = 0;
  const toX = (x) => LEFT + ((x - view.lo) / (view.hi - view.lo)) * (width - LEFT - RIGHT);
  const toY = (density) => FLOOR - (density / view.top) * (FLOOR - TOP);
  const hold = (value, least, most) => Math.min(most, Math.max(least, value));

  // The three peaks as handles. A handle sits on its (weighted) Gaussian: the height is w/(σ√2π), so σ = w/(height·√2π).
  const peak = {
    p1: { get: () => [state.p.means[0], state.p.sds[0], state.p.weights[0]], set: (m, s) => { state.p.means[0] = m; state.p.sds[0] = s; } },
    p2: { get: () => [state.p.means[1], state.p.sds[1], state.p.weights[1]], set: (m, s) => { state.p.means[1] = m; state.p.sds[1] = s; } },
    q: { get: () => [state.q.mean, state.q.sd, 1], set: (m, s) => { state.q = { mean: m, sd: s }; } },
  };
  const shown = (id) => id !== "p2" || state.p.means.length === 2;
  const place = (id) => {
    const [mean, sd, w] = peak[id].get();
    return [toX(mean), toY((w * PEAK) / sd)];
  };
  const put = (id, mean, sd) => {
    stop();
    const w = peak[id].get()[2];
    peak[id].set(hold(mean, view.lo, view.hi), hold(sd, (w * PEAK) / view.top, (view.hi - view.lo) / 4));
    touched();
  };
  let offset = [0, 0];
  const follow = (id, event) => {
    const box = densities.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left - offset[0], event.clientY - box.top - offset[1]];
    const height = Math.max((FLOOR - y) / (FLOOR - TOP), 1e-3) * view.top;
    put(id, view.lo + ((x - LEFT) / (width - LEFT - RIGHT)) * (view.hi - view.lo), (peak[id].get()[2] * PEAK) / height);
  };
  const grips = Object.fromEntries(Object.keys(peak).map((id) => [id, grip(id, id[0], id[0], {
    pressed(event) {
      const box = densities.getBoundingClientRect();
      const [x, y] = place(id);
      offset = [event.clientX - box.left - x, event.clientY - box.top - y];
      grips[id].focus({ preventScroll: true });
    },
    moved: (event) => follow(id, event),
    keyed(way, big) {
      if (typeof way === "string") return false;
      const [mean, sd] = peak[id].get();
      const step = (view.hi - view.lo) / (big ? 20 : 200);
      put(id, mean + way[0] * step, sd * (big ? 1.25 : 1.03) ** -way[1]);
    },
  }, signal)]));
  stage.append(...Object.values(grips));
  // A press anywhere else in the picture brings the nearest handle there.
  let near = null;
  drag(densities, {
    pressed(event) {
      if (event.pointerType === "touch") return false; // a finger there scrolls the page
      const box = densities.getBoundingClientRect();
      const far = (id) => Math.hypot(place(id)[0] - event.clientX + box.left, place(id)[1] - event.clientY + box.top);
      near = Object.keys(peak).filter(shown).sort((a, b) => far(a) - far(b))[0];
      offset = [0, 0];
      grips[near].focus({ preventScroll: true });
      follow(near, event);
    },
    moved: (event) => follow(near, event),
  }, signal);

  // What the controls do
  function setPeaks(count) {
    stop();
    const { weights, means, sds } = state.p;
    if (Number(count) === means.length) return;
    if (means.length === 2) {
      second = { weights: [...weights], mean: means[1], sd: sds[1] };
      state.p = { weights: [1], means: [means[0]], sds: [sds[0]] };
    } else {
      const aside = means[0] + (view.hi - means[0] > means[0] - view.lo ? 5 : -5) * sds[0];
      const { weights: both, mean, sd } = second ?? { weights: [0.5, 0.5], mean: hold(aside, view.lo, view.hi), sd: sds[0] };
      state.p = { weights: [...both], means: [means[0], mean], sds: [sds[0], sd] };
    }
    touched();
  }
  function seek(which) {
    stop();
    const valleys = which === "pq" ? [bestForward(state.p)] : bestReverse(state.p);
    const target = valleys[0];
    const from = state.q;
    const words = which === "pq"
      ? () => "This q has the mean and the variance of p: no Gaussian has a smaller KL(p‖q). It covers all of p."
      : () => {
        const others = valleys.slice(1).map((v) => `mean ${number(v.mean)}, standard deviation ${number(v.sd)}: ${amount(v.kl)}`);
        return `No Gaussian has a smaller KL(q‖p).${others.length ? ` Other valleys, where a search can get stuck: ${others.join("; ")}.` : ""}`;
      };
    const begun = performance.now();
    const lasts = matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : GLIDE;
    const step = (now) => {
      const t = lasts ? hold((now - begun) / lasts, 0, 1) : 1;
      const eased = t * t * (3 - 2 * t);
      state.q = t === 1 ? { mean: target.mean, sd: target.sd } : {
        mean: from.mean + eased * (target.mean - from.mean),
        sd: from.sd * (target.sd / from.sd) ** eased,
      };
      touched(words);
      glide = t < 1 ? requestAnimationFrame(step) : 0;
    };
    step(begun);
  }
  function stop() {
    cancelAnimationFrame(glide);
    glide = 0;
  }
  function reset() {
    stop();
    state = structuredClone(start);
    [view, second] = [fit(state), null];
    touched();
  }
  function touched(words = null) {
    said = words;
    paint.soon();
    python.later();
  }
  const amount = (nats) => `${format(nats * UNITS[unit].scale)} ${unit}`;

  // The picture
  function frame(context, height, lines, bottom) {
    [context.textAlign, context.textBaseline, context.lineWidth] = ["right", "middle", 1];
    for (const [y, text] of lines) {
      context.strokeStyle = INK.line;
      context.beginPath();
      context.moveTo(LEFT, y);
      context.lineTo(width - RIGHT, y);
      context.stroke();
      context.fillStyle = INK.text;
      context.fillText(text, LEFT - 6, y);
    }
    [context.textAlign, context.textBaseline] = ["center", "top"];
    for (const [x, text] of ticks(view.lo, view.hi, Math.max(4, width / 90))) {
      context.strokeStyle = INK.line;
      context.beginPath();
      context.moveTo(toX(x), 0);
      context.lineTo(toX(x), bottom);
      context.stroke();
      context.fillStyle = INK.text;
      if (bottom < height) context.fillText(text, toX(x), bottom + 5);
    }
  }
  function trace(context, xs, ys) {
    context.beginPath();
    for (let i = 0; i < xs.length; i++) context.lineTo(toX(xs[i]), ys[i]);
  }
  function grid() {
    const step = (view.hi - view.lo) / 640;
    const xs = Array.from({ length: 641 }, (_, i) => view.lo + i * step);
    for (const [mean, sd] of [...state.p.means.map((m, k) => [m, state.p.sds[k]]), [state.q.mean, state.q.sd]])
      if (sd < 8 * step) for (let t = -5; t <= 5; t += 0.25) xs.push(mean + t * sd); // a narrow peak keeps its height
    return Float64Array.from(xs.filter((x) => x >= view.lo && x <= view.hi)).sort();
  }
  function draw() {
    width = Math.max(320, Math.floor(stage.clientWidth));
    if (!stage.clientWidth) return;
    const forward = direction === "p‖q";
    const { scale, log } = UNITS[unit];
    const values = divergences(state.p, state.q);
    const [kl, above, below] = forward ? [values.pq, values.pqAbove, values.pqBelow] : [values.qp, values.qpAbove, values.qpBelow];
    const xs = grid();
    const [logP, logQ] = [Float64Array.from(xs, logDensity(state.p)), Float64Array.from(xs, logGaussian(state.q))];

    const upper = sharp(densities, width, HIGH);
    frame(upper, FLOOR, ticks(0, view.top, 4).map(([value, text]) => [toY(value), text]), FLOOR);
    const curve = (logs, colour, dash, line, at = xs) => {
      trace(upper, at, Float64Array.from(logs, (value) => toY(Math.exp(value))));
      [upper.strokeStyle, upper.lineWidth, upper.lineJoin] = [colour, line, "round"];
      upper.setLineDash(dash);
      upper.stroke();
      upper.setLineDash([]);
    };
    if (state.p.means.length === 2)
      state.p.means.forEach((mean, k) => {
        const shift = Math.log(state.p.weights[k]);
        const one = logGaussian({ mean, sd: state.p.sds[k] });
        const near = Float64Array.from({ length: 57 }, (_, i) => mean + (i / 8 - 3.5) * state.p.sds[k]).filter((x) => x >= view.lo && x <= view.hi);
        upper.globalAlpha = 0.35;
        curve(near.map((x) => one(x) + shift), INK.p, [], 1, near);
        upper.globalAlpha = 1;
      });
    curve(logP, INK.p, [], 2.5);
    curve(logQ, INK.q, [8, 5], 2.5);

    const heights = Float64Array.from(xs, (_, i) => (forward ? integrand(logP[i], logQ[i]) : integrand(logQ[i], logP[i])) * scale);
    const top = ladder(1.05 * Math.max(heights.reduce((a, b) => Math.max(a, b), 0), -2 * heights.reduce((a, b) => Math.min(a, b), 0)), 0.1);
    const zero = TOP + ((LOW - FOOT - TOP) * 2) / 3;
    const toV = (value) => zero - (value / top) * (zero - TOP);
    const lower = sharp(area, width, LOW);
    frame(lower, LOW, [top, top / 2, 0, -top / 2].map((value) => [toV(value), value >= 1e4 ? value.toExponential(0) : format(value, top < 0.15 ? 3 : top < 2 ? 2 : top < 15 ? 1 : 0)]), LOW - FOOT);
    for (const kind of ["above", "below"]) {
      const part = Float64Array.from(heights, (value) => toV(kind === "above" ? Math.max(value, 0) : Math.min(value, 0)));
      trace(lower, xs, part);
      lower.lineTo(toX(xs[xs.length - 1]), zero);
      lower.lineTo(toX(xs[0]), zero);
      lower.closePath();
      fillHatched(lower, kind);
    }
    trace(lower, xs, Float64Array.from(heights, toV));
    [lower.strokeStyle, lower.lineWidth, lower.lineJoin] = ["#222", 1.5, "round"];
    lower.stroke();
    [lower.strokeStyle, lower.lineWidth] = [INK.axis, 1];
    lower.beginPath();
    lower.moveTo(LEFT, zero);
    lower.lineTo(width - RIGHT, zero);
    lower.stroke();

    // The words around it
    const [a, b] = forward ? ["p", "q"] : ["q", "p"];
    say(formula, `${a}·${log}(${a}/${b})`);
    say(plusWhere, `${a} > ${b}: `);
    say(minusWhere, `${a} < ${b}: `);
    say(totalName, `area = KL(${a}‖${b}) = `);
    say(plus, `+${format(above * scale)}`);
    say(minus, format(below * scale));
    say(total, `${format(kl * scale)} ${unit}`);
    ways.buttons.forEach((button, i) => { say(button, ["p", "q"][i] + `·${log}(${["p/q", "q/p"][i]})`); });
    peaks.show(String(state.p.means.length));
    ways.show(direction);
    units.show(unit);
    weightRow.style.display = state.p.means.length < 2 ? "none" : "";
    weight.value = state.p.weights[0];
    say(weightOut, state.p.weights[0].toFixed(2));
    meter.show(values, unit);
    say(title, model.get("label"));
    for (const [id, element] of Object.entries(grips)) {
      element.hidden = !shown(id);
      if (!shown(id)) continue;
      const [mean, sd] = peak[id].get();
      const [x, y] = place(id);
      element.style.transform = `translate(${x}px, ${hold(y, 0, FLOOR)}px)`;
      const which = id === "q" ? "q" : state.p.means.length < 2 ? "p" : `the ${id === "p1" ? "first" : "second"} peak of p`;
      mark(element, "aria-label", `Mean and width of ${which}`);
      mark(element, "aria-valuemin", view.lo.toFixed(2));
      mark(element, "aria-valuemax", view.hi.toFixed(2));
      mark(element, "aria-valuenow", mean.toFixed(2));
      mark(element, "aria-valuetext", `mean ${number(mean)}, standard deviation ${number(sd)}`);
    }
  }
  function describe() {
    const { pq, qp } = divergences(state.p, state.q);
    const of = (mean, sd) => `mean ${number(mean)} and standard deviation ${number(sd)}`;
    const p = state.p.means.map((mean, k) => of(mean, state.p.sds[k])).join(", the other with ");
    densities.setAttribute("aria-label", `Two densities. p, blue, has ${state.p.means.length === 2 ? "two peaks, one with" : "one peak with"} ${p}. q, dashed vermilion, has ${of(state.q.mean, state.q.sd)}.`);
    const [a, b, kl] = direction === "p‖q" ? ["p", "q", pq] : ["q", "p", qp];
    area.setAttribute("aria-label", `The integrand ${a} times the logarithm of ${a} over ${b}, shaded; its signed area is KL(${a}‖${b}) = ${amount(kl)}.`);
    status.textContent = `KL(p‖q) = ${amount(pq)}, KL(q‖p) = ${amount(qp)}. ${said ? said() : ""}`;
  }

  const python = road(model, TRAITS,
    () => ({ p_weights: [...state.p.weights], p_means: [...state.p.means], p_sds: [...state.p.sds], q_mean: state.q.mean, q_sd: state.q.sd, unit, direction }),
    () => {
      const now = read();
      if (new Set([now.p.weights.length, now.p.means.length, now.p.sds.length]).size > 1) return; // the rest is on its way
      stop();
      [unit, direction] = [model.get("unit"), model.get("direction")];
      if (JSON.stringify(now) !== JSON.stringify(state)) {
        [state, start, view, second] = [now, structuredClone(now), fit(now), null];
        said = null;
      }
      paint.soon();
      describe();
    }, describe);
  const paint = repaint(stage, draw);
  paint.soon();
  describe();
  return () => {
    stop();
    gone.abort();
    python.close();
    paint.close();
    root.remove();
  };
}

export default { render };
