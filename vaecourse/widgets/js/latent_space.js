// The latent-space explorer. A position u is shared by hand, not by value: a drag moves every model by the same
// amount, each in its own units, z = centre + spread * u. (Python: vaecourse/widgets/latent_space.py)
import { makeDecoder } from "./decoder.js";
import { figure, frames, latentName, make, rest, write } from "./elements.js";
import { makeStart } from "./latent_start.js";
import { drawCodes, drawPlace } from "./latent_pad.js";
import { normalCdf, normalQuantile } from "./normal.js";
import { makePad } from "./pad.js";
import { makePicture, paint } from "./picture.js";
import { makeSlider } from "./slider.js";

const STEP = 0.1; // of an arrow key, in the models' units

// The held-out pictures, and the search for the one that is nearest to a decoded picture.
function makeGallery(view, marks, pixels, [low, high]) {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const values = Float32Array.from(bytes, byte => low + (high - low) * byte / 255);
  const count = values.length / pixels;
  const picture = index => values.subarray(index * pixels, (index + 1) * pixels);
  const nearest = seen => {
    let best = 0, least = Infinity;
    for (let n = 0, at = 0; n < count; n++, at = n * pixels) {
      let sum = 0;
      for (let i = 0; i < pixels && sum < least; i++) sum += (values[at + i] - seen[i]) ** 2;
      if (sum < least) { least = sum; best = n; }
    }
    return { index: best, distance: Math.sqrt(least) };
  };
  return { count, marks, picture, nearest };
}

// Everything that is known of each model: its decoder, and the codes of the held-out pictures in its own units.
function readModels(model, count) {
  const codes = model.get("codes");
  let byte = 0, number = 0;
  return model.get("models").map(({ name, units, centre, spread, layers }) => {
    const decode = makeDecoder(layers, model.get("weights"), byte);
    for (const { inputs, outputs } of layers) byte += 2 * outputs * (inputs + 1);
    const latents = centre.length, positions = new Float64Array(count * latents);
    for (let i = 0; i < positions.length; i++, number++) {
      positions[i] = (codes.getFloat32(4 * number, true) - centre[i % latents]) / spread[i % latents];
    }
    return { name, units, centre, spread, decode, latents, positions, u: new Float64Array(latents) };
  });
}

