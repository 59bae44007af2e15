// Two discrete distributions under the hand, side by side for every outcome; below each outcome its term of the KL.
import { make } from "./elements.js";
import { discrete, format, ladder, reweigh, terms } from "./kl_math.js";
import { choice, drag, fillHatched, repaint, grip, INK, mark, meters, road, say, sharp, ticks, UNITS } from "./kl_view.js";

const TRAITS = ["p", "q", "labels", "unit", "direction"];
const LEFT = 50, RIGHT = 12, TOP = 14, HIGH = 262, FLOOR = 234, LOW = 176; // CSS pixels; the outcomes' names stand below FLOOR
const GLIDE = 200; // ms
const SNAP = 5; // a bar this many pixels from the floor is exactly 0

// The top of the probability axis: with room above the tallest bar, and for what the others become when one goes to 0.
function axis(...distributions) {
  let need = 0;
  for (const each of distributions) {
    const [first, next] = [...each].sort((a, b) => b - a);
    need = Math.max(need, 1.5 * first, first < 1 ? next / (1 - first) : 1, first / (1 - next)); // next ≤ ½
  }
  return [0.1, 0.2, 0.3, 0.5, 0.7].find((rung) => rung >= need) ?? 1;
}

function render({ model, el }) {
  const gone = new AbortController();
  const { signal } = gone;
  const read = () => ({ p: [...model.get("p")], q: [...model.get("q")] });
  let state = read();
  let labels = [...model.get("labels")];
  let unit = model.get("unit");
  let direction = model.get("direction");
  let start = structuredClone(state);
  let top = axis(state.p, state.q);
  let glide = 0;
  let gesture = null; // { id, before }: the bar in hand, and the distribution it was taken from

  // The elements
  const chances = make("canvas", { role: "img", "data-picture": "bars", "data-handle": "nearest" });
  const parts = make("canvas", { role: "img", "data-picture": "terms" });
  const stage = make("div", { class: "vc-kl-stage" }, chances);
  const meter = meters();
  const ways = choice("Terms", { "p‖q": "", "q‖p": "" }, (value) => { direction = value; touched(); }, signal);
  const units = choice("Unit", { nats: "nats", bits: "bits" }, (value) => { unit = value; touched(); }, signal);
  const swatch = (kind) => make("span", { class: `vc-kl-swatch vc-kl-swatch-${kind}`, "aria-hidden": "true" });
  const [plus, minus, total, formula] = ["span", "span", "span", "b"].map((tag) => make(tag, { class: "vc-kl-number" }));
  const [plusWhere, minusWhere, totalName] = [make("span"), make("span"), make("span")];
  const legend = make("div", { class: "vc-kl-legend" }, formula,
    make("span", {}, swatch("above"), plusWhere, plus), make("span", {}, swatch("below"), minusWhere, minus), make("span", {}, totalName, total));
  const back = make("button", { type: "button", "data-action": "reset" }, "reset");
  back.addEventListener("click", () => { state = structuredClone(start); gesture = null; rescale(); touched(); }, { signal });
  const same = make("button", { type: "button", "data-action": "equal" }, "make q equal to p");
  same.addEventListener("click", () => { state.q = [...state.p]; gesture = null; rescale(); touched(); }, { signal });
  const status = make("p", { class: "vc-note", role: "status" });
  const title = make("div", { class: "vc-title" });
  const help = make("p", { class: "vc-note" },
    "Drag the top of a bar, down to 0 if you like: the others of its colour share the rest. Keys: Tab, arrows; Shift for big steps.");
  const names = make("span", { class: "vc-kl-names" }, swatch("p"), "p ", make("span", { class: "vc-kl-gap" }), swatch("q"), "q");
  const root = make("div", { class: "vc vc-kl" }, title, help, make("div", { class: "vc-kl-controls" }, names, ways.element, units.element),
    stage, legend, parts, meter.element, make("div", { class: "vc-kl-actions" }, same, back), status);
  el.append(root);

  // Where things are: outcome i has a column, p's bar on its left and q's on its right
  let width = 0;
  const column = () => (width - LEFT - RIGHT) / state.p.length;
  const bar = (of, i) => {
    const room = column();
    const thick = Math.min(0.36 * room, 46);
    return [LEFT + (i + 0.5) * room + (of === "p" ? -thick - 1 : 1), thick];
  };
  const toY = (value) => FLOOR - (Math.min(value, top) / top) * (FLOOR - TOP);

  function set(of, i, value) {
    const id = `${of}${i}`;
    if (gesture?.id !== id) gesture = { id, before: [...state[of]] };
    state[of] = reweigh(gesture.before, i, value);
    touched();
  }
  let offset = 0;
  const follow = (of, i, event) => {
    const y = event.clientY - box().top - offset;
    const height = FLOOR - y < SNAP ? 0 : FLOOR - y;
    set(of, i, Math.min(1, height / (FLOOR - TOP)) * top);
  };
  const box = () => chances.getBoundingClientRect();
  const take = (of, i) => {
    settle();
    gesture = { id: `${of}${i}`, before: [...state[of]] };
    grips[of][i].focus({ preventScroll: true });
  };
  const grips = { p: [], q: [] };
  function furnish() {
    for (const element of [...grips.p, ...grips.q]) element.remove();
    for (const of of ["p", "q"])
      grips[of] = state[of].map((_, i) => {
        const element = grip(`${of}${i}`, "", `bar vc-kl-grip-${of}`, {
          pressed(event) {
            take(of, i);
            offset = event.clientY - box().top - toY(state[of][i]);
          },
          moved: (event) => follow(of, i, event),
          released: rescale,
          keyed(way, big) {
            const step = big ? 0.1 : 0.01;
            const value = way === "Home" ? 0 : way === "End" ? 1 : state[of][i] + (way[0] || way[1]) * step;
            set(of, i, Math.abs(value) < 1e-9 ? 0 : value);
            rescale();
          },
        }, signal);
        element.setAttribute("aria-valuemin", "0");
        element.setAttribute("aria-valuemax", "1");
        element.setAttribute("aria-orientation", "vertical");
        return element;
      });
    for (let i = 0; i < state.p.length; i++) stage.append(grips.p[i], grips.q[i]);
  }
  // A press anywhere else in the picture takes the bar of that column there.
  let near = null;
  drag(chances, {
    pressed(event) {
      if (event.pointerType === "touch") return false; // a finger there scrolls the page
      const x = event.clientX - box().left;
      const i = Math.min(state.p.length - 1, Math.max(0, Math.floor((x - LEFT) / column())));
      near = [x < LEFT + (i + 0.5) * column() ? "p" : "q", i];
      take(...near);
      offset = 0;
      follow(...near, event);
    },
    moved: (event) => follow(...near, event),
    released: rescale,
  }, signal);

  // The axis moves only when nothing is held, and glides there.
  function settle() {
    cancelAnimationFrame(glide);
    glide = 0;
  }
  function rescale() {
    settle();
    const [from, to] = [top, axis(state.p, state.q)];
    if (from === to) return;
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) top = to;
    else {
      const begun = performance.now();
      const step = (now) => {
        const t = Math.min(1, Math.max(0, (now - begun) / GLIDE));
        top = t === 1 ? to : from + (to - from) * t * t * (3 - 2 * t);
        paint.soon();
        glide = t < 1 ? requestAnimationFrame(step) : 0;
      };
      glide = requestAnimationFrame(step);
    }
    paint.soon();
  }
  function touched() {
    paint.soon();
    python.later();
  }
  const amount = (nats) => (nats === Infinity ? "+∞" : `${format(nats * UNITS[unit].scale)} ${unit}`);

  // The picture
  function rule(context, y, text, colour = INK.line) {
    context.strokeStyle = colour;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(LEFT, y);
    context.lineTo(width - RIGHT, y);
    context.stroke();
    [context.textAlign, context.textBaseline, context.fillStyle] = ["right", "middle", INK.text];
    context.fillText(text, LEFT - 6, y);
  }
  function shorten(context, text, room) {
    if (context.measureText(text).width <= room) return text;
    let cut = text;
    while (cut && context.measureText(`${cut}…`).width > room) cut = cut.slice(0, -1);
    return `${cut}…`;
  }
  function draw() {
    if (!stage.clientWidth) return;
    width = Math.max(320, Math.floor(stage.clientWidth));
    const { scale, log } = UNITS[unit];
    const [a, b] = direction === "p‖q" ? ["p", "q"] : ["q", "p"];

    const upper = sharp(chances, width, HIGH);
    for (const [value, text] of ticks(0, top, 5)) rule(upper, toY(value), text);
    labels.forEach((label, i) => {
      for (const of of ["p", "q"]) {
        const [x, thick] = bar(of, i);
        const y = toY(state[of][i]);
        upper.beginPath();
        upper.rect(x, y, thick, FLOOR - y);
        upper.fillStyle = INK[of];
        upper.globalAlpha = of === "p" ? 0.8 : 0.3;
        upper.fill();
        upper.globalAlpha = 1;
        [upper.strokeStyle, upper.lineWidth] = [INK[of], 1.5];
        upper.setLineDash(of === "p" ? [] : [5, 3]);
        upper.stroke();
        upper.setLineDash([]);
      }
      [upper.textAlign, upper.textBaseline, upper.fillStyle] = ["center", "top", "#222"];
      upper.fillText(shorten(upper, label, column() - 4), LEFT + (i + 0.5) * column(), FLOOR + 9);
    });
    rule(upper, FLOOR, "", INK.axis);

    const values = terms(state[a], state[b]).map((value) => value * scale);
    const finite = values.filter(Number.isFinite);
    const reach = ladder(1.35 * Math.max(...finite, ...finite.map((value) => -2 * value), 0), 0.1);
    const zero = TOP + ((LOW - 2 * TOP) * 2) / 3;
    const toV = (value) => zero - (Math.min(value, reach) / reach) * (zero - TOP);
    const lower = sharp(parts, width, LOW);
    const decimals = reach < 0.15 ? 3 : reach < 2 ? 2 : reach < 15 ? 1 : 0;
    for (const value of [reach, reach / 2, 0, -reach / 2]) rule(lower, toV(value), format(value, decimals), value ? INK.line : INK.axis);
    values.forEach((value, i) => {
      const [x, thick] = bar("p", i);
      const y = toV(value);
      lower.beginPath();
      lower.rect(x, Math.min(y, zero), 2 * thick + 2, Math.abs(y - zero));
      fillHatched(lower, value > 0 ? "above" : "below");
      [lower.strokeStyle, lower.lineWidth] = [value > 0 ? INK.above : INK.below, 1.5];
      if (value !== 0) lower.stroke();
      if (column() < 46 && value !== Infinity) return; // no room for the number
      [lower.textAlign, lower.textBaseline, lower.fillStyle] = ["center", value < 0 ? "top" : "bottom", "#222"];
      lower.fillText(value === Infinity ? "+∞" : (value > 0 ? "+" : "") + format(value), x + thick + 1, value === Infinity ? TOP : value < 0 ? y + 4 : y - 3);
    });

    // The words around it
    say(formula, `${a}·${log}(${a}/${b})`);
    say(plusWhere, `${a} > ${b}: `);
    say(minusWhere, `${a} < ${b}: `);
    say(totalName, `sum = KL(${a}‖${b}) = `);
    const gathered = (sign) => values.reduce((sum, value) => (value * sign > 0 ? sum + value : sum), 0);
    say(plus, `+${format(gathered(1))}`.replace("++", "+"));
    say(minus, format(gathered(-1)));
    say(total, amount(discrete(state[a], state[b])));
    ways.buttons.forEach((button, i) => { say(button, ["p", "q"][i] + `·${log}(${["p/q", "q/p"][i]})`); });
    ways.show(direction);
    units.show(unit);
    meter.show({ pq: discrete(state.p, state.q), qp: discrete(state.q, state.p) }, unit);
    say(title, model.get("label"));
    for (const of of ["p", "q"])
      grips[of].forEach((element, i) => {
        const [x, thick] = bar(of, i);
        element.style.width = `${thick}px`;
        element.style.transform = `translate(${x}px, ${toY(state[of][i])}px)`;
        mark(element, "aria-label", `${of} of ${labels[i]}`);
        mark(element, "aria-valuenow", state[of][i].toFixed(3));
        mark(element, "aria-valuetext", state[of][i] === 0 ? "exactly 0" : state[of][i].toFixed(3));
      });
  }
  // In words: what makes a divergence infinite, and what a zero costs nothing.
  function reasons() {
    const said = [];
    const named = (i) => `“${labels[i]}”`;
    for (const [a, b] of [["p", "q"], ["q", "p"]]) {
      const i = state[a].findIndex((value, j) => value > 0 && state[b][j] === 0);
      if (i >= 0) said.push(`KL(${a}‖${b}) is +∞: ${b} forbids what ${a} allows, here ${named(i)} (${a} = ${format(state[a][i])}, ${b} = 0).`);
    }
    const none = state[direction[0]].findIndex((value) => value === 0);
    if (none >= 0) said.push(`${direction[0]} of ${named(none)} is 0, and so is its term: 0·log 0 counts as 0.`);
    return said.join(" ");
  }
  function describe() {
    const [pq, qp] = [discrete(state.p, state.q), discrete(state.q, state.p)];
    const list = (values) => values.map((value, i) => `${labels[i]} ${format(value)}`).join(", ");
    chances.setAttribute("aria-label", `Bars for two distributions. p, blue: ${list(state.p)}. q, dashed vermilion: ${list(state.q)}.`);
    const [a, b] = direction.split("‖");
    const values = terms(state[a], state[b]).map((value, i) => `${labels[i]} ${amount(value)}`);
    parts.setAttribute("aria-label", `The terms ${a} times the logarithm of ${a} over ${b}: ${values.join(", ")}. Their sum is KL(${a}‖${b}) = ${amount(a === "p" ? pq : qp)}.`);
    status.textContent = `KL(p‖q) = ${amount(pq)}, KL(q‖p) = ${amount(qp)}. ${reasons()}`;
  }

  const python = road(model, TRAITS, () => ({ p: [...state.p], q: [...state.q], unit, direction }), () => {
    const now = read();
    const names = [...model.get("labels")];
    if (new Set([now.p.length, now.q.length, names.length]).size > 1) return; // the rest is on its way
    [unit, direction] = [model.get("unit"), model.get("direction")];
    if (JSON.stringify([now, names]) !== JSON.stringify([state, labels])) {
      settle();
      [state, labels, start, top, gesture] = [now, names, structuredClone(now), axis(now.p, now.q), null];
      if (grips.p.length !== now.p.length) furnish();
    }
    paint.soon();
    describe();
  }, describe);
  const paint = repaint(stage, draw);
  furnish();
  paint.soon();
  describe();
  return () => {
    settle();
    gone.abort();
    python.close();
    paint.close();
    root.remove();
  };
}

export default { render };
