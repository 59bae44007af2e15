// A line learned in the Bayesian way, under the hand: points and prior on one side, belief and prediction on the other.
import { averageAt, beliefBetween, drawLines, gaussianBelief, leastSquaresLine, linePosterior, predictiveSd, spreads } from "./bayes_math.js";
import { make } from "./elements.js";
import { format } from "./kl_math.js";
import { choice, drag, grip, INK, mark, repaint, road, say } from "./kl_view.js";
import { makePlane } from "./plane.js";
import { makeSlider } from "./slider.js";

const TRAITS = ["points", "used", "prior_mean", "prior_sd", "noise_sd", "draw"];
const MOST = 30, LINES = 12, SETS = 20;
const PARTS = 64; // of the band along x
const BOX = { left: 50, right: 10, top: 24, bottom: 38 }, HIGH = 380;
const DOUBLINGS = 5; // a slider goes so many either way
const SPAN = 2.6; // standard deviations of a belief in sight, either way
const GLIDE = 250; // ms: a belief on its way when a point comes or goes
const NEAR = 12; // pixels from which a line or its dot is meant
const STILL = 4; // pixels: less is a click, not a drag
const GREY = "#777", MARKED = "#E69F00";
const NONE = -1;
const plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
// Decimals that show a number of this size with so many digits.
const decimals = (size, digits) => Math.max(0, digits - 1 - Math.floor(Math.log10(size) + 1e-9));
const amount = (value) => format(value, decimals(value, 3));
const show = (value, [lo, hi]) => format(value, decimals(hi - lo, 3));
const spread = (mean, sd) => `${format(mean, decimals(sd, 2))} ± ${format(sd, decimals(sd, 2))}`;

