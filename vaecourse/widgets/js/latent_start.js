// Where a walk through the latent space starts: at a real picture, at a random code, or at the origin.
import { make } from "./elements.js";
import { normalDraws } from "./normal.js";
import { makePicture, paint } from "./picture.js";

// makeStart({...}) returns { element, show(index) }: `show` says from which picture the walk started (-1: none).
// onImage(index) asks to start at a held-out picture, onCode(u) at a position; the draws repeat for the same seed.
export function makeStart({ gallery, classes, latents, seed, signal, shape, tones, onImage, onCode }) {
  const draw = normalDraws(seed);
  let at = 0;
  const original = make("canvas", { class: "vc-thumb", role: "img" });
  const thumb = makePicture(original, shape);
  const wanted = make("select", { "aria-label": "which real images" }, make("option", { value: "" }, "any image"),
    ...classes.map(({ name }) => make("option", { value: name }, name)));
  const button = (text, label, act) => {
    const element = make("button", { type: "button", "aria-label": label }, text);
    element.addEventListener("click", act, { signal });
    return element;
  };
  // The next held-out picture of the wanted class, forwards or backwards; the walk may stay where it is.
  const step = (direction, first = direction) => {
    for (let k = 0; k < gallery.count; k++) {
      const index = (at + first + k * direction + gallery.count * 2) % gallery.count;
      if (!wanted.value || gallery.marks[index] === wanted.value) { at = index; return onImage(index); }
    }
  };
  wanted.addEventListener("change", () => step(1, 0), { signal });

  const element = make("div", { class: "vc-bar vc-start" },
    make("span", { class: "vc-group", role: "group", "aria-label": "start from a real image" },
      "Start from ", original, classes.length ? wanted : "a real image",
      button("‹", "previous real image", () => step(-1)), button("›", "next real image", () => step(1))),
    button("a random code", "start from a random code", () => onCode(Float64Array.from({ length: latents }, draw))),
    button("the origin", "start from the origin", () => onCode(new Float64Array(latents))));
  const show = index => {
    original.classList.toggle("vc-idle", index < 0);
    if (index < 0) { original.setAttribute("aria-label", "not started from a real image"); return; }
    at = index;
    paint(thumb, gallery.picture(index), tones);
    original.setAttribute("aria-label", `real image ${index + 1}${gallery.marks.length ? `, a ${gallery.marks[index]}` : ""}`);
  };
  paint(thumb, gallery.picture(0), tones);
  return { element, show };
}
