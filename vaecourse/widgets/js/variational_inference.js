// q under the hand, and a bar of fixed height: ln p(x) = ELBO + KL(q‖p(z|x)). Nothing done to q moves its top.
import { make } from "./elements.js";
import { ascend, boundTerms, HIGHEST_S, LATENT_MODELS, logApproximation, logEvidence, logPosterior, LOWEST_S } from "./elbo_math.js";
import { format } from "./kl_math.js";
import { choice, drag, fillHatched, grip, INK, mark, repaint, road, say, sharp, ticks } from "./kl_view.js";
import { makeSlider } from "./slider.js";

const TRAITS = ["m", "s", "x", "model", "entropy"];
const WORDS = {
  line: "z ~ N(0, 1), x ~ N(2z, 1)", square: "z ~ N(0, 1), x ~ N(z², 0.5²)", coin: "z ~ N(0, 1), x heads of 10, log-odds 2z",
};
const TALL = 350, FLAT = 250; // the pictures beside each other, and one above the other
const PAD = { left: 44, right: 10, top: 26, bottom: 34 };
const REACH_Z = 4, WIDEST_SD = Math.E; // the axis of z, which the hand may take all of; how wide it may make q
const LEVELS = [-10, 0]; // nats: floor and ceiling of the bar
const BAR = { left: 54, width: 102, arrow: 184, path: 218 }; // CSS pixels across the picture of the bar
const APART = 31; // the two handles never lie on each other
const SHORTEST = 40; // steps that the path's axis always has room for
const LAST = 300, PACE = [200, 70], STILL = 1e-4; // steps; ms of a step of play, at first and later; what counts as rest
const SMALL = "12px system-ui, sans-serif", BOLD = "600 13px system-ui, sans-serif";
const hold = (value, least, most) => Math.min(most, Math.max(least, value));

