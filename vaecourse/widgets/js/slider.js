// A native slider with its label and its number; arrows step by 0.1, with Shift by 0.5.
import { figure, keyStep, make } from "./elements.js";

// makeSlider({ name, label, low, high, step, value, signal, onMove }) returns { element, set(value) }.
// `name` is what is shown, `label` what a screen reader says; `onMove(value)` hears the hand, and not `set`. `shows` turns
// a value into the number beside the slider.
export function makeSlider({ name, label, low, high, step = 0.02, key = 0.1, value = 0, handle = "slider", shows = figure, signal, onMove }) {
  const input = make("input", {
    type: "range", min: low, max: high, step, "aria-label": label, "data-handle": handle,
  });
  const output = make("output", { "aria-hidden": "true" });
  const element = make("label", { class: "vc-slider" }, make("span", { "aria-hidden": "true" }, name), input, output);
  let shown = null;
  const set = next => {
    if (next === shown) return;
    shown = next;
    input.value = next;
    output.textContent = shows(next);
    if (shows !== figure) input.setAttribute("aria-valuetext", output.textContent);
  };
  const move = next => {
    set(next);
    onMove(next);
  };
  input.addEventListener("input", () => move(Number(input.value)), { signal });
  input.addEventListener("keydown", event => {
    const moved = keyStep(event);
    if (moved) move(Math.min(high, Math.max(low, Number(input.value) + key * (moved[0] + moved[1]))));
  }, { signal });
  set(value);
  return { element, set };
}
