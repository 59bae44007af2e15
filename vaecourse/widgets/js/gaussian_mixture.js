// EM under the hand: points coloured by responsibility, ellipses, and the bound that touches and is lifted.
import { make } from "./elements.js";
import { advance, begin, between, drawMeans, factor, farthest, mixColours, run, startAt, touches } from "./em_math.js";
import { format, ladder } from "./kl_math.js";
import { choice, drag, gridLines, repaint, grip, INK, mark, road, say, sharp, ticks } from "./kl_view.js";

const TRAITS = ["means", "step"];
const MOST = 6, LAST = 200; // components; steps (E and M counted apart)
const MANY = 400; // points: more are drawn smaller, and as squares while a hand drags
const WINDOW = 8; // steps in sight
const PAD = { left: 50, right: 10, top: 24, bottom: 38 }, HIGH = 400, SIDE = { left: 76, right: 12, top: 32, bottom: 38 }, LOW = 290;
const BUDGET = 4; // ms of a frame for EM itself: while a hand drags, a long run may be shown a few steps short
const GLIDE = 250, PACE = [700, 160]; // ms: an ellipse on its way; a step of play, at first and later
const SETTLED = 1e-6; // nats that a sweep gains when EM has come to rest
const COLOURS = [[0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167], [230, 159, 0], [86, 180, 233]];
const SIGNS = "●■▲◆▼✚"; // what the legend shows for the shapes that `shape` draws
const css = ([r, g, b]) => `rgb(${r},${g},${b})`;
const plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

// The corners of the markers of the components from the third on, for a marker of size 1.
const CORNERS = [
  [[0, -1.25], [1.15, 0.8], [-1.15, 0.8]],
  [[0, -1.35], [1.1, 0], [0, 1.35], [-1.1, 0]],
  [[0, 1.25], [1.15, -0.8], [-1.15, -0.8]],
  [[-0.45, -1.3], [0.45, -1.3], [0.45, -0.45], [1.3, -0.45], [1.3, 0.45], [0.45, 0.45], [0.45, 1.3], [-0.45, 1.3], [-0.45, 0.45], [-1.3, 0.45], [-1.3, -0.45], [-0.45, -0.45]],
];

// The path of the marker of component j, around (x, y).
function shape(context, j, x, y, s) {
  if (j === 0) context.arc(x, y, s, 0, 2 * Math.PI);
  else if (j === 1) context.rect(x - 0.9 * s, y - 0.9 * s, 1.8 * s, 1.8 * s);
  else {
    for (const [dx, dy] of CORNERS[j - 2]) context.lineTo(x + dx * s, y + dy * s);
    context.closePath();
  }
}

// The range of column `c` of pairs, with room around it; a constant column gets a range of its own.
function reach(pairs, c) {
  let [lo, hi] = [Infinity, -Infinity];
  for (let i = c; i < pairs.length; i += 2) [lo, hi] = [Math.min(lo, pairs[i]), Math.max(hi, pairs[i])];
  const room = 0.14 * (hi - lo) || 0.1 * Math.abs(lo) || 1;
  return [lo - room, hi + room];
}