function render({ model, el }) {
  const gone = new AbortController();
  const { signal } = gone;
  const bytes = model.get("noise");
  const noises = new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  const correlation = model.get("prior_correlation");
  const [nameX, nameY] = model.get("names");
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const read = () => ({
    points: model.get("points").map((point) => [...point]), used: model.get("used"), mean: [...model.get("prior_mean")],
    sd: [...model.get("prior_sd")], noise: model.get("noise_sd"), draw: model.get("draw"),
  });
  const extent = () => { const [x, y] = model.get("axes"); return { x, y }; };
  let state = read();
  const start = structuredClone(state);
  let middle = { sd: state.sd, noise: state.noise }; // where the sliders have their middle
  let selected = NONE; // the point that "remove" means
  let pointed = NONE; // the line under the pointer
  let around = "prior"; // what the axes of the belief were fitted to
  let glide = null; // { from, begun }
  let said = null; // what the last press did
  let before = null; // the posterior to which the last press added a point
  const prior = () => gaussianBelief(state.mean, state.sd, correlation);
  const posterior = () => linePosterior(state.points.slice(0, state.used), prior(), state.noise);
  let seen = posterior(); // the belief in the picture, on its way to the posterior

  // The elements
  const data = make("canvas", { role: "img", "data-picture": "data", "data-handle": "nearest" });
  const belief = make("canvas", { role: "img", "data-picture": "belief", "data-handle": "middle" });
  const [dataStage, beliefStage] = [data, belief].map((canvas) => make("div", { class: "vc-bayes-stage" }, canvas));
  const press = (name, text, action) => {
    const button = make("button", { type: "button", "data-action": name }, text);
    button.addEventListener("click", action, { signal });
    return button;
  };
  const lessButton = press("less", "◂ one point fewer", () => use(state.used - 1));
  const moreButton = press("more", "one point more ▸", () => use(state.used + 1));
  const addButton = press("add", "add a point", () => add(gap()));
  const removeButton = press("remove", "remove", () => remove(selected));
  const drawButton = press("draw", "other lines", () => { state.draw = (state.draw + 1) % SETS; touched(); });
  const resetButton = press("reset", "reset", () => { state = structuredClone(start); selected = NONE; rebase(); frame("prior"); touched(); });
  const counter = make("span", { class: "vc-bayes-counter", "data-readout": "used" });
  const frames = choice("Axes around", { prior: "prior", posterior: "posterior" }, (which) => { frame(which); touched(); }, signal);
  const slider = (name, handle, label, shows, onMove) => makeSlider({ name, handle, label, low: -DOUBLINGS, high: DOUBLINGS, step: 0.01, key: 0.1, shows, signal, onMove });
  const widthSlider = slider("prior width", "width", "Width of the prior", (power) => `× ${amount(2 ** power)}`, (power) => {
    state.sd = middle.sd.map((sd) => sd * 2 ** power);
    touched();
  });
  const noiseSlider = slider("noise sd", "noise", "Standard deviation of the noise", (power) => amount(middle.noise * 2 ** power), (power) => {
    state.noise = middle.noise * 2 ** power;
    touched();
  });
  const swatch = (kind, text) => make("span", { class: "vc-bayes-key" }, make("span", { class: `vc-bayes-swatch vc-bayes-swatch-${kind}`, "aria-hidden": "true" }), text);
  const bestKey = swatch("best", "least squares");
  const numbers = Object.fromEntries(["priorIntercept", "priorSlope", "intercept", "slope", "evidence", "middle", "edge"].map((key) => [key, make("td", { "data-readout": key })]));
  const row = (name, ...cells) => make("tr", {}, make("th", { scope: "row" }, name), ...cells);
  const table = make("table", { class: "vc-bayes-table" },
    make("tbody", {},
      make("tr", {}, make("td", {}, "mean ± sd"), make("th", { scope: "col" }, "prior"), make("th", { scope: "col" }, "posterior")),
      row("intercept", numbers.priorIntercept, numbers.intercept), row("slope", numbers.priorSlope, numbers.slope)));
  const facts = make("table", { class: "vc-bayes-table" },
    make("tbody", {},
      make("tr", {}, make("th", { scope: "col" }, "log evidence, nats"), make("th", { scope: "col" }, "predictive sd, middle"), make("th", { scope: "col" }, "right edge")),
      make("tr", {}, numbers.evidence, numbers.middle, numbers.edge)));
  const status = make("p", { class: "vc-note", role: "status" });
  const title = make("div", { class: "vc-title" });
  const root = make("div", { class: "vc vc-kl vc-bayes" }, title,
    make("p", { class: "vc-note" }, "Drag the points and p, the middle of the prior. A double-click adds a point, or takes it away. With the keyboard: Tab, then the arrows (Shift for big steps), or Delete."),
    make("div", { class: "vc-bayes-bar" },
      make("span", { class: "vc-bayes-group", role: "group", "aria-label": "Points in use, one at a time" }, lessButton, moreButton, counter),
      addButton, removeButton, drawButton, resetButton),
    make("div", { class: "vc-bayes-panels" },
      make("div", { class: "vc-bayes-left" }, dataStage,
        make("div", { class: "vc-bayes-legend" }, swatch("average", "average prediction"), swatch("band", "± 2 predictive sd"), swatch("plug", "best line alone, ± 2 noise sd"), swatch("line", `${LINES} lines from the posterior`)),
        facts),
      make("div", { class: "vc-bayes-right" }, beliefStage,
        make("div", { class: "vc-bayes-legend" }, swatch("prior", "prior"), swatch("posterior", "posterior, 1 and 2 sd"), swatch("dot", "the lines (point at one)"), bestKey),
        table)),
    make("div", { class: "vc-bayes-bar vc-bayes-sliders" }, widthSlider.element, noiseSlider.element,
      make("span", { class: "vc-bayes-group" }, "axes around the", frames.element)),
    status);
  el.append(root);

  const here = makePlane(data, { box: BOX, high: HIGH, names: [nameX, nameY], view: extent() });
  const there = makePlane(belief, { box: BOX, high: HIGH, names: ["intercept", "slope"], view: null });
  // The axes of the belief: fitted to prior and posterior, or to the posterior alone; they stay while something moves.
  function frame(which) {
    around = which;
    const shown = which === "prior" ? [prior(), posterior()] : [posterior()];
    const [x, y] = [0, 1].map((k) => [
      Math.min(...shown.map((each) => each.mean[k] - SPAN * spreads(each)[k])), Math.max(...shown.map((each) => each.mean[k] + SPAN * spreads(each)[k])),
    ]);
    there.view = { x, y };
  }
  function rebase() {
    middle = { sd: state.sd, noise: state.noise };
  }

  // Points: how many are in use, one more, one fewer
  function use(count) {
    if (count < 0 || count > state.points.length) return;
    const [old, more] = [posterior(), count > state.used];
    state.used = count;
    slide();
    touched();
    if (!more) return;
    before = old;
    said = `Point ${count} came in, and the posterior so far (dotted) was its prior; it adds ${format(posterior().logEvidence - old.logEvidence)} nats to the log evidence (its log density under the prediction before it). `;
  }
  function add(place) {
    if (state.points.length >= MOST) {
      said = `This widget draws at most ${MOST} points. `;
      describe();
      return;
    }
    state.points.splice(state.used, 0, here.inside(place));
    selected = state.used++;
    slide();
    touched();
    draw();
    grips[selected].focus({ preventScroll: true });
  }
  function remove(index) {
    if (!state.points.length) return;
    const i = index === NONE ? state.points.length - 1 : index;
    const held = document.activeElement === grips[i] || root.getRootNode().activeElement === grips[i];
    state.points.splice(i, 1);
    if (i < state.used) state.used--;
    selected = Math.min(i, state.points.length - 1);
    slide();
    touched();
    draw();
    if (held) (grips[selected] ?? addButton).focus({ preventScroll: true });
  }
  // Where a point is missing most: in the middle of the widest gap along x, on the average prediction.
  function gap() {
    const places = [here.view.x[0], ...state.points.map(([x]) => x).sort((a, b) => a - b), here.view.x[1]];
    let widest = 1;
    for (let i = 2; i < places.length; i++) if (places[i] - places[i - 1] > places[widest] - places[widest - 1]) widest = i;
    const x = (places[widest] + places[widest - 1]) / 2;
    return [x, averageAt(posterior(), x)];
  }
  function slide() {
    glide = calm.matches ? null : { from: seen, begun: performance.now() };
  }

  // What is dragged: the points, and the middle of the prior
  function handle(plane, id, letter, kind, where, put) {
    let offset = [0, 0];
    const element = grip(id, letter, kind, {
      pressed(event) {
        const [[left, top], [x, y]] = [plane.at(event), where()];
        offset = [left - plane.toX(x), top - plane.toY(y)];
        element.focus({ preventScroll: true });
      },
      moved(event) {
        const [left, top] = plane.at(event);
        put(plane.inside([plane.fromX(left - offset[0]), plane.fromY(top - offset[1])]));
      },
      keyed(way, big) {
        if (typeof way === "string") return false;
        const [[x, y], part] = [where(), big ? 20 : 200];
        put(plane.inside([x + (way[0] * (plane.view.x[1] - plane.view.x[0])) / part, y + (way[1] * (plane.view.y[1] - plane.view.y[0])) / part]));
      },
    }, signal);
    return element;
  }
  const grips = Array.from({ length: MOST }, (_, i) => {
    const element = handle(here, `point${i + 1}`, String(i + 1), "point", () => state.points[i], (to) => { state.points[i] = to; touched(); });
    element.addEventListener("focus", () => { selected = i; paint.soon(); }, { signal });
    element.addEventListener("dblclick", () => remove(i), { signal });
    element.addEventListener("keydown", (event) => {
      if (event.key !== "Delete" && event.key !== "Backspace") return;
      event.preventDefault();
      event.stopPropagation();
      remove(i);
    }, { signal });
    return element;
  });
  const centre = handle(there, "prior", "p", "prior", () => state.mean, (to) => { state.mean = to; touched(); });
  dataStage.append(...grips);
  beliefStage.append(centre);
  // A drag that begins anywhere else in a picture takes along what is nearest; a click alone moves nothing.
  function bring(plane, canvas, nearest) {
    let [origin, put] = [null, null];
    drag(canvas, {
      pressed(event) {
        if (event.pointerType === "touch") return false; // a finger there scrolls the page
        [origin, put] = [plane.at(event), null];
        pick(NONE);
      },
      moved(event) {
        const [left, top] = plane.at(event);
        if (!put && Math.hypot(left - origin[0], top - origin[1]) < STILL) return;
        put ??= nearest(origin);
        put(plane.inside([plane.fromX(left), plane.fromY(top)]));
      },
    }, signal);
  }
  bring(here, data, ([left, top]) => {
    if (!state.points.length) return () => {};
    const far = state.points.map(([x, y]) => Math.hypot(here.toX(x) - left, here.toY(y) - top));
    const i = far.indexOf(Math.min(...far));
    grips[i].focus({ preventScroll: true });
    return (to) => { state.points[i] = to; touched(); };
  });
  bring(there, belief, () => {
    centre.focus({ preventScroll: true });
    return (to) => { state.mean = to; touched(); };
  });
  data.addEventListener("dblclick", (event) => {
    const [left, top] = here.at(event);
    add([here.fromX(left), here.fromY(top)]);
  }, { signal });

  // A line and its dot belong together: the pointer near the one marks both.
  const lines = () => drawLines(seen, noises.subarray(2 * LINES * state.draw, 2 * LINES * (state.draw + 1)));
  function pick(line) {
    if (line !== pointed) paint.soon();
    pointed = line;
  }
  function point(plane, canvas, far) {
    canvas.addEventListener("pointermove", (event) => {
      if (event.buttons) return;
      const distances = lines().map((line) => far(line, ...plane.at(event)));
      const nearest = distances.indexOf(Math.min(...distances));
      pick(distances[nearest] <= NEAR ? nearest : NONE);
    }, { signal });
    canvas.addEventListener("pointerleave", () => pick(NONE), { signal });
  }
  point(there, belief, ([a, b], left, top) => Math.hypot(there.toX(a) - left, there.toY(b) - top));
  point(here, data, ([a, b], left, top) => Math.abs(here.toY(a + b * here.fromX(left)) - top));

  function touched() {
    said = before = null;
    paint.soon();
    python.later();
  }

  // The picture on the left: points and prediction
  const stroke = (context, colour, wide, alpha = 1, dash = []) => {
    [context.strokeStyle, context.lineWidth, context.globalAlpha] = [colour, wide, alpha];
    context.setLineDash(dash);
    context.stroke();
    context.setLineDash([]);
    context.globalAlpha = 1;
  };
  function drawData(width, drawn) {
    const context = here.open(width);
    const [lo, hi] = here.view.x;
    const straight = ([a, b]) => {
      context.beginPath();
      context.moveTo(here.toX(lo), here.toY(a + b * lo));
      context.lineTo(here.toX(hi), here.toY(a + b * hi));
    };
    context.beginPath();
    for (const [side, way] of [[2, (i) => i], [-2, (i) => PARTS - i]]) // there along the band's upper edge, back along the lower
      for (let i = 0; i <= PARTS; i++) {
        const x = lo + (way(i) / PARTS) * (hi - lo);
        context.lineTo(here.toX(x), here.toY(averageAt(seen, x) + side * predictiveSd(seen, state.noise, x)));
      }
    [context.fillStyle, context.globalAlpha] = [INK.p, 0.15];
    context.fill();
    context.globalAlpha = 1;
    drawn.forEach((line, i) => {
      straight(line);
      stroke(context, i === pointed ? MARKED : INK.p, i === pointed ? 2.6 : 1, i === pointed ? 1 : 0.4);
    });
    for (const sign of [-2, 2]) {
      straight([seen.mean[0] + sign * state.noise, seen.mean[1]]);
      stroke(context, INK.q, 1.4, 1, [6, 4]);
    }
    straight(seen.mean);
    stroke(context, INK.p, 2.6);
    context.restore();
  }

  // The picture on the right: the belief about intercept and slope, before and after the points
  function drawBelief(width, drawn, best) {
    const context = there.open(width);
    const ellipse = ({ mean, factor: [a, b, c] }, radius) => {
      context.beginPath();
      for (let i = 0; i < 96; i++) {
        const [u, v] = [radius * Math.cos((i * Math.PI) / 48), radius * Math.sin((i * Math.PI) / 48)];
        context.lineTo(there.toX(mean[0] + a * u), there.toY(mean[1] + b * u + c * v));
      }
      context.closePath();
    };
    const dot = ([x, y], size, colour, alpha) => {
      context.beginPath();
      context.arc(there.toX(x), there.toY(y), size, 0, 2 * Math.PI);
      [context.fillStyle, context.globalAlpha] = [colour, alpha];
      context.fill();
      context.globalAlpha = 1;
    };
    for (const [gaussian, colour] of [[prior(), GREY], [seen, INK.p]]) {
      ellipse(gaussian, 2);
      [context.fillStyle, context.globalAlpha] = [colour, 0.08];
      context.fill();
      stroke(context, colour, 1.3, 0.8);
      ellipse(gaussian, 1);
      stroke(context, colour, 2.2);
    }
    for (const radius of before ? [1, 2] : []) {
      ellipse(before, radius);
      stroke(context, INK.p, 1.4, 1, [2, 4]);
    }
    drawn.forEach((line, i) => dot(line, i === pointed ? 6 : 2.6, i === pointed ? MARKED : INK.p, i === pointed ? 1 : 0.6));
    if (best) {
      const [left, top] = [there.toX(best[0]), there.toY(best[1])];
      for (const [colour, wide] of [["#fff", 5], ["#000", 2]]) {
        context.beginPath();
        for (const side of [-5, 5]) {
          context.moveTo(left - 5, top - side);
          context.lineTo(left + 5, top + side);
        }
        stroke(context, colour, wide);
      }
    }
    context.restore();
  }

  const within = (value, [lo, hi]) => value >= lo && value <= hi;
  const visible = ([x, y]) => within(x, there.view.x) && within(y, there.view.y);
  function draw() {
    if (!dataStage.clientWidth) return;
    const now = posterior();
    if (glide) {
      const t = (performance.now() - glide.begun) / GLIDE;
      seen = beliefBetween(glide.from, now, t * t * (3 - 2 * t) * (t < 1) + (t >= 1));
      if (t >= 1) glide = null;
      else paint.soon();
    } else seen = now;
    const [drawn, best] = [lines(), leastSquaresLine(state.points.slice(0, state.used))];
    drawData(Math.max(280, Math.floor(dataStage.clientWidth)), drawn);
    drawBelief(Math.max(280, Math.floor(beliefStage.clientWidth)), drawn, best);
    say(title, model.get("label"));
    say(counter, `${state.used} of ${plural(state.points.length, "point")} in use`);
    lessButton.disabled = state.used === 0;
    moreButton.disabled = state.used === state.points.length;
    addButton.disabled = state.points.length >= MOST;
    removeButton.disabled = !state.points.length;
    say(removeButton, state.points.length ? `remove point ${(selected === NONE ? state.points.length - 1 : selected) + 1}` : "remove a point");
    say(bestKey.lastChild, !best ? "least squares: many lines tie" : visible(best) ? "least squares" : "least squares (outside)");
    widthSlider.set(Math.log2(state.sd[0] / middle.sd[0]));
    noiseSlider.set(Math.log2(state.noise / middle.noise));
    frames.show(around);
    const wide = prior();
    [["priorIntercept", wide, 0], ["priorSlope", wide, 1], ["intercept", now, 0], ["slope", now, 1]].forEach(([key, gaussian, k]) => say(numbers[key], spread(gaussian.mean[k], spreads(gaussian)[k])));
    const [lo, hi] = here.view.x;
    say(numbers.middle, amount(predictiveSd(now, state.noise, (lo + hi) / 2)));
    say(numbers.edge, amount(predictiveSd(now, state.noise, hi)));
    say(numbers.evidence, format(now.logEvidence));
    grips.forEach((element, i) => {
      element.hidden = i >= state.points.length;
      if (!element.hidden) place(element, here, state.points[i], `Point ${i + 1}${i < state.used ? "" : ", not in use"}`, [nameX, nameY]);
      mark(element, "data-used", String(i < state.used));
    });
    centre.hidden = !visible(state.mean);
    place(centre, there, state.mean, "Mean of the prior", ["intercept", "slope"]);
  }
  function place(element, plane, [x, y], label, [first, second]) {
    element.style.transform = `translate(${plane.toX(x)}px, ${plane.toY(y)}px)`;
    mark(element, "aria-label", label);
    mark(element, "aria-valuemin", String(plane.view.x[0]));
    mark(element, "aria-valuemax", String(plane.view.x[1]));
    mark(element, "aria-valuenow", String(x));
    mark(element, "aria-valuetext", `${first} ${show(x, plane.view.x)}, ${second} ${show(y, plane.view.y)}`);
  }
  function describe() {
    const [now, [lo, hi]] = [posterior(), here.view.x];
    const both = (gaussian) => `intercept ${spread(gaussian.mean[0], spreads(gaussian)[0])}, slope ${spread(gaussian.mean[1], spreads(gaussian)[1])}`;
    const [inside, edge] = [(lo + hi) / 2, hi].map((x) => amount(predictiveSd(now, state.noise, x)));
    mark(data, "aria-label", `${plural(state.points.length, "point")}, ${state.used} of them in use; the average prediction, a line; a band of 2 predictive standard deviations on either side, ${inside} each in the middle and ${edge} at the right edge; the narrower band of the best line alone, dashed; and ${LINES} lines from the posterior.`);
    const best = leastSquaresLine(state.points.slice(0, state.used));
    mark(belief, "aria-label", `Ellipses at 1 and 2 standard deviations in the plane of intercept and slope. Prior, grey: ${both(prior())}. Posterior, blue: ${both(now)}. ${best ? `The least-squares line, a cross: intercept ${show(best[0], there.view.x)}, slope ${show(best[1], there.view.y)}` : "No least-squares line, since many lines are equally good"}.`);
    const told = state.used ? `${plural(state.used, "point")}: ${both(now)}` : "No point in use, so the posterior is the prior";
    say(status, `${said ?? ""}${told}; log evidence ${format(now.logEvidence)} nats; predictive sd ${inside} in the middle and ${edge} at the right edge, noise sd ${amount(state.noise)}.`);
  }

  const python = road(model, TRAITS,
    () => ({ points: state.points, used: state.used, prior_mean: state.mean, prior_sd: state.sd, noise_sd: state.noise, draw: state.draw }),
    () => {
      const to = read();
      if (JSON.stringify(to) === JSON.stringify(state) || to.used > to.points.length) return; // the rest is on its way
      [state, said, before, glide, selected] = [to, null, null, null, NONE];
      rebase();
      frame(around);
      paint.soon();
      describe();
    }, describe);
  const widened = () => {
    here.view = extent();
    paint.soon();
    describe();
  };
  model.on("change:axes", widened);
  frame("prior");
  const paint = repaint(root, draw);
  paint.soon();
  describe();
  return () => {
    gone.abort();
    model.off("change:axes", widened);
    python.close();
    paint.close();
    root.remove();
  };
}

export default { render };
