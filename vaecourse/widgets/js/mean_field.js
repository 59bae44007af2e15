// Mean field under the hand: a product q₁(z₁) q₂(z₂) beside a correlated Gaussian, improved one factor at a time.
import { make } from "./elements.js";
import { format, ladder, PEAK } from "./kl_math.js";
import { choice, drag, gridLines, grip, INK, mark, meters, repaint, road, say, sharp, ticks } from "./kl_view.js";
import { ascend, elboOf, factorOf, forwardFit, keptVariance, klBoth, leastDivergence, leftToGain, onTheWay, within } from "./mean_field_math.js";
import { makePlane } from "./plane.js";
import { makeSlider } from "./slider.js";

const TRAITS = ["correlation", "sds", "mean", "start", "start_sds", "first", "steps", "forward"];
const LAST = 400; // updates
const WINDOW = 8; // steps of the curve in sight
const STRIP = 76, HIGH = 470, LOW = 250; // CSS pixels: the marginals at the edges of the plane; the two canvases
const BOX = { left: 46, right: STRIP + 14, top: STRIP + 14, bottom: 38 }, SIDE = { left: 58, right: 12, top: 30, bottom: 38 };
const REACH_SDS = 3.2; // what is in sight of p, at least, on each side
const RIM = 15; // pixels: the disc of q
const ASIDE = 30; // pixels from the disc of q to the grips of its widths, at least
const STEEP = 3; // so many times as high as p may a marginal of q be drawn
const GLIDE = 250, PACE = [700, 160, 40]; // ms: q on its way; a step of play: at first, later, in the end
const SETTLED = 1e-6; // nats that the next updates gain when q has come to rest
const DOUBLINGS = 2; // the sd of z₂ is at most 2² and at least 2⁻² times that of z₁
const LETTERS = ["₁", "₂"];
const hold = (value, least, most) => Math.min(most, Math.max(least, value));
const number = (value, digits = 2) => format(value, digits);
const times = (n) => `${n} time${n === 1 ? "" : "s"}`;