function render({ model, el }) {
  const gone = new AbortController();
  const { signal } = gone;
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  let name = model.get("model");
  let x = model.get("x");
  let entropy = model.get("entropy");
  let q = { m: model.get("m"), s: model.get("s") };
  let evidence = logEvidence(name, x);
  let posterior = null; // the heights of p(z|x) on the grid, until x or the model changes
  let path = []; // of the climb: { q, terms }, from its start
  let timer = 0; // of play
  let stuck = false; // the last step found nothing higher
  const look = (at = q) => boundTerms(name, x, at, evidence);
  const objective = (terms) => (entropy ? terms.elbo : terms.joint);
  const begin = () => { [path, stuck] = [[{ q, terms: look() }], false]; };
  begin();

  // The elements
  const densities = make("canvas", { role: "img", "data-picture": "densities", "data-handle": "nearest" });
  const bar = make("canvas", { role: "img", "data-picture": "bar" });
  const stage = make("div", { class: "vc-vi-stage" }, densities);
  const press = (id, text, action) => {
    const button = make("button", { type: "button", "data-action": id }, text);
    button.addEventListener("click", action, { signal });
    return button;
  };
  const models = choice("Model", { line: "line", square: "square", coin: "coin" }, (value) => { if (value !== name) setModel(value, LATENT_MODELS[value].start); }, signal);
  const sliders = Object.fromEntries(Object.entries(LATENT_MODELS).map(([id, { low, high, start, whole }]) => [id, makeSlider({
    name: "x", label: whole ? "x, the number of heads in 10 tosses" : "x, the number that was observed",
    low, high, step: whole ? 1 : 0.02, key: whole ? 1 : 0.1, shows: (value) => format(value, whole ? 0 : 2), value: id === name ? x : start, signal,
    onMove: (value) => { pause(); setModel(name, value); },
  })]));
  const hills = choice("What q climbs on", { elbo: "the ELBO", joint: "without the entropy of q" }, (value) => {
    pause();
    entropy = value === "elbo";
    begin();
    touched();
  }, signal);
  const stepButton = press("step", "step", () => { pause(); climb(); });
  const playButton = press("play", "", () => { if (timer) pause(); else play(); });
  const rewindButton = press("rewind", "◂◂ rewind", () => {
    pause();
    q = path[0].q;
    begin();
    touched();
  });
  const number = (key) => make("span", { class: "vc-vi-number", "data-readout": key });
  const out = Object.fromEntries(["evidence", "elbo", "gap", "joint", "entropy", "reconstruction", "prior", "first", "second", "objective", "steps"].map((key) => [key, number(key)]));
  const sum = (heading, ...rows) => make("div", { class: "vc-vi-sum", role: "group", "aria-label": heading },
    make("span", { class: "vc-vi-head" }, heading),
    ...rows.flatMap(([sign, key, text]) => [make("span", {}, sign), make("span", { class: `vc-vi-name vc-vi-name-${key}` }, text), out[key]]));
  const words = make("span", { class: "vc-vi-words" });
  const status = make("p", { class: "vc-note", role: "status" });
  const title = make("div", { class: "vc-title" });
  const root = make("div", { class: "vc vc-kl vc-vi" }, title,
    make("p", { class: "vc-note" }, "Drag m to move q, drag σ to make it wider or narrower. With the keyboard: Tab, then the arrows; Shift for big steps."),
    make("div", { class: "vc-vi-bar" }, make("span", { class: "vc-vi-label" }, "model"), models.element, words,
      make("span", { class: "vc-vi-x" }, ...Object.values(sliders).map(({ element }) => element))),
    make("div", { class: "vc-vi-panels" },
      make("div", { class: "vc-vi-left" }, stage,
        make("div", { class: "vc-vi-legend" }, make("span", { class: "vc-vi-key-p" }, "posterior p(z|x)"), make("span", { class: "vc-vi-key-q" }, "q(z)"), make("span", { class: "vc-vi-key-prior" }, "prior p(z)"))),
      make("div", { class: "vc-vi-right" }, bar,
        make("div", { class: "vc-vi-legend" }, make("span", { class: "vc-vi-key-joint" }, "average of ln p(x, z) under q"), make("span", { class: "vc-vi-key-entropy" }, "entropy of q, added")))),
    make("div", { class: "vc-vi-sums" },
      sum("the bar, in nats", ["", "elbo", "ELBO"], ["+", "gap", "KL(q‖p(z|x))"], ["=", "evidence", "ln p(x)"]),
      sum("the ELBO, taken apart", ["", "joint", "average of ln p(x, z)"], ["+", "entropy", "entropy of q"], ["=", "first", "ELBO"]),
      sum("and in another way", ["", "reconstruction", "average of ln p(x|z)"], ["−", "prior", "KL(q‖p(z))"], ["=", "second", "ELBO"])),
    make("div", { class: "vc-vi-bar" }, make("span", { class: "vc-vi-label" }, "climb on"), hills.element, stepButton, playButton, rewindButton,
      make("span", { class: "vc-vi-counter" }, out.steps, out.objective)),
    status);
  el.append(root);

  // Where things are, in CSS pixels of the left canvas
  let [width, high, floor] = [0, TALL, TALL - PAD.bottom];
  const toX = (z) => PAD.left + ((z + REACH_Z) / (2 * REACH_Z)) * (width - PAD.left - PAD.right);
  const fromX = (left) => ((left - PAD.left) / (width - PAD.left - PAD.right)) * 2 * REACH_Z - REACH_Z;
  const toY = (density) => floor - (density / LATENT_MODELS[name].tallest) * (floor - PAD.top);
  const sd = () => Math.exp(q.s / 2);

  // What moves q and x
  function setQ(m, s) {
    pause();
    q = { m: hold(m, -REACH_Z, REACH_Z), s: hold(s, LOWEST_S, 2 * Math.log(WIDEST_SD)) };
    begin();
    touched();
  }
  function setModel(to, value) {
    pause();
    const { low, high, whole } = LATENT_MODELS[to];
    [name, x] = [to, hold(whole ? Math.round(value) : value, low, high)];
    [evidence, posterior] = [logEvidence(name, x), null];
    begin();
    touched();
  }
  function climb() {
    if (path.length > LAST) return false;
    const next = ascend(name, x, q, entropy);
    const moved = Math.max(Math.abs(next.m - q.m), Math.abs(next.s - q.s));
    stuck = moved <= STILL;
    if (moved > 0) {
      q = next;
      path.push({ q, terms: look() });
    }
    touched();
    return !stuck;
  }
  function play() {
    if (settled()) {
      q = path[0].q;
      begin();
    }
    const beat = () => {
      const goes = climb();
      timer = goes ? setTimeout(beat, PACE[path.length < 8 ? 0 : 1] * (calm.matches ? 3 : 1)) : 0;
      if (!timer) touched();
    };
    timer = setTimeout(beat, 0);
    say(status, "Playing: one step uphill after the other.");
    paint.soon();
  }
  const settled = () => stuck || path.length > LAST;
  function pause() {
    if (!timer) return;
    clearTimeout(timer);
    timer = 0;
    touched();
  }
  function touched() {
    paint.soon();
    if (!timer) python.later(); // play is not at rest
  }

  // The two handles: m on top of q, σ on its right flank, never on each other
  const place = {
    m: () => [hold(toX(q.m), PAD.left, width - PAD.right), Math.max(PAD.top, toY(Math.exp(logApproximation(q)(q.m))))],
    sd: () => {
      const [[left, top], edge] = [place.m(), hold(toX(q.m + sd()), PAD.left, width - PAD.right)];
      const flank = toY(Math.exp(logApproximation(q)(q.m + sd())));
      return [edge, Math.max(PAD.top, flank, top + Math.sqrt(Math.max(0, APART ** 2 - (edge - left) ** 2)))];
    },
  };
  const anchor = { m: () => toX(q.m), sd: () => toX(q.m + sd()) };
  let offset = 0;
  const at = (event) => event.clientX - densities.getBoundingClientRect().left;
  const follow = (id, event) => {
    const z = fromX(at(event) - offset);
    if (id === "m") setQ(z, q.s);
    else setQ(q.m, 2 * Math.log(Math.max(z - q.m, 1e-9)));
  };
  const keyed = {
    m: (step) => setQ(q.m + 0.04 * step, q.s),
    sd: (step) => setQ(q.m, q.s + 0.08 * step),
  };
  const grips = Object.fromEntries([["m", "m"], ["sd", "σ"]].map(([id, letter]) => [id, grip(id, letter, "q", {
    pressed(event) {
      offset = at(event) - anchor[id]();
      grips[id].focus({ preventScroll: true });
    },
    moved: (event) => follow(id, event),
    keyed(way, big) {
      if (typeof way === "string") return false;
      keyed[id]((way[0] + way[1]) * (big ? 10 : 1));
    },
  }, signal)]));
  stage.append(...Object.values(grips));
  // A press anywhere else in the picture brings the nearest handle there.
  let near = "m";
  drag(densities, {
    pressed(event) {
      if (event.pointerType === "touch") return false; // a finger there scrolls the page
      const top = event.clientY - densities.getBoundingClientRect().top;
      const far = (id) => Math.hypot(place[id]()[0] - at(event), place[id]()[1] - top);
      near = far("m") <= far("sd") ? "m" : "sd";
      offset = 0;
      grips[near].focus({ preventScroll: true });
      follow(near, event);
    },
    moved: (event) => follow(near, event),
  }, signal);

  // The picture on the left: posterior, prior, q
  const GRID = Float64Array.from({ length: 401 }, (_, i) => -REACH_Z + (i * REACH_Z) / 200);
  function line(context, points, colour, wide, dash = []) {
    context.beginPath();
    for (const [left, top] of points) context.lineTo(left, top);
    [context.strokeStyle, context.lineWidth, context.lineJoin] = [colour, wide, "round"];
    context.setLineDash(dash);
    context.stroke();
    context.setLineDash([]);
  }
  function text(context, words, left, top, colour = INK.text, font = SMALL, align = "left", base = "alphabetic") {
    [context.fillStyle, context.font, context.textAlign, context.textBaseline] = [colour, font, align, base];
    context.fillText(words, left, top);
  }
  function fill(context, points, colour, alpha) {
    context.beginPath();
    for (const [left, top] of points) context.lineTo(left, top);
    [context.fillStyle, context.globalAlpha] = [colour, alpha];
    context.fill();
    context.globalAlpha = 1;
  }
  function drawDensities() {
    const context = sharp(densities, width, high);
    for (const [value, words] of ticks(0, LATENT_MODELS[name].tallest, 5)) {
      line(context, [[PAD.left, toY(value)], [width - PAD.right, toY(value)]], INK.line, 1);
      text(context, words, PAD.left - 6, toY(value), INK.text, SMALL, "right", "middle");
    }
    for (const [value, words] of ticks(-REACH_Z, REACH_Z, 8)) {
      line(context, [[toX(value), PAD.top], [toX(value), floor]], INK.line, 1);
      text(context, words, toX(value), floor + 5, INK.text, SMALL, "center", "top");
    }
    text(context, "density", 6, 14);
    text(context, "z", width - PAD.right, high - 4, INK.text, SMALL, "right");
    context.save();
    context.beginPath();
    context.rect(PAD.left, PAD.top - 12, width - PAD.left - PAD.right, floor - PAD.top + 13);
    context.clip();
    posterior ??= GRID.map(logPosterior(name, x, evidence)).map(Math.exp);
    const curve = (values, zs = GRID) => Array.from(zs, (z, i) => [toX(z), toY(values[i])]);
    line(context, curve(GRID.map(logApproximation({ m: 0, s: 0 })).map(Math.exp)), "#777", 1.2, [2, 3]);
    const truth = curve(posterior);
    fill(context, [[toX(-REACH_Z), floor], ...truth, [toX(REACH_Z), floor]], INK.p, 0.13);
    line(context, truth, INK.p, 2.5);
    const around = Float64Array.from({ length: 161 }, (_, i) => q.m + sd() * (i / 16 - 5)); // a narrow q keeps its height
    const mine = curve(around.map(logApproximation(q)).map(Math.exp), around);
    fill(context, mine, INK.q, 0.1);
    line(context, mine, INK.q, 2.5, [8, 5]);
    context.restore();
    const [[left, top], [edge, flank]] = [place.m(), place.sd()];
    line(context, [[left, top], [left, floor]], INK.q, 1.2, [3, 3]);
    line(context, [[left, flank], [edge, flank]], INK.q, 1.5);
    const peak = Math.exp(logApproximation(q)(q.m));
    if (peak > LATENT_MODELS[name].tallest) {
      const room = width - PAD.right - left > 120;
      text(context, `q's peak: ${format(peak, peak < 10 ? 1 : 0)}`, left + (room ? 20 : -20), 16, "#a04600", SMALL, room ? "left" : "right");
    }
  }

  // The picture on the right: the bar, its two terms as an arrow, and the path of the divider
  const toLevel = (nats) => floor - ((nats - LEVELS[0]) / (LEVELS[1] - LEVELS[0])) * (floor - PAD.top);
  const inside = (nats) => hold(toLevel(nats), PAD.top, floor);
  function boxed(context, words, left, top, colour) {
    context.font = BOLD;
    const wide = Math.min(context.measureText(words).width + 8, BAR.width - 2);
    [context.fillStyle, context.globalAlpha] = ["#fff", 0.88];
    context.fillRect(left - wide / 2, top - 9, wide, 18);
    context.globalAlpha = 1;
    text(context, words, left, top + 0.5, colour, BOLD, "center", "middle");
  }
  function drawBar(terms) {
    const wide = Math.max(300, Math.floor(bar.parentElement.clientWidth));
    const context = sharp(bar, wide, high);
    const end = wide - 12;
    for (const [value, words] of ticks(...LEVELS, 5)) {
      line(context, [[PAD.left, toLevel(value)], [end, toLevel(value)]], INK.line, 1);
      text(context, words, PAD.left - 6, toLevel(value), INK.text, SMALL, "right", "middle");
    }
    text(context, "nats", 6, 14);
    const [right, middle] = [BAR.left + BAR.width, BAR.left + BAR.width / 2];
    const [top, divider] = [toLevel(terms.evidence), inside(terms.elbo)];
    const below = terms.elbo < LEVELS[0];
    // KL above the divider, the ELBO below it
    context.beginPath();
    context.rect(BAR.left, top, BAR.width, divider - top);
    fillHatched(context, "q");
    [context.fillStyle, context.globalAlpha] = [INK.p, 0.3];
    context.fillRect(BAR.left, divider, BAR.width, floor - divider);
    context.globalAlpha = 1;
    line(context, [[BAR.left, floor], [BAR.left, top], [right, top], [right, floor]], "#222", 1);
    line(context, [[PAD.left, floor], [right, floor]], "#222", 1.5);
    text(context, "floor of the picture", PAD.left, floor + 14, INK.text, "11px system-ui, sans-serif");
    if (divider - top >= 20) boxed(context, `KL ${format(terms.gap, 2)}`, middle, (top + divider - (below ? 36 : 0)) / 2, "#8a3d00");
    if (below) boxed(context, `ELBO ${format(terms.elbo, 1)} ↓`, middle, floor - 14, "#004c77");
    else if (floor - divider >= 22) boxed(context, `ELBO ${format(terms.elbo, 2)}`, middle, (divider + floor) / 2, "#004c77");
    // The top: ln p(x)
    line(context, [[PAD.left, top], [end, top]], "#222", 2);
    text(context, `ln p(x) = ${format(terms.evidence)}`, BAR.left, top - 6, "#222", BOLD);
    // The ELBO's two terms: up to the average of ln p(x, z), and from there the entropy
    const level = inside(terms.joint);
    line(context, [[right, divider], [end, divider]], "#222", 1, [2, 3]);
    line(context, [[BAR.arrow - 16, level], [BAR.arrow + 16, level]], "#00664b", 3.5);
    const tip = Math.sign(divider - level) * Math.min(7, Math.abs(divider - level));
    line(context, [[BAR.arrow, level], [BAR.arrow, divider]], "#00664b", 1.8);
    line(context, [[BAR.arrow - 5, divider - tip], [BAR.arrow, divider], [BAR.arrow + 5, divider - tip]], "#00664b", 1.8);
    // The path of the divider, step by step
    const most = Math.max(SHORTEST, path.length - 1);
    const leftOf = (step) => BAR.path + (step / most) * (end - 6 - BAR.path);
    const elbos = path.map((each, i) => [leftOf(i), inside(each.terms.elbo)]);
    if (path.length > 1) {
      fill(context, [[BAR.path, top], ...elbos, [elbos.at(-1)[0], top]], INK.q, 0.14);
      if (!entropy) {
        const own = path.map((each, i) => [leftOf(i), inside(each.terms.joint)]);
        line(context, own, "#00664b", 2.2, [6, 3]);
        const [last, height] = own.at(-1);
        text(context, "its objective", Math.max(last, BAR.path + 76), (Math.abs(height - top) < 18 ? Math.min(height, top) : height) - 6, "#00664b", SMALL, "right");
      }
      line(context, elbos, INK.p, 2.4);
      if (!entropy) text(context, "ELBO", Math.max(elbos.at(-1)[0] - 8, BAR.path + 32), elbos.at(-1)[1] + 14 > floor ? floor - 6 : elbos.at(-1)[1] + 14, "#004c77", SMALL, "right");
    } else text(context, "play: the path of the ELBO", (BAR.path + end) / 2, floor - 10, INK.text, SMALL, "center");
    context.beginPath();
    context.arc(...elbos.at(-1), 4.5, 0, 2 * Math.PI);
    context.fillStyle = INK.p;
    context.fill();
    for (const [value, words] of ticks(0, most, 4)) if (Number.isInteger(value)) text(context, words, leftOf(value), floor + 5, INK.text, SMALL, "center", "top");
    text(context, "steps", end, high - 2, INK.text, SMALL, "right");
  }

  function draw() {
    if (!stage.clientWidth) return;
    width = Math.max(300, Math.floor(stage.clientWidth));
    high = bar.parentElement.offsetTop > stage.parentElement.offsetTop ? FLAT : TALL;
    floor = high - PAD.bottom;
    const { terms } = path.at(-1);
    drawDensities();
    drawBar(terms);
    say(title, model.get("label"));
    models.show(name);
    say(words, WORDS[name]);
    hills.show(entropy ? "elbo" : "joint");
    for (const [id, slider] of Object.entries(sliders)) {
      slider.element.style.display = id === name ? "" : "none";
      if (id === name) slider.set(x);
    }
    for (const [key, value] of Object.entries({ ...terms, first: terms.elbo, second: terms.elbo })) say(out[key], format(value));
    say(out.steps, `step ${path.length - 1}`);
    say(out.objective, `${entropy ? "ELBO" : "average of ln p(x, z)"} ${format(objective(terms))}`);
    say(playButton, timer ? "❚❚ pause" : "▶ play");
    rewindButton.disabled = path.length < 2;
    for (const [id, element] of Object.entries(grips)) {
      const [left, top] = place[id]();
      element.style.transform = `translate(${left}px, ${top}px)`;
      const [least, now, greatest, told] = id === "m" ? [Math.min(-REACH_Z, q.m), q.m, Math.max(REACH_Z, q.m), `mean ${format(q.m, 2)}`]
        : [Math.exp(LOWEST_S / 2), sd(), Math.exp(HIGHEST_S / 2), `standard deviation ${format(sd(), sd() < 0.1 ? 4 : 2)}`];
      mark(element, "aria-label", id === "m" ? "Mean of q" : "Standard deviation of q");
      mark(element, "aria-valuemin", String(least));
      mark(element, "aria-valuenow", String(now));
      mark(element, "aria-valuemax", String(greatest));
      mark(element, "aria-valuetext", told);
    }
  }
  function describe() {
    const { terms } = path.at(-1);
    const wide = format(sd(), sd() < 0.1 ? 4 : 2);
    const truth = name === "square" && x > 1 / 8 ? "two peaks" : "one peak";
    mark(densities, "aria-label", `The axis of z. The posterior p(z|x), blue, has ${truth}. q, dashed vermilion, has mean ${format(q.m, 2)} and standard deviation ${wide}. The prior is dotted.`);
    mark(bar, "aria-label", `A bar up to ln p(x) = ${format(terms.evidence)} nats. Its divider stands at the ELBO, ${format(terms.elbo)}; above it is KL(q‖p(z|x)), ${format(terms.gap)}.`);
    if (timer) return; // while it plays, only the end is told
    const [first, steps] = [path[0].terms, path.length - 1];
    const sum = `ln p(x) = ${format(terms.evidence)} = ELBO ${format(terms.elbo)} + KL ${format(terms.gap)}.`;
    const after = `After ${steps} step${steps === 1 ? "" : "s"}`;
    const way = (from, to, digits = 2) => `from ${format(from, digits)} to ${format(to, digits)}`;
    const climbed = !steps ? "" : entropy
      ? ` ${after} the ELBO is ${format(terms.elbo - first.elbo)} higher and KL as much smaller.`
      : ` ${after} without the entropy of q, what q climbs on, the average of ln p(x, z), rose ${way(objective(first), objective(terms))}. Meanwhile q's standard deviation went ${way(Math.exp(path[0].q.s / 2), sd(), 4)}, the ELBO ${way(first.elbo, terms.elbo)} and KL ${way(first.gap, terms.gap)}.`;
    say(status, sum + climbed + (!stuck ? "" : q.s > LOWEST_S ? " No small step leads higher." : " Narrower still would be higher still: q would shrink for ever, and is stopped here."));
  }

  const python = road(model, TRAITS, () => ({ m: q.m, s: q.s, x, model: name, entropy }), () => {
    const to = { m: model.get("m"), s: model.get("s"), x: model.get("x"), name: model.get("model"), entropy: model.get("entropy") };
    if (JSON.stringify(to) === JSON.stringify({ ...q, x, name, entropy })) return;
    const { low, high } = LATENT_MODELS[to.name];
    if (!(to.x >= low && to.x <= high)) return; // the rest is on its way
    clearTimeout(timer);
    timer = 0;
    [q, entropy, name, x] = [{ m: to.m, s: to.s }, to.entropy, to.name, to.x];
    [evidence, posterior] = [logEvidence(name, x), null];
    begin();
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