function render({ model, el }) {
  const stop = new AbortController(), { signal } = stop;
  const shape = model.get("shape"), { axes: widest, reach, range, ink, seed, grid, apart, pad: firstView } = model.get("settings");
  const tones = { low: range[0], high: range[1], ink };
  const gallery = makeGallery(model.get("images"), model.get("marks"), shape[0] * shape[1], range);
  const models = readModels(model, gallery.count);
  const latents = models[0].latents, flat = latents === 1;
  let axes = [...widest], lead = models.at(-1), view = firstView, grids = true, start = model.get("image");

  // The view: a title, where to start, one column a model, the axes, the sliders, and a line that is read aloud.
  const status = make("p", { class: "vc-note", role: "status", "aria-live": "polite" });
  const columns = models.map(one => makeColumn(one));
  const sliders = Array.from({ length: latents }, (_, k) => makeSlider({
    name: latentName(k), label: `latent dimension ${k + 1}`, low: -reach, high: reach, signal,
    onMove: value => shift(k, value - lead.u[k]),
  }));
  const steering = makeStart({
    gallery, classes: model.get("classes"), latents, seed, signal, shape, tones,
    onImage: index => begin(index), onCode: u => begin(-1, u),
  });
  const box = make("section", { class: "vc vc-latent", "aria-label": model.get("label"), "data-lm-suppress-shortcuts": "true" },
    make("p", { class: "vc-title" }, model.get("label")),
    steering.element,
    make("div", { class: "vc-models" }, ...columns.map(column => column.element)),
    makeAxes(),
    make("div", { class: "vc-sliders" }, ...sliders.map(slider => slider.element)),
    status,
  );
  el.append(box);

  function makeColumn(one) {
    const big = make("canvas", { class: "vc-picture", role: "img", "data-picture": one.name });
    const near = make("canvas", { class: "vc-thumb", "aria-hidden": "true" });
    const words = make("span"), far = make("span");
    const pad = makePad({
      label: `${one.name}: drag the code, or use the arrow keys`, layers: 2, signal,
      onDrag: (x, y, first) => {
        lead = one;
        const place = view === "pictures" ? part => gridPlace(part, first) : part => (2 * part - 1) * reach;
        shift(axes[0], place(x) - one.u[axes[0]]);
        if (!flat) shift(axes[1], place(y) - one.u[axes[1]]);
      },
      onStep: (across, up) => {
        lead = one;
        move(axes[0], across * STEP);
        if (!flat) move(axes[1], up * STEP);
      },
    });
    const [points, manifold] = pad.layers;
    manifold.dataset.fixed = "true";
    manifold.className = "vc-manifold";
    showManifold(manifold);
    const rows = flat ? 1 : grid;
    const column = {
      one, pad, points, manifold, big, near, words, far,
      picture: makePicture(big, shape), thumb: makePicture(near, shape), plane: makePicture(manifold, shape, grid, rows),
      code: new Float32Array(latents), batch: new Float32Array(grid * rows * latents),
      element: make("div", { class: "vc-model" },
        make("div", { class: "vc-name" }, one.name,
          make("span", {}, one.units === "prior" ? "in units of its prior" : "in standard deviations of its codes")),
        make("div", { class: "vc-seen" }, big,
          make("div", { class: "vc-near" }, make("span", {}, "nearest real image"), near, words, far)),
        pad.element),
    };
    return column;
  }

  function showManifold(manifold) {
    manifold.hidden = view !== "pictures";
    if (view === "pictures") manifold.dataset.picture = "grid"; else delete manifold.dataset.picture;
  }

  function makeAxes() {
    const choose = (which, label) => {
      const select = make("select", { "aria-label": label }, ...Array.from({ length: latents }, (_, k) =>
        make("option", { value: k, ...(k === axes[which] && { selected: "" }) }, latentName(k))));
      select.addEventListener("change", () => {
        const other = axes[1 - which];
        if (Number(select.value) === other) { axes[1 - which] = axes[which]; selects[1 - which].value = axes[which]; }
        axes[which] = Number(select.value);
        redraw();
      }, { signal });
      return select;
    };
    const selects = flat ? [] : [choose(0, "latent dimension across"), choose(1, "latent dimension upwards")];
    const buttons = [["codes", "the codes"], ["pictures", "the pictures"]].map(([name, text]) => {
      const button = make("button", { type: "button", "aria-pressed": String(name === view) }, text);
      button.addEventListener("click", () => {
        view = name;
        for (const each of buttons) each.setAttribute("aria-pressed", String(each === button));
        for (const { manifold } of columns) showManifold(manifold);
        redraw();
      }, { signal });
      return button;
    });
    const where = flat ? [] : ["across ", selects[0], " up ", selects[1]];
    return make("div", { class: "vc-bar" }, make("span", { class: "vc-pick" }, ...where),
      make("span", { class: "vc-group", role: "group", "aria-label": "what is shown on the pad" }, "on the pad ", ...buttons));
  }

  // Where the pointer is in the grid of quantiles; the first touch goes to the middle of its cell.
  function gridPlace(part, first) {
    const cell = Math.min(grid - 1, Math.floor(part * grid));
    return Math.max(-reach, Math.min(reach, normalQuantile(first ? (cell + 0.5) / grid : part)));
  }

  // Move dimension k of every model by `change`; `move` stops the model in hand at the edge.
  function shift(k, change) {
    if (!change) return;
    for (const one of models) one.u[k] += change;
    if (!axes.includes(k)) grids = true;
    changed();
  }
  function move(k, change) {
    shift(k, Math.max(-reach, Math.min(reach, lead.u[k] + change)) - lead.u[k]);
  }

  // Start anew: every model at its own code of held-out picture `index`, or all at the position u.
  function begin(index, u = null) {
    start = index;
    for (const one of models) {
      one.u.set(index < 0 ? u : one.positions.subarray(index * latents, (index + 1) * latents));
    }
    steering.show(index);
    grids = true;
    changed();
  }

  function redraw() {
    grids = true;
    for (const { one, pad, points } of columns) {
      if (view === "codes") drawCodes(pad.context(points), points.width / devicePixelRatio, one, axes, reach, gallery, colours);
      else pad.context(points);
    }
    changed(false);
  }
  const colours = Object.fromEntries(model.get("classes").map(({ name, colour }) => [name, colour]));

  function changed(stir = true) {
    frame.ask();
    if (stir) settled.stir();
  }

  const frame = frames(() => {
    sliders.forEach((slider, k) => slider.set(lead.u[k]));
    for (const column of columns) {
      const { one, code, big } = column;
      for (let k = 0; k < latents; k++) code[k] = one.centre[k] + one.spread[k] * one.u[k];
      const seen = one.decode(code);
      paint(column.picture, seen, tones);
      column.nearest = gallery.nearest(seen);
      paint(column.thumb, gallery.picture(column.nearest.index), tones);
      const mark = gallery.marks[column.nearest.index];
      write(column.words, mark === undefined ? "" : `a ${mark}`);
      write(column.far, `distance ${figure(column.nearest.distance)}`);
      if (view === "pictures" && grids) drawGrid(column);
      const side = column.pad.top.width / devicePixelRatio;
      const place = view === "pictures" ? u => normalCdf(u) : u => (u / reach + 1) / 2;
      drawPlace(column.pad.context(column.pad.top), side, flat ? [place(one.u[0]), 0.5] : axes.map(k => place(one.u[k])),
        view === "pictures" ? { columns: grid, rows: flat ? 1 : grid } : null);
    }
    grids = false;
  });

  // The manifold: the quantiles of N(0, 1) along the two axes, the other dimensions as they stand.
  const steps = Array.from({ length: grid }, (_, i) => normalQuantile((i + 0.5) / grid));
  function drawGrid({ one, batch, plane }) {
    for (let row = 0, at = 0; row < plane.rows; row++) for (let column = 0; column < grid; column++) {
      for (let k = 0; k < latents; k++, at++) {
        const u = k === axes[0] ? steps[column] : k === axes[1] ? steps[grid - 1 - row] : one.u[k];
        batch[at] = one.centre[k] + one.spread[k] * u;
      }
    }
    paint(plane, one.decode(batch, grid * plane.rows), tones);
  }

  // Once the hand rests: tell Python, and say in words what is seen.
  const rounded = one => Array.from(one.u, (u, k) => Number((one.centre[k] + one.spread[k] * u).toFixed(6)));
  const say = () => {
    const lines = columns.map(({ one, big, nearest }) => {
      const mark = gallery.marks[nearest.index], at = axes.map(k => `${latentName(k)} ${figure(one.u[k])}`).join(", ");
      const near = `${mark === undefined ? "a real image" : `a real ${mark}`} at distance ${figure(nearest.distance)}`;
      big.setAttribute("aria-label", `${one.name} decodes ${at}: nearest to ${near}`);
      return `${one.name}: nearest to ${near}`;
    });
    const origin = start < 0 ? "" : ` Started from image ${start + 1}${gallery.marks.length ? `, a ${gallery.marks[start]}` : ""}.`;
    status.textContent = `${lines.join("; ")}.${apart ? ` Real images lie ${figure(apart)} from their nearest neighbour.` : ""}${origin}`;
  };
  let telling = false;
  const settled = rest(() => {
    telling = true;
    model.set("image", start);
    model.set("z", Object.fromEntries(models.map(one => [one.name, rounded(one)])));
    telling = false;
    model.save_changes();
    say();
  });

  // Python has moved: follow, without telling it again.
  const follow = () => {
    if (telling) return;
    start = model.get("image");
    const z = model.get("z");
    let news = false;
    for (const one of models) {
      const code = z[one.name];
      if (!code || String(code) === String(rounded(one))) continue;
      code.forEach((value, k) => { one.u[k] = (value - one.centre[k]) / one.spread[k]; });
      news = true;
    }
    steering.show(start);
    if (news) { grids = true; changed(false); spoken.stir(); }
  };
  const spoken = rest(say);
  model.on("change:z", follow);
  model.on("change:image", follow);

  // The pads are as large as their column allows.
  const fit = new ResizeObserver(() => {
    const wide = box.clientWidth || 640;
    const room = (Math.min(wide, 980) - 24 - 18 * (models.length - 1)) / models.length;
    const side = Math.round(Math.max(150, Math.min(300, room)));
    box.style.setProperty("--pad", `${side}px`);
    columns.forEach(({ pad }) => pad.resize(side));
    redraw();
  });
  fit.observe(box);

  follow();
  steering.show(start);
  frame.ask();
  spoken.stir();
  return () => {
    stop.abort();
    fit.disconnect();
    frame.stop();
    settled.stop();
    spoken.stop();
    model.off("change:z", follow);
    model.off("change:image", follow);
  };
}

export default { render };
