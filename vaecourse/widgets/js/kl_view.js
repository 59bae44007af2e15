// What the widgets with handles on a canvas share: elements, a sharp canvas, hatching, switches, the two meters, and the road to Python.
import { make } from "./elements.js";
import { format, ladder } from "./kl_math.js";

export const INK = { p: "#0072B2", q: "#D55E00", above: "#009E73", below: "#CC79A7", text: "#555", line: "#e6e6e6", axis: "#888" };
export const UNITS = { nats: { scale: 1, log: "ln" }, bits: { scale: 1 / Math.LN2, log: "log₂" } };
const REST = 120; // ms without movement before Python hears of it

// Write only what has changed: the browser lays out again whatever is written, the same text too.
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
export function mark(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

// A canvas of `width` × `height` CSS pixels, sharp on every screen: white, and ready to be drawn in CSS pixels.
export function sharp(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    [canvas.width, canvas.height] = [w, h];
    [canvas.style.width, canvas.style.height] = [`${width}px`, `${height}px`];
  }
  const context = canvas.getContext("2d", { alpha: false });
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.font = "12px system-ui, sans-serif";
  return context;
}

// Fill the current path in a light tint and with slanted lines: rising for what counts +, falling for what counts −.
const tiles = new Map();
export function fillHatched(context, kind) {
  if (!tiles.has(kind)) {
    const tile = make("canvas", { width: 16, height: 16 });
    const pen = tile.getContext("2d");
    [pen.strokeStyle, pen.lineWidth, pen.lineCap] = [INK[kind], 2, "square"];
    pen.beginPath();
    for (const shift of [-16, 0, 16]) {
      pen.moveTo(shift, kind === "above" ? 16 : 0);
      pen.lineTo(shift + 16, kind === "above" ? 0 : 16);
    }
    pen.stroke();
    tiles.set(kind, tile);
  }
  const pattern = context.createPattern(tiles.get(kind), "repeat");
  pattern.setTransform(new DOMMatrix().scale(0.5));
  context.globalAlpha = 0.25;
  context.fillStyle = INK[kind];
  context.fill();
  context.globalAlpha = 0.75;
  context.fillStyle = pattern;
  context.fill();
  context.globalAlpha = 1;
}

// A row of buttons of which one is pressed. `options` is { value: text }.
export function choice(name, options, picked, signal) {
  const buttons = Object.entries(options).map(([value, text]) => {
    const button = make("button", { type: "button", "data-value": value }, text);
    button.addEventListener("click", () => picked(value), { signal });
    return button;
  });
  const element = make("div", { class: "vc-kl-choice", role: "group", "aria-label": name }, ...buttons);
  const show = (value) => {
    for (const button of buttons) mark(button, "aria-pressed", String(button.dataset.value === value));
  };
  return { element, buttons, show };
}

// KL both ways, always in sight: a bar on a scale that both share, and the number.
export function meters() {
  const rows = { pq: "KL(p‖q)", qp: "KL(q‖p)" };
  const parts = {};
  const element = make("div", { class: "vc-kl-meters" });
  for (const [key, name] of Object.entries(rows)) {
    const bar = make("div", { class: `vc-kl-fill vc-kl-fill-${key}` });
    const number = make("span", { class: "vc-kl-number", "data-readout": key });
    const unit = make("span", { class: "vc-kl-unit" });
    parts[key] = { bar, number, unit };
    element.append(make("span", { class: "vc-kl-name" }, name), make("div", { class: "vc-kl-track" }, bar), number, unit);
  }
  const end = make("span");
  element.append(make("span"), make("div", { class: "vc-kl-scale", "aria-hidden": "true" }, make("span", {}, "0"), end));
  return {
    element,
    show(values, unit) {
      const shown = Object.keys(rows).map((key) => values[key] * UNITS[unit].scale);
      const top = ladder(Math.max(...shown.filter(Number.isFinite), 0), 1);
      say(end, top >= 1e5 ? top.toExponential() : String(top));
      Object.values(parts).forEach(({ bar, number, unit: word }, i) => {
        bar.style.transform = `scaleX(${Math.min(1, shown[i] / top)})`;
        mark(bar, "data-infinite", String(shown[i] === Infinity));
        say(number, format(shown[i]));
        say(word, unit);
      });
    },
  };
}