function render({ model, el }) {
  const gone = new AbortController();
  const { signal } = gone;
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const read = () => ({
    p: { mean: [...model.get("mean")], sds: [...model.get("sds")], correlation: model.get("correlation") },
    start: { means: [...model.get("start")], variances: model.get("start_sds").map((sd) => sd * sd) },
    first: model.get("first"), steps: model.get("steps"), forward: model.get("forward"),
  });
  let state = read(); // `first`: the factor updated first, 1 or 2
  let begun = structuredClone(state); // what "reset" brings back
  let path = []; // q at the start and after each update, also of those taken back
  let levels = []; // the ELBO of each
  let far = 0; // p's standard deviations in sight on each side
  let whole = "no"; // the curve shows the whole run
  let glide = null; // { from, begun }
  let seen = null; // q in the picture, on its way to that of the step
  let said = null; // why the last press changed nothing
  let timer = 0; // of play
  const now = () => path[state.steps];

  // The elements
  const canvas = make("canvas", { role: "img", "data-picture": "plane", "data-handle": "nearest" });
  const curve = make("canvas", { role: "img", "data-picture": "curve" });
  const stage = make("div", { class: "vc-em-stage" }, canvas);
  const press = (name, text, action) => {
    const button = make("button", { type: "button", "data-action": name }, text);
    button.addEventListener("click", action, { signal });
    return button;
  };
  const updateButtons = [0, 1].map((j) => press(`q${j + 1}`, `update q${LETTERS[j]}`, () => { pause(); oneStep(j); }));
  const playButton = press("play", "", () => { if (timer) pause(); else play(); });
  const backButton = press("back", "◂ step back", () => { pause(); go(state.steps - 1); });
  const rewindButton = press("rewind", "◂◂ rewind", () => { pause(); go(0); });
  const resetButton = press("reset", "reset", () => { pause(); set(structuredClone(begun)); });
  const forwardButton = press("forward", "show the forward fit", () => { state.forward = !state.forward; touched(); });
  const counter = make("span", { class: "vc-em-counter", "data-readout": "steps" });
  const correlation = makeSlider({
    name: "correlation ρ", label: "Correlation of z₁ and z₂", low: -0.99, high: 0.99, step: 0.01, key: 0.01, handle: "rho", signal,
    onMove: (value) => target({ correlation: Math.round(value * 100) / 100 }),
  });
  const ratio = makeSlider({
    name: "sd of z₂ ÷ sd of z₁", label: "Standard deviation of z₂, divided by that of z₁", low: -DOUBLINGS, high: DOUBLINGS, step: 0.05, key: 0.05, handle: "ratio", signal,
    shows: (power) => number(2 ** power), onMove: (power) => target({ sds: [state.p.sds[0], state.p.sds[0] * 2 ** power] }),
  });
  const spans = choice("Steps in the curve", { no: "latest steps", yes: "whole run" }, (value) => { whole = value; paint.soon(); }, signal);
  const meter = meters();
  const legend = Object.fromEntries([["p", "p, the truth"], ["q", "q = q₁ · q₂"], ["forward", "forward fit: least KL(p‖q)"], ["given", "the mean of one, given the other"]].map(
    ([kind, text]) => [kind, make("span", {}, make("i", { class: `vc-mf-line vc-mf-line-${kind}`, "aria-hidden": "true" }), text)]));
  const row = (key, name, unit) => {
    const value = make("span", { class: "vc-em-number", "data-readout": key });
    return { value, cells: [make("span", {}, name), value, make("span", { class: "vc-em-unit" }, unit)] };
  };
  const rows = {
    kept1: row("kept1", "variance of q₁", "× the true one"), kept2: row("kept2", "variance of q₂", "× the true one"),
    kept: row("kept", "1 − ρ²", "is where both end"), shrink: row("shrink", "ρ²", "× mean's error, per sweep"),
    least: row("least", "−½ ln(1 − ρ²)", "nats: no product has less"), cover: row("cover", "forward fit", "nats is its KL(q‖p)"),
  };
  const status = make("p", { class: "vc-note", role: "status" });
  const title = make("div", { class: "vc-title" });
  const root = make("div", { class: "vc vc-kl vc-em vc-mf" }, title,
    make("p", { class: "vc-note" }, "Drag q; the grips on its edge make it wider or narrower. With the keyboard: Tab, then the arrows; Shift for big steps."),
    make("div", { class: "vc-em-bar" }, correlation.element, ratio.element, forwardButton),
    make("div", { class: "vc-em-bar" },
      make("span", { class: "vc-em-pair", role: "group", "aria-label": "One step" }, ...updateButtons), playButton, backButton, rewindButton, resetButton, counter),
    make("div", { class: "vc-em-panels" },
      make("div", { class: "vc-em-left" }, stage, make("div", { class: "vc-mf-legend" }, ...Object.values(legend))),
      make("div", { class: "vc-em-right" }, curve, spans.element, meter.element,
        make("div", { class: "vc-em-numbers vc-mf-numbers" }, ...Object.values(rows).flatMap(({ cells }) => cells)))),
    status);
  el.append(root);

  // The steps
  function oneStep(j) {
    const next = factorOf(state.steps + 1, state.first);
    if (j !== next && state.steps > 0) {
      said = `q${LETTERS[j]} is already the best beside this q${LETTERS[next]}: updating it again changes nothing. Now q${LETTERS[next]}.`;
      return describe();
    }
    if (j !== next) [state.first, path] = [j + 1, []];
    go(state.steps + 1);
  }
  function go(to) {
    to = hold(to, 0, LAST);
    catchUp();
    glide = to === state.steps + 1 && !calm.matches ? { from: now(), begun: performance.now() } : null;
    state.steps = to;
    touched();
  }
  const settled = () => leftToGain(state.p, now()) < SETTLED;
  function play() {
    catchUp();
    if (settled() || state.steps >= LAST) go(0);
    const beat = () => {
      const done = settled() || state.steps >= LAST;
      if (!done) go(state.steps + 1);
      timer = done ? 0 : setTimeout(beat, PACE[state.steps < WINDOW ? 0 : state.steps < 4 * WINDOW ? 1 : 2] * (calm.matches ? 2 : 1));
      if (done) touched();
    };
    timer = setTimeout(beat, 0);
    say(status, "Playing: q₁ and q₂ in turn.");
    paint.soon();
  }
  function pause() {
    if (!timer) return;
    clearTimeout(timer);
    timer = 0;
    touched();
  }
  // Compute the steps that are missing.
  function catchUp() {
    if (path.length > state.steps) return;
    path = ascend(state.p, state.start, state.first, state.steps);
    levels = path.map((q) => elboOf(state.p, q));
  }
  function look() {
    far = Math.max(REACH_SDS, ...[0, 1].map((j) => Math.abs(state.start.means[j] - state.p.mean[j]) / state.p.sds[j]));
  }
  function set(to) {
    [state, path, glide] = [to, [], null];
    catchUp();
    look();
    touched();
  }
  // Another target: the steps taken are taken again, from the same start.
  function target(change) {
    pause();
    const p = { ...state.p, ...change };
    set({ ...state, p, start: within(p, state.start) });
  }
  // q under the hand: a new start.
  function put(q) {
    pause();
    [state.start, state.first, state.steps, path, glide] = [q, 1, 0, [], null];
    catchUp();
    touched();
  }
  function touched() {
    said = null;
    paint.soon();
    if (!timer) python.later(); // play is not at rest
  }

  // q's disc and the grips of its two widths, which stand on the ellipse of 2 sd or, if that is small, beside it
  const plane = makePlane(canvas, { box: BOX, high: HIGH, names: ["z₁", ""], view: { x: [0, 1], y: [0, 1] } });
  const unit = () => plane.toX(1) - plane.toX(0); // pixels, along both axes
  const edge = (j) => 2 * Math.sqrt(now().variances[j]) * unit();
  const place = {
    q: () => [plane.toX(now().means[0]), plane.toY(now().means[1])],
    w1: () => { const [x, y] = place.q(); return [Math.min(x + Math.max(edge(0), ASIDE), plane.width - BOX.right), y]; },
    w2: () => { const [x, y] = place.q(); return [x, Math.max(y - Math.max(edge(1), ASIDE), BOX.top)]; },
  };
  const move = {
    q(x, y) {
      // anywhere in sight, its disc included
      const means = [plane.fromX(hold(x, BOX.left + RIM, plane.width - BOX.right - RIM)), plane.fromY(hold(y, BOX.top + RIM, HIGH - BOX.bottom - RIM))];
      put({ means, variances: [...now().variances] });
    },
    w1: (x) => widen(0, (x - place.q()[0]) / 2 / unit()),
    w2: (x, y) => widen(1, (place.q()[1] - y) / 2 / unit()),
  };
  function widen(j, sd) {
    const variances = [...now().variances];
    variances[j] = hold(sd, 0.05 * state.p.sds[j], far * state.p.sds[j]) ** 2;
    put({ means: [...now().means], variances });
  }
  let offset = [0, 0];
  const follow = (id, event) => {
    const [x, y] = plane.at(event);
    move[id](x - offset[0], y - offset[1]);
  };
  const grips = Object.fromEntries([["q", "q"], ["w1", "↔"], ["w2", "↕"]].map(([id, letter]) => [id, grip(id, letter, id === "q" ? "q" : "width", {
    pressed(event) {
      const [x, y] = plane.at(event);
      const [x0, y0] = place.q();
      const held = { q: [x0, y0], w1: [x0 + edge(0), y0], w2: [x0, y0 - edge(1)] }[id]; // where the ellipse itself ends
      offset = [x - held[0], y - held[1]];
      grips[id].focus({ preventScroll: true });
    },
    moved: (event) => follow(id, event),
    keyed(way, big) {
      if (typeof way === "string") return false;
      const part = (2 * far) / (big ? 20 : 200);
      if (id === "q") {
        const [x, y] = now().means;
        move.q(plane.toX(x + way[0] * part * state.p.sds[0]), plane.toY(y + way[1] * part * state.p.sds[1]));
      } else {
        const j = id === "w1" ? 0 : 1;
        widen(j, Math.sqrt(now().variances[j]) * (big ? 1.25 : 1.03) ** (way[0] + way[1]));
      }
    },
  }, signal)]));
  stage.append(...Object.values(grips));
  drag(canvas, { // a press anywhere else in the picture brings q there
    pressed(event) {
      if (event.pointerType === "touch") return false; // a finger there scrolls the page
      offset = [0, 0];
      grips.q.focus({ preventScroll: true });
      follow("q", event);
    },
    moved: (event) => follow("q", event),
  }, signal);

  // The picture on the left: the two densities as ellipses of 1 and 2 sd, their marginals at the edges
  function ellipse(context, [x, y], [a, b, c], radius) { // the points m + radius · L u, |u| = 1, with L = (a 0; b c)
    context.beginPath();
    for (let i = 0; i < 90; i++) {
      const [u, v] = [radius * Math.cos((i * Math.PI) / 45), radius * Math.sin((i * Math.PI) / 45)];
      context.lineTo(plane.toX(x + a * u), plane.toY(y + b * u + c * v));
    }
    context.closePath();
  }
  function stroke(context, colour, line, dash = []) {
    [context.strokeStyle, context.lineWidth, context.lineJoin] = [colour, line, "round"];
    context.setLineDash(dash);
    context.stroke();
    context.setLineDash([]);
  }
  // Equal lengths along both axes, and all of p within `far` standard deviations in sight.
  function aim(width) {
    const { mean, sds } = state.p;
    const [across, up] = [width - BOX.left - BOX.right, HIGH - BOX.top - BOX.bottom];
    const scale = Math.min((across - 2 * RIM) / sds[0], (up - 2 * RIM) / sds[1]) / (2 * far); // the disc at the very edge is in sight too
    plane.view = { x: [mean[0] - across / 2 / scale, mean[0] + across / 2 / scale], y: [mean[1] - up / 2 / scale, mean[1] + up / 2 / scale] };
  }
  function drawPlane(width, q) {
    const { mean, sds, correlation: rho } = state.p;
    const context = plane.open(width);
    const lower = [sds[0], rho * sds[1], sds[1] * Math.sqrt(keptVariance(state.p))];
    // E[z₁|z₂] and E[z₂|z₁]: the lines on which the updates land
    const span = 2 * far * Math.max(...sds) + plane.view.x[1] - plane.view.x[0];
    for (const [dx, dy] of [[rho * sds[0], sds[1]], [sds[0], rho * sds[1]]]) {
      context.beginPath();
      context.moveTo(plane.toX(mean[0] - (dx * span) / sds[0]), plane.toY(mean[1] - (dy * span) / sds[0]));
      context.lineTo(plane.toX(mean[0] + (dx * span) / sds[0]), plane.toY(mean[1] + (dy * span) / sds[0]));
      stroke(context, "#aaa", 1);
    }
    for (const [radius, line, shade] of [[2, 1.6, 0.06], [1, 2.4, 0.1]]) {
      ellipse(context, mean, lower, radius);
      [context.fillStyle, context.globalAlpha] = [INK.p, shade];
      context.fill();
      context.globalAlpha = 1;
      stroke(context, INK.p, line);
    }
    if (state.forward) for (const [radius, line] of [[2, 1.4], [1, 2]]) {
      ellipse(context, mean, [sds[0], 0, sds[1]], radius);
      stroke(context, INK.above, line, [2, 4]);
    }
    for (const [radius, line] of [[2, 1.6], [1, 2.4]]) {
      ellipse(context, q.means, [Math.sqrt(q.variances[0]), 0, Math.sqrt(q.variances[1])], radius);
      stroke(context, INK.q, line, [7, 4]);
    }
    // The way of the mean
    const way = [...path.slice(0, state.steps), q].map(({ means }) => [plane.toX(means[0]), plane.toY(means[1])]);
    if (way.length > 1) {
      context.beginPath();
      for (const [x, y] of way) context.lineTo(x, y);
      stroke(context, "#fff", 4.5);
      stroke(context, INK.q, 1.8);
      context.fillStyle = INK.q;
      let dotted = [-Infinity, 0];
      way.slice(0, -1).forEach(([x, y], i) => {
        if (Math.hypot(x - dotted[0], y - dotted[1]) < 7) return;
        dotted = [x, y];
        context.beginPath();
        context.arc(x, y, i ? 2.6 : 4.5, 0, 2 * Math.PI);
        context.fill();
      });
    }
    context.restore();
    [context.fillStyle, context.textAlign, context.textBaseline] = [INK.text, "left", "alphabetic"];
    context.fillText("z₂", 6, BOX.top + 2);
    marginals(context, q);
  }
  // The densities of z₁ above the plane and of z₂ beside it, p's and q's on one scale
  function marginals(context, q) {
    const { mean, sds } = state.p;
    [0, 1].forEach((j) => {
      const curves = [[INK.p, mean[j], sds[j], 2, []], [INK.q, q.means[j], Math.sqrt(q.variances[j]), 2, [7, 4]]];
      if (state.forward) curves.push([INK.above, mean[j], sds[j], 3, [2, 4]]);
      const top = Math.max(PEAK / sds[j], Math.min(PEAK / curves[1][2], (STEEP * PEAK) / sds[j]));
      const [floor, right] = [BOX.top - 6, plane.width - BOX.right + 6];
      context.save();
      context.beginPath();
      if (j === 0) context.rect(BOX.left, floor - STRIP, plane.width - BOX.left - BOX.right, STRIP + 1);
      else context.rect(right - 1, BOX.top, STRIP + 1, HIGH - BOX.top - BOX.bottom);
      context.clip();
      for (const [colour, m, sd, line, dash] of curves) {
        context.beginPath();
        for (let i = -60; i <= 60; i++) {
          const t = (4.5 * i * Math.abs(i)) / 3600; // dense at the peak
          const high = (((PEAK / sd) * Math.exp(-0.5 * t * t)) / top) * (STRIP - 4);
          if (j === 0) context.lineTo(plane.toX(m + t * sd), floor - high);
          else context.lineTo(right + high, plane.toY(m + t * sd));
        }
        if (colour === INK.p) {
          [context.fillStyle, context.globalAlpha] = [INK.p, 0.1];
          context.fill();
          context.globalAlpha = 1;
        }
        stroke(context, colour, line, dash);
      }
      context.restore();
      context.beginPath();
      if (j === 0) { context.moveTo(BOX.left, floor); context.lineTo(plane.width - BOX.right, floor); }
      else { context.moveTo(right, BOX.top); context.lineTo(right, HIGH - BOX.bottom); }
      stroke(context, INK.axis, 1);
    });
    [context.textAlign, context.textBaseline] = ["left", "alphabetic"];
    const words = [[["p(z₁)", INK.p], ["q₁(z₁)", INK.q]], [["p(z₂)", INK.p], ["q₂(z₂)", INK.q]]];
    words.forEach((pair, j) => pair.forEach(([text, colour], i) => {
      context.fillStyle = colour;
      context.fillText(text, j ? plane.width - BOX.right + 12 : BOX.left + 2, (j ? BOX.top - 24 : 26) + 16 * i);
    }));
  }

  // The picture on the right: the ELBO, the log evidence 0 above it, and the best that any product reaches
  function drawCurve() {
    const { steps, p } = state;
    const wide = Math.max(280, Math.floor(curve.parentElement.clientWidth));
    const context = sharp(curve, wide, LOW);
    const end = whole === "yes" ? Math.max(path.length - 1, WINDOW) : Math.max(steps, WINDOW);
    const begin = whole === "yes" ? 0 : end - WINDOW;
    const last = Math.min(end, path.length - 1);
    // From the log evidence down to the latest steps; what lies much lower is cut.
    let from = whole === "yes" ? 0 : Math.max(begin, Math.min(steps, last) - 2);
    const lowest = (first) => Math.min(-leastDivergence(p), ...levels.slice(first, last + 1));
    for (const most = 3 * lowest(from); from > begin && lowest(from - 1) >= most; from--);
    const step = ladder(Math.max(-lowest(from), 0.1) / 5); // ends on round numbers, so that the axis changes seldom
    const [lo, hi] = [Math.floor((1.04 * lowest(from)) / step - 0.5) * step, 0.6 * step];
    const floor = LOW - SIDE.bottom;
    const leftOf = (s) => SIDE.left + ((s - begin + 0.4) / (end - begin + 0.8)) * (wide - SIDE.left - SIDE.right);
    const topOf = (value) => floor - ((value - lo) / (hi - lo)) * (floor - SIDE.top);
    const gap = leftOf(1) - leftOf(0);
    const across = (value, colour, line, dash) => {
      context.beginPath();
      context.moveTo(SIDE.left, topOf(value));
      context.lineTo(wide - SIDE.right, topOf(value));
      stroke(context, colour, line, dash);
    };
    context.fillStyle = "#f3f3f3"; // the updates of q₂
    for (let s = begin + 1; s <= end; s++) if (factorOf(s, state.first) === 1) context.fillRect(leftOf(s - 1), SIDE.top, gap, floor - SIDE.top);
    gridLines(context, SIDE, LOW, [], ticks(lo, hi, 5).map(([value, text]) => [topOf(value), text]), wide);
    [context.textAlign, context.textBaseline] = ["left", "alphabetic"];
    context.fillText("nats", 6, 14);
    context.textAlign = "right";
    context.fillText(gap >= 22 ? "factor updated" : "steps", wide - SIDE.right, LOW - 6);
    [context.textAlign, context.textBaseline] = ["center", "top"];
    if (gap >= 22) for (let s = begin + 1; s <= end; s++) {
      [context.fillStyle, context.font] = [s <= steps ? "#222" : "#999", `${s === steps ? "700" : "400"} 12px system-ui, sans-serif`];
      context.fillText(`q${LETTERS[factorOf(s, state.first)]}`, (leftOf(s - 1) + leftOf(s)) / 2, floor + 5);
    }
    else for (const [s, text] of ticks(begin, end, wide / 80)) if (Number.isInteger(s)) context.fillText(text, leftOf(s), floor + 5);
    context.font = "12px system-ui, sans-serif";
    across(0, INK.p, 2.4);
    across(-leastDivergence(p), "#444", 1.2, [2, 4]);
    context.save();
    context.beginPath();
    context.rect(SIDE.left, SIDE.top, wide - SIDE.left, floor - SIDE.top);
    context.clip();
    const line = (a, b, alpha) => {
      context.globalAlpha = alpha;
      context.beginPath();
      for (let s = a; s <= b; s++) context.lineTo(leftOf(s), topOf(levels[s]));
      stroke(context, INK.q, 2);
    };
    if (last > steps) line(Math.max(steps, begin), last, 0.25); // steps taken back are still there
    line(begin, Math.min(steps, last), 1);
    const dot = hold(gap / 3, 1.5, 5);
    for (let s = begin; s <= last; s++) {
      context.globalAlpha = s > steps ? 0.25 : 1;
      context.beginPath();
      context.arc(leftOf(s), topOf(levels[s]), dot, 0, 2 * Math.PI);
      context.fillStyle = INK.q;
      context.fill();
    }
    context.globalAlpha = 1;
    context.beginPath(); // what is missing: KL(q‖p)
    context.moveTo(leftOf(steps), topOf(0));
    context.lineTo(leftOf(steps), topOf(levels[steps]));
    stroke(context, INK.q, 1.5, [3, 3]);
    context.beginPath();
    context.arc(leftOf(steps), topOf(levels[steps]), dot + 4, 0, 2 * Math.PI);
    stroke(context, "#222", 2);
    context.restore();
    const best = topOf(-leastDivergence(p)), room = best - topOf(0) > 26;
    for (const [text, colour, side, base, x, y] of [
      ["log evidence = 0", INK.p, "left", "bottom", SIDE.left + 4, topOf(0) - 4],
      ["best of any product", "#444", room ? "right" : "center", room ? "bottom" : "top", room ? wide - SIDE.right - 2 : (SIDE.left + wide) / 2, best + (room ? -5 : 9)],
    ]) {
      [context.textAlign, context.textBaseline, context.fillStyle, context.strokeStyle, context.lineWidth] = [side, base, colour, "#fff", 3];
      context.strokeText(text, x, y);
      context.fillText(text, x, y);
    }
  }

  function draw() {
    if (!stage.clientWidth) return;
    const width = Math.max(300, Math.floor(stage.clientWidth));
    catchUp();
    seen = now();
    if (glide) {
      const t = (performance.now() - glide.begun) / GLIDE;
      if (t < 1) seen = onTheWay(glide.from, seen, t * t * (3 - 2 * t));
      else glide = null;
    }
    const { p, steps, first } = state;
    aim(width);
    drawPlane(width, seen);
    drawCurve();
    const values = klBoth(p, now());
    meter.show(values, "nats");
    say(title, model.get("label"));
    say(playButton, timer ? "❚❚ pause" : "▶ play");
    updateButtons.forEach((button, j) => mark(button, "data-next", String(j === factorOf(steps + 1, first))));
    backButton.disabled = rewindButton.disabled = steps === 0;
    mark(forwardButton, "aria-pressed", String(state.forward));
    legend.forward.hidden = !state.forward;
    const counts = [Math.ceil(steps / 2), Math.floor(steps / 2)];
    say(counter, `step ${steps}: ${counts[first === 1 ? 0 : 1]} of q₁, ${counts[first === 1 ? 1 : 0]} of q₂`);
    spans.show(whole);
    correlation.set(p.correlation);
    ratio.set(Math.round(Math.log2(p.sds[1] / p.sds[0]) * 1e6) / 1e6);
    [0, 1].forEach((j) => say(rows[`kept${j + 1}`].value, number(now().variances[j] / p.sds[j] ** 2, 3)));
    say(rows.kept.value, number(keptVariance(p), 3));
    say(rows.shrink.value, number(p.correlation ** 2, 3));
    say(rows.least.value, number(leastDivergence(p), 3));
    say(rows.cover.value, number(klBoth(p, forwardFit(p)).qp, 3));
    for (const cell of rows.cover.cells) cell.hidden = !state.forward;
    const texts = {
      q: ["Mean of q", now().means[0], p.mean[0], (plane.view.x[1] - plane.view.x[0]) / 2, `z₁ ${number(now().means[0])}, z₂ ${number(now().means[1])}`],
      ...Object.fromEntries([0, 1].map((j) => {
        const sd = Math.sqrt(now().variances[j]);
        return [`w${j + 1}`, [`Standard deviation of q${LETTERS[j]}`, sd, 0, Math.max(far * p.sds[j], sd), number(sd)]];
      })),
    };
    for (const [id, element] of Object.entries(grips)) {
      const [left, top] = place[id]();
      element.style.transform = `translate(${left}px, ${top}px)`;
      const [name, value, middle, reach, text] = texts[id];
      mark(element, "aria-label", name);
      mark(element, "aria-valuemin", (id === "q" ? middle - reach : 0).toFixed(3));
      mark(element, "aria-valuemax", (middle + reach).toFixed(3));
      mark(element, "aria-valuenow", value.toFixed(3));
      mark(element, "aria-valuetext", text);
    }
    if (glide) paint.soon();
  }
  function describe() {
    catchUp();
    const { p, steps } = state;
    const [q, { qp, pq }, sds] = [now(), klBoth(p, now()), now().variances.map(Math.sqrt)];
    const pair = ([a, b]) => `(${number(a)}, ${number(b)})`;
    mark(canvas, "aria-label", `p, blue ellipses of 1 and 2 standard deviations: mean ${pair(p.mean)}, standard deviations ${pair(p.sds)}, correlation ${number(p.correlation)}. q, dashed vermilion ellipses along the axes: mean ${pair(q.means)}, standard deviations ${pair(sds)}.${state.forward ? " The forward fit, dotted green, has p's own mean and standard deviations." : ""} Along two edges the densities of z₁ and of z₂ alone, p's and q's.`);
    mark(curve, "aria-label", `The ELBO, dots, now ${number(-qp, 3)} nats after ${times(steps).replace("time", "step")}; above it the log evidence, 0, and a dotted line at ${number(-leastDivergence(p), 3)}, the best of any product.`);
    if (timer) return; // while it plays, only the end is told
    const gained = steps ? levels[steps] - levels[steps - 1] : 0;
    const rest = settled() ? " No update gains a millionth of a nat: this is the best q there is, and what remains is the price of independence."
      : steps >= LAST ? ` Stopped after ${LAST} steps.`
        : steps ? ` The last update gained ${number(gained, 3)}.` : "";
    say(status, said ?? `${steps ? `After ${times(steps).replace("time", "step")}` : "At the start"}: ELBO ${number(-qp, 3)} nats, KL(q‖p) = ${number(qp, 3)}, KL(p‖q) = ${number(pq, 3)}.${rest}`);
  }

  const python = road(model, TRAITS,
    () => ({
      correlation: state.p.correlation, sds: [...state.p.sds], mean: [...state.p.mean], start: [...state.start.means],
      start_sds: state.start.variances.map(Math.sqrt), first: state.first, steps: state.steps, forward: state.forward,
    }),
    () => {
      const to = read();
      if (JSON.stringify(to) === JSON.stringify(state)) return;
      clearTimeout(timer);
      timer = 0;
      [state, begun, path, glide, said] = [to, structuredClone(to), [], null, null];
      catchUp();
      look();
      paint.soon();
      describe();
    }, describe);
  const paint = repaint(root, draw);
  catchUp();
  look();
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
