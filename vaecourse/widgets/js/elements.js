// Small helpers that every view uses: elements, frames, and "once it rests".

// make("div", { class: "vc-row", "aria-label": "..." }, child, "text", ...): an element with attributes and children.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// Change the text of an element, if it is another one.
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Return { ask, stop }: however often `ask` is called, `draw` runs once in the next frame.
export function frames(draw) {
  let wanted = 0;
  const ask = () => { wanted ||= requestAnimationFrame(() => { wanted = 0; draw(); }); };
  return { ask, stop: () => { cancelAnimationFrame(wanted); wanted = 0; } };
}

// Return { stir, stop }: `settled` runs once, `ms` after the last `stir`.
export function rest(settled, ms = 120) {
  let timer = 0;
  const stop = () => clearTimeout(timer);
  return { stir: () => { stop(); timer = setTimeout(settled, ms); }, stop };
}

const SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉";

// The name of latent dimension k (from 0): z₁, z₂, ...
export const latentName = k => `z${[...String(k + 1)].map(digit => SUBSCRIPTS[digit]).join("")}`;

// A number with two digits and a true minus sign.
export const figure = (x, digits = 2) => x.toFixed(digits).replace(/^-(?=[0.]*$)/, "").replace("-", "−");

// The step that a key asks for, as [across, up] in units of one small step, or null. Shift makes it five times as big.
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
export function keyStep(event) {
  const step = KEYS[event.key];
  if (!step || event.ctrlKey || event.altKey || event.metaKey) return null;
  event.preventDefault();
  event.stopPropagation();
  return step.map(part => part * (event.shiftKey ? 5 : 1));
}