// A focusable handle over a canvas: a slider to a screen reader, with the keys kept from the notebook.
export function grip(id, letter, kind, { moved, keyed, pressed, released }, signal) {
  const element = make("button", { type: "button", role: "slider", class: `vc-kl-grip vc-kl-grip-${kind}`, "data-handle": id }, letter);
  element.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!way && event.key !== "Home" && event.key !== "End") return;
    if (keyed(way ?? event.key, event.shiftKey) === false) return;
    event.preventDefault();
    event.stopPropagation();
  }, { signal });
  drag(element, { moved, pressed, released }, signal);
  return element;
}

// Pointer events of one drag, in pixels of the page; the pointer is captured, so that it may leave the element.
export function drag(element, { moved, pressed, released }, signal) {
  let pointer = null;
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || pointer !== null || pressed(event) === false) return;
    event.preventDefault();
    pointer = event.pointerId;
    element.setPointerCapture(pointer);
  }, { signal });
  element.addEventListener("pointermove", (event) => event.pointerId === pointer && moved(event), { signal });
  const end = (event) => {
    if (event.pointerId !== pointer) return;
    pointer = null;
    released?.(event);
  };
  for (const type of ["pointerup", "pointercancel"]) element.addEventListener(type, end, { signal });
}

// The road to Python and back. `later()` sends what `values()` says once nothing has moved for a while; `received()` is
// called when Python has set one of the traits.
export function road(model, names, values, received, rested) {
  let [timer, sending] = [0, false];
  const heard = () => {
    if (sending) return;
    clearTimeout(timer);
    received();
  };
  for (const name of names) model.on(`change:${name}`, heard);
  return {
    later() {
      clearTimeout(timer);
      timer = setTimeout(() => {
        sending = true;
        for (const [name, value] of Object.entries(values())) model.set(name, value);
        model.save_changes();
        sending = false;
        rested();
      }, REST);
    },
    close() {
      clearTimeout(timer);
      for (const name of names) model.off(`change:${name}`, heard);
    },
  };
}

// Draw at most once per frame; and again when the width of `element` changes.
export function repaint(element, draw) {
  let waiting = 0;
  const soon = () => {
    waiting ||= requestAnimationFrame(() => {
      waiting = 0;
      draw();
    });
  };
  const watcher = new ResizeObserver(soon);
  watcher.observe(element);
  const close = () => {
    cancelAnimationFrame(waiting);
    watcher.disconnect();
  };
  return { soon, close };
}

// Round steps for the ticks of an axis from `lo` to `hi`, about `count` of them.
export function ticks(lo, hi, count) {
  const step = ladder((hi - lo) / count);
  const first = Math.ceil(lo / step - 1e-9);
  const last = Math.floor(hi / step + 1e-9);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return Array.from({ length: last - first + 1 }, (_, i) => [(first + i) * step, format((first + i) * step, decimals)]);
}

// Pale lines with their numbers: `xs` and `ys` are [pixel, text], `box` the margins { left, right, top, bottom }.
export function gridLines(context, box, high, xs, ys, wide) {
  [context.lineWidth, context.strokeStyle, context.fillStyle] = [1, INK.line, INK.text];
  [context.textAlign, context.textBaseline] = ["right", "middle"];
  for (const [top, text] of ys) {
    context.beginPath();
    context.moveTo(box.left, top);
    context.lineTo(wide - box.right, top);
    context.stroke();
    context.fillText(text, box.left - 6, top);
  }
  [context.textAlign, context.textBaseline] = ["center", "top"];
  for (const [left, text] of xs) {
    context.beginPath();
    context.moveTo(left, box.top);
    context.lineTo(left, high - box.bottom);
    context.stroke();
    context.fillText(text, left, high - box.bottom + 5);
  }
}