function render({ model, el }) {
  const gone = new AbortController();
  const { signal } = gone;
  const bytes = model.get("data");
  const x = new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  const n = x.length / 2;
  const [nameX, nameY] = model.get("names");
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const read = () => model.get("means").flat();
  let means = read(); // where EM begins: [x₁, y₁, x₂, y₂, ...]
  let first = [...means];
  let step = model.get("step");
  let states = run(x, means, step);
  let view = { x: reach([...x, ...means], 0), y: reach([...x, ...means], 1) };
  let whole = "no"; // the curve shows the whole run
  let best = null; // the highest log-likelihood of a run that came to rest, for this number of components
  let draws = model.get("seed");
  let seen = states[step].mixture; // the ellipses in the picture, on their way to those of the step
  let said = null; // why the last press changed nothing
  let glide = null; // { from, begun }
  let timer = 0; // of play
  let dragging = false;
  const count = () => means.length / 2;

  // The elements
  const points = make("canvas", { role: "img", "data-picture": "points", "data-handle": "nearest" });
  const curve = make("canvas", { role: "img", "data-picture": "curve" });
  const stage = make("div", { class: "vc-em-stage" }, points);
  const press = (name, text, action, label = null) => {
    const button = make("button", { type: "button", "data-action": name }, text);
    if (label) button.setAttribute("aria-label", label);
    button.addEventListener("click", action, { signal });
    return button;
  };
  const eButton = press("e", "E step", () => { pause(); oneStep("E"); });
  const mButton = press("m", "M step", () => { pause(); oneStep("M"); });
  const playButton = press("play", "", () => { if (timer) pause(); else play(); });
  const backButton = press("back", "◂ step back", () => { pause(); go(step - 1); });
  const rewindButton = press("rewind", "◂◂ rewind", () => { pause(); go(0); });
  const drawButton = press("draw", "random start", () => { pause(); setMeans(drawMeans(x, count(), draws++), 0); });
  const resetButton = press("reset", "first start", () => { pause(); setMeans([...first], 0); });
  const counter = make("span", { class: "vc-em-counter", "data-readout": "step" });
  const sizes = choice("Number of components", Object.fromEntries(Array.from({ length: Math.min(MOST, n) }, (_, i) => [i + 1, i + 1])), (value) => setCount(Number(value)), signal);
  const spans = choice("Steps in the curve", { no: "latest steps", yes: "whole run" }, (value) => { whole = value; paint.soon(); }, signal);
  const chips = make("div", { class: "vc-em-chips" });
  const readout = (name, text, key) => {
    const number = make("span", { class: "vc-em-number", "data-readout": key });
    return { number, row: [make("span", { class: `vc-em-name vc-em-name-${key}` }, name), number, make("span", { class: "vc-em-unit" }, text)] };
  };
  const [likelihoodOut, boundOut, gapOut] = [readout("log-likelihood", "nats", "likelihood"), readout("bound", "nats", "bound"), readout("gap between them", "nats", "gap")];
  const status = make("p", { class: "vc-note", role: "status" });
  const title = make("div", { class: "vc-title" });
  const root = make("div", { class: "vc vc-kl vc-em" }, title,
    make("p", { class: "vc-note" }, "Drag the numbered discs: there the components begin. With the keyboard: Tab, then the arrows; Shift for big steps."),
    make("div", { class: "vc-em-bar" },
      make("span", { class: "vc-em-pair", role: "group", "aria-label": "One step" }, eButton, mButton), playButton, backButton, rewindButton, counter),
    make("div", { class: "vc-em-panels" },
      make("div", { class: "vc-em-left" }, stage, chips),
      make("div", { class: "vc-em-right" }, curve,
        make("div", { class: "vc-em-numbers" }, ...likelihoodOut.row, ...boundOut.row, ...gapOut.row), spans.element)),
    make("div", { class: "vc-em-bar" }, make("span", { class: "vc-em-label" }, "components"), sizes.element, drawButton, resetButton),
    status);
  el.append(root);

  // Where things are, in CSS pixels of the left canvas
  let width = 0;
  const toX = (value) => PAD.left + ((value - view.x[0]) / (view.x[1] - view.x[0])) * (width - PAD.left - PAD.right);
  const toY = (value) => HIGH - PAD.bottom - ((value - view.y[0]) / (view.y[1] - view.y[0])) * (HIGH - PAD.top - PAD.bottom);
  const fromX = (left) => view.x[0] + ((left - PAD.left) / (width - PAD.left - PAD.right)) * (view.x[1] - view.x[0]);
  const fromY = (top) => view.y[0] + ((HIGH - PAD.bottom - top) / (HIGH - PAD.top - PAD.bottom)) * (view.y[1] - view.y[0]);
  const hold = (value, [least, most]) => Math.min(most, Math.max(least, value));
  const show = (value, [lo, hi]) => format(value, Math.max(0, 2 - Math.floor(Math.log10(hi - lo) + 1e-9)));

  // The steps of EM
  function oneStep(kind) {
    const next = step % 2 ? "M" : "E";
    if (kind === next) return go(step + 1);
    said = kind === "E" ? "The bound touches the log-likelihood already: a second E step changes nothing. Now the M step."
      : step ? "The components fit these responsibilities already: a second M step changes nothing. Now the E step."
        : "The M step needs responsibilities: the E step comes first.";
    describe();
  }
  function go(to) {
    to = Math.min(LAST, Math.max(0, to));
    catchUp();
    const animated = to === step + 1 && to % 2 === 0 && !calm.matches;
    glide = animated ? { from: states[step].mixture, begun: performance.now() } : null;
    step = to;
    catchUp();
    touched();
  }
  const settled = (at = step) => at >= 4 && at % 2 === 1 && states[at].logLikelihood - states[at - 2].logLikelihood < SETTLED;
  function play() {
    catchUp();
    if (settled() || step >= LAST) go(0);
    const beat = () => {
      go(step + 1);
      timer = settled() || step >= LAST ? 0 : setTimeout(beat, PACE[step < WINDOW ? 0 : 1] * (calm.matches ? 2 : 1));
      if (!timer) touched();
    };
    timer = setTimeout(beat, 0);
    say(status, "Playing: E, M, E, M, ...");
    paint.soon();
  }
  function pause() {
    if (!timer) return;
    clearTimeout(timer);
    timer = 0;
    touched();
  }

  // The start of EM, under the hand: the steps taken so far are taken again from there.
  function setMeans(to, at = step) {
    if (to.length !== means.length) best = null;
    [means, step, glide, states] = [to, at, null, []];
    touched();
  }
  // Take the steps that are missing, as many as fit in `ms`.
  function catchUp(ms = Infinity) {
    const end = performance.now() + ms;
    if (!states.length) states = run(x, means, 0);
    while (states.length <= step && performance.now() < end) states.push(advance(x, states.at(-1)));
    if (states.length > step && settled()) best = Math.max(best ?? -Infinity, states[step].logLikelihood);
  }
  function setCount(k) {
    pause();
    if (k === count()) return;
    const to = means.slice(0, 2 * k);
    while (to.length < 2 * k) to.push(...farthest(x, to, [view.x[1] - view.x[0], view.y[1] - view.y[0]]));
    setMeans(to, 0);
    first = [...to];
  }
  function put(j, left, top) {
    const to = [...means];
    to[2 * j] = hold(left, view.x);
    to[2 * j + 1] = hold(top, view.y);
    pause();
    setMeans(to);
  }
  let offset = [0, 0];
  const place = (j) => [toX(means[2 * j]), toY(means[2 * j + 1])];
  const at = (event) => {
    const box = points.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const follow = (j, event) => {
    dragging = true;
    const [left, top] = at(event);
    put(j, fromX(left - offset[0]), fromY(top - offset[1]));
  };
  const released = () => { dragging = false; paint.soon(); };
  const grips = Array.from({ length: MOST }, (_, j) => grip(`m${j + 1}`, String(j + 1), `c${j + 1}`, {
    pressed(event) {
      const [[left, top], [x0, y0]] = [at(event), place(j)];
      offset = [left - x0, top - y0];
      grips[j].focus({ preventScroll: true });
    },
    moved: (event) => follow(j, event),
    released,
    keyed(way, big) {
      if (typeof way === "string") return false;
      const part = big ? 20 : 200;
      put(j, means[2 * j] + (way[0] * (view.x[1] - view.x[0])) / part, means[2 * j + 1] + (way[1] * (view.y[1] - view.y[0])) / part);
    },
  }, signal));
  stage.append(...grips);
  // A press anywhere else in the picture brings the nearest disc there.
  let near = 0;
  drag(points, {
    pressed(event) {
      if (event.pointerType === "touch") return false; // a finger there scrolls the page
      const [left, top] = at(event);
      const far = (j) => Math.hypot(place(j)[0] - left, place(j)[1] - top);
      near = means.slice(0, count()).map((_, j) => j).sort((a, b) => far(a) - far(b))[0];
      offset = [0, 0];
      grips[near].focus({ preventScroll: true });
      follow(near, event);
    },
    moved: (event) => follow(near, event),
    released,
  }, signal);

  function touched() {
    said = null;
    paint.soon();
    if (!timer) python.later(); // play is not at rest
  }

  // The picture on the left: data, ellipses, starts
  function ellipse(context, mixture, j, radius) {
    const [a, b, c] = factor(...mixture.covariances.slice(3 * j, 3 * j + 3));
    context.beginPath();
    for (let i = 0; i < 72; i++) {
      const [u, v] = [radius * Math.cos((i * Math.PI) / 36), radius * Math.sin((i * Math.PI) / 36)];
      context.lineTo(toX(mixture.means[2 * j] + a * u), toY(mixture.means[2 * j + 1] + b * u + c * v));
    }
    context.closePath();
  }
  function drawPoints(mixture, step) {
    const context = sharp(points, width, HIGH);
    gridLines(context, PAD, HIGH, ticks(...view.x, Math.max(3, width / 90)).map(([v, text]) => [toX(v), text]), ticks(...view.y, 6).map(([v, text]) => [toY(v), text]), width);
    [context.textAlign, context.textBaseline] = ["left", "alphabetic"];
    context.fillText(nameY, 6, 14);
    context.textAlign = "right";
    context.fillText(nameX, width - PAD.right, HIGH - 6);
    context.save();
    context.beginPath();
    context.rect(PAD.left, PAD.top, width - PAD.left - PAD.right, HIGH - PAD.top - PAD.bottom);
    context.clip();
    const r = states[step].responsibilities;
    const size = (n > MANY ? 2.6 : 3.4) - (r ? 0 : 0.6);
    const quick = dragging && n > MANY; // squares: the shapes are back when the hand lets go
    const colours = COLOURS.slice(0, count());
    for (let i = 0; i < n; i++) {
      const { colour, leader } = r ? mixColours(colours, r, i * count()) : { colour: "#777", leader: 0 };
      const left = toX(x[2 * i]), top = toY(x[2 * i + 1]);
      context.fillStyle = colour;
      if (quick) context.fillRect(left - 0.9 * size, top - 0.9 * size, 1.8 * size, 1.8 * size);
      else {
        context.beginPath();
        shape(context, leader, left, top, size);
        context.fill();
      }
    }
    for (let j = 0; j < count(); j++) {
      context.strokeStyle = css(COLOURS[j]);
      [[1, 2.2, 1], [2, 1.4, 0.75]].forEach(([radius, line, alpha]) => {
        ellipse(context, mixture, j, radius);
        [context.lineWidth, context.globalAlpha] = [line, alpha];
        context.stroke();
      });
      context.globalAlpha = 1;
    }
    for (let j = 0; step > 0 && j < count(); j++) { // the way from the start, and the number where the component is now
      const path = states.slice(0, step).filter((_, s) => s % 2 === 0).map((state) => state.mixture.means.slice(2 * j, 2 * j + 2));
      path.push(mixture.means.slice(2 * j, 2 * j + 2));
      for (const [colour, line] of [["#fff", 4], [css(COLOURS[j]), 1.6]]) {
        context.beginPath();
        for (const [a, b] of path) context.lineTo(toX(a), toY(b));
        [context.strokeStyle, context.lineWidth, context.lineJoin] = [colour, line, "round"];
        context.stroke();
      }
    }
    for (let j = 0; step > 0 && j < count(); j++) {
      const [left, top] = [toX(mixture.means[2 * j]), toY(mixture.means[2 * j + 1])];
      context.beginPath();
      shape(context, j, left, top, 8);
      [context.fillStyle, context.strokeStyle, context.lineWidth] = ["#fff", css(COLOURS[j]), 2];
      context.fill();
      context.stroke();
      [context.fillStyle, context.textAlign, context.textBaseline, context.font] = ["#222", "center", "middle", "600 11px system-ui, sans-serif"];
      context.fillText(String(j + 1), left, top + 0.5);
    }
    context.restore();
  }

  // The picture on the right: the log-likelihood as a line, the bound as dots
  function drawCurve(step) {
    const wide = Math.max(280, Math.floor(curve.parentElement.clientWidth));
    const context = sharp(curve, wide, LOW);
    const end = whole === "yes" ? Math.max(states.length - 1, WINDOW) : Math.max(step, WINDOW);
    const begun = whole === "yes" ? 0 : end - WINDOW;
    const last = Math.min(end, states.length - 1);
    // The latest steps fill the height, so that touch and lift are seen when the gains are small; what went before is cut.
    const range = (from) => {
      const values = states.slice(from, last + 1).flatMap((state) => [state.logLikelihood, state.bound ?? state.logLikelihood].filter(Number.isFinite));
      if (whole === "yes" && best !== null) values.push(best);
      return [Math.min(...values), Math.max(...values)];
    };
    let from = whole === "yes" ? 0 : Math.max(begun, step - 2 - (step % 2));
    let [lo, hi] = range(from);
    for (const most = 4 * (hi - lo); from > begun && range(from - 1)[1] - range(from - 1)[0] <= most; from--) [lo, hi] = range(from - 1);
    const room = last === 0 ? Math.max(1, 0.05 * Math.abs(hi)) : Math.max(0.08 * (hi - lo), 1e-9 * Math.abs(hi), 2e-3);
    [lo, hi] = [lo - room, hi + room];
    const unit = ladder((hi - lo) / 8); // ends on round numbers, so that the axis changes seldom
    [lo, hi] = [Math.floor(lo / unit) * unit, Math.ceil(hi / unit) * unit];
    const floor = LOW - SIDE.bottom;
    const leftOf = (s) => SIDE.left + ((s - begun + 0.4) / (end - begun + 0.8)) * (wide - SIDE.left - SIDE.right);
    const topOf = (value) => floor - ((value - lo) / (hi - lo)) * (floor - SIDE.top);
    const gap = leftOf(1) - leftOf(0);
    context.fillStyle = "#f3f3f3"; // the M steps
    for (let s = begun + 1; s <= end; s++) if (s % 2 === 0) context.fillRect(leftOf(s - 1), SIDE.top, gap, floor - SIDE.top);
    gridLines(context, SIDE, LOW, [], ticks(lo, hi, 5).map(([value, text]) => [topOf(value), text]), wide);
    [context.textAlign, context.textBaseline] = ["left", "alphabetic"];
    context.fillText("nats", 6, 14);
    context.textAlign = "right";
    context.fillText(gap >= 15 ? "E and M steps" : "sweeps", wide - SIDE.right, LOW - 6);
    [context.textAlign, context.textBaseline] = ["center", "top"];
    if (gap >= 15) for (let s = begun + 1; s <= end; s++) {
      [context.fillStyle, context.font] = [s <= step ? "#222" : "#999", `${s === step ? "700" : "400"} 12px system-ui, sans-serif`];
      context.fillText(s % 2 ? "E" : "M", (leftOf(s - 1) + leftOf(s)) / 2, floor + 5);
    }
    else for (const [sweep, text] of ticks(begun / 2, end / 2, wide / 80)) if (Number.isInteger(sweep)) context.fillText(text, leftOf(2 * sweep), floor + 5);
    if (best !== null && best >= lo && best <= hi) {
      [context.strokeStyle, context.lineWidth] = [INK.above, 1.2];
      context.setLineDash([2, 4]);
      context.beginPath();
      context.moveTo(SIDE.left, topOf(best));
      context.lineTo(wide - SIDE.right, topOf(best));
      context.stroke();
      context.setLineDash([]);
      [context.fillStyle, context.textAlign, context.textBaseline, context.font] = ["#00664b", "right", "bottom", "12px system-ui, sans-serif"];
      context.fillText("best so far", wide - SIDE.right, topOf(best) - 2);
    }
    context.save();
    context.beginPath();
    context.rect(SIDE.left, SIDE.top - 12, wide - SIDE.left, floor - SIDE.top + 12);
    context.clip();
    const line = (from, to, alpha) => {
      context.globalAlpha = alpha;
      context.beginPath();
      for (let s = from; s <= to; s++) context.lineTo(leftOf(s), topOf(states[s].logLikelihood));
      [context.strokeStyle, context.lineWidth, context.lineJoin] = [INK.p, 2.4, "round"];
      context.stroke();
    };
    if (last > step) line(step, last, 0.25); // steps taken back are still there
    line(begun, Math.min(step, last), 1);
    const dot = Math.min(5, Math.max(2, gap / 3));
    for (let s = begun; s <= last; s++) {
      if (!Number.isFinite(states[s].bound)) continue;
      const [left, top, level] = [leftOf(s), topOf(states[s].bound), topOf(states[s].logLikelihood)];
      context.globalAlpha = s > step ? 0.25 : 1;
      [context.strokeStyle, context.lineWidth] = [INK.q, 1.5];
      context.beginPath(); // the gap that the next E step closes
      context.moveTo(left, level);
      context.lineTo(left, top);
      context.stroke();
      context.beginPath();
      context.arc(left, top, dot, 0, 2 * Math.PI);
      context.fillStyle = touches(states[s]) ? INK.q : "#fff"; // full: it touches
      context.fill();
      context.stroke();
    }
    context.globalAlpha = 1;
    [context.strokeStyle, context.lineWidth] = ["#222", 2];
    context.beginPath();
    context.arc(leftOf(step), topOf(states[step].logLikelihood), dot + 4, 0, 2 * Math.PI);
    context.stroke();
    context.restore();
  }

  function draw() {
    if (!stage.clientWidth) return;
    width = Math.max(300, Math.floor(stage.clientWidth));
    catchUp(dragging ? BUDGET : Infinity);
    const shown = Math.min(step, states.length - 1);
    if (shown < step) paint.soon();
    const now = states[shown];
    if (glide) {
      const t = (performance.now() - glide.begun) / GLIDE;
      seen = between(glide.from, now.mixture, t * t * (3 - 2 * t) * (t < 1) + (t >= 1));
      if (t >= 1) glide = null;
    } else seen = now.mixture;
    drawPoints(seen, shown);
    drawCurve(shown);
    say(title, model.get("label"));
    say(playButton, timer ? "❚❚ pause" : "▶ play");
    mark(eButton, "data-next", String(step % 2 === 0));
    mark(mButton, "data-next", String(step % 2 === 1));
    backButton.disabled = rewindButton.disabled = step === 0;
    say(counter, `step ${step}: ${Math.ceil(step / 2)} E, ${Math.floor(step / 2)} M`);
    sizes.show(String(count()));
    spans.show(whole);
    say(likelihoodOut.number, format(now.logLikelihood));
    say(boundOut.number, now.bound === null ? "none yet" : format(now.bound));
    say(gapOut.number, now.bound === null ? "–" : format(Math.max(0, now.logLikelihood - now.bound)));
    if (chips.childElementCount !== count()) chips.replaceChildren(...means.slice(0, count()).map((_, j) => {
      const sign = make("span", { "aria-hidden": "true" }, SIGNS[j]);
      sign.style.color = css(COLOURS[j]);
      return make("span", { class: "vc-em-chip" }, sign, ` ${j + 1}: weight `, make("span", { class: "vc-em-number" }));
    }));
    [...chips.children].forEach((chip, j) => say(chip.lastChild, now.mixture.weights[j].toFixed(3)));
    grips.forEach((element, j) => {
      element.hidden = j >= count();
      if (element.hidden) return;
      const [left, top] = place(j);
      element.style.transform = `translate(${left}px, ${top}px)`;
      mark(element, "data-left", String(step > 0));
      mark(element, "aria-label", `Start of component ${j + 1}`);
      mark(element, "aria-valuemin", String(view.x[0]));
      mark(element, "aria-valuemax", String(view.x[1]));
      mark(element, "aria-valuenow", String(means[2 * j]));
      mark(element, "aria-valuetext", `${nameX} ${show(means[2 * j], view.x)}, ${nameY} ${show(means[2 * j + 1], view.y)}`);
    });
    if (glide) paint.soon();
  }
  function describe() {
    catchUp();
    const { mixture, logLikelihood, bound } = states[step];
    const each = Array.from(mixture.weights, (weight, j) => `component ${j + 1}, weight ${weight.toFixed(2)}, at ${nameX} ${show(mixture.means[2 * j], view.x)}, ${nameY} ${show(mixture.means[2 * j + 1], view.y)}`);
    const coloured = step ? "each coloured by its responsibilities and shaped by the component with the largest" : "grey, since there are no responsibilities yet";
    mark(points, "aria-label", `${plural(n, "point")}, ${coloured}; ellipses at 1 and 2 standard deviations: ${each.join("; ")}.`);
    mark(curve, "aria-label", `The log-likelihood, a line, now ${format(logLikelihood)} nats; the bound, dots, ${bound === null ? "not there before the first E step" : touches(states[step]) ? "touches it" : `${format(bound)} nats, below it until the next E step`}.`);
    if (timer) return; // while it plays, only the end is told
    const where = step ? `After ${step < 2 ? "one E step" : plural(Math.floor(step / 2), "sweep") + (step % 2 ? " and an E step" : "")}` : "At the start";
    const lift = step % 2 || !step ? 0 : logLikelihood - states[step - 1].logLikelihood;
    const rest = !step ? ". No responsibilities yet: press E step."
      : settled() ? ". EM has come to rest: the last sweep gained less than a millionth of a nat."
        : step >= LAST ? `. Stopped after ${LAST / 2} sweeps.`
          : step % 2 ? "; the bound touches it." : `, ${format(lift, 1)} higher; the bound was lifted too, and lies ${format(Math.max(0, logLikelihood - bound), 1)} below.`;
    say(status, said ?? `${where}: log-likelihood ${format(logLikelihood, 1)}${rest}`);
  }

  const python = road(model, TRAITS,
    () => ({ means: Array.from({ length: count() }, (_, j) => means.slice(2 * j, 2 * j + 2)), step }),
    () => {
      const to = read();
      if (JSON.stringify(to) === JSON.stringify(means) && model.get("step") === step) return;
      clearTimeout(timer);
      timer = 0;
      if (to.length !== means.length) best = null;
      if (JSON.stringify(to) !== JSON.stringify(means)) first = [...to];
      [means, step, glide, said] = [to, model.get("step"), null, null];
      states = run(x, means, step);
      view = { x: reach([...x, ...means], 0), y: reach([...x, ...means], 1) };
      paint.soon();
      describe();
    }, describe);
  const paint = repaint(root, draw);
  paint.soon();
  describe();
  return () => {
    clearTimeout(timer);
    gone.abort();
    python.close();
    paint.close();
    root.remove();
  };
}

export default { render };
