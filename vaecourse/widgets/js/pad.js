// A square to drag in: layers of canvas, the uppermost of which hears the pointer and the keyboard.
import { keyStep, make } from "./elements.js";

// makePad({ label, layers, signal, onDrag, onStep }) returns { element, top, layers, resize(side), context(canvas) }.
// onDrag(x, y, first) has x and y in [0, 1], x to the right and y upwards; `first` is true when the pointer goes
// down. onStep(across, up) counts small steps of the arrow keys (Shift: five).
export function makePad({ label, layers = 1, signal, onDrag, onStep }) {
  const below = Array.from({ length: layers }, () => make("canvas", { "aria-hidden": "true" }));
  const top = make("canvas", {
    tabindex: 0, role: "application", "aria-roledescription": "two-dimensional slider", "aria-label": label,
    "data-handle": "pad",
  });
  const element = make("div", { class: "vc-pad" }, ...below, top);

  const drag = (event, first) => {
    const box = top.getBoundingClientRect();
    const inside = part => Math.min(1, Math.max(0, part));
    const x = inside((event.clientX - box.left) / box.width);
    onDrag(x, inside(1 - (event.clientY - box.top) / box.height), first);
  };
  const options = { signal };
  top.addEventListener("pointerdown", event => {
    if (event.button !== 0) return;
    event.preventDefault();
    top.focus({ preventScroll: true });
    top.setPointerCapture(event.pointerId);
    drag(event, true);
  }, options);
  top.addEventListener("pointermove", event => {
    if (top.hasPointerCapture(event.pointerId)) drag(event, false);
  }, options);
  top.addEventListener("keydown", event => {
    const step = keyStep(event);
    if (step) onStep(...step);
  }, options);

  // Give every canvas as many pixels as the screen has under `side` CSS pixels.
  const resize = side => {
    element.style.width = element.style.height = `${side}px`;
    for (const canvas of [...below, top]) {
      if (!canvas.dataset.fixed) canvas.width = canvas.height = Math.round(side * devicePixelRatio);
    }
  };
  // A context whose unit is the CSS pixel, wiped clean.
  const context = canvas => {
    const drawing = canvas.getContext("2d");
    const scale = canvas.width / (parseFloat(element.style.width) || 1);
    drawing.setTransform(scale, 0, 0, scale, 0, 0);
    drawing.clearRect(0, 0, canvas.width, canvas.height);
    return drawing;
  };
  return { element, top, layers: below, resize, context };
}
