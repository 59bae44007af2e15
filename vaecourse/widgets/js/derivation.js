// A derivation as a table of lines: formula, rule, number. The numbers of all slider positions came with the widget.
import { figure, frames, make, rest } from "./elements.js";

/** Where the values of one slider position lie in a table of shape (rows, n1, n2, …), row-major. */
export function column(sizes, index) {
  return index.reduce((offset, i, axis) => offset * sizes[axis] + i, 0);
}

/** The rows of `table` at one slider position. */
export function look(table, rows, sizes, index) {
  const block = sizes.reduce((a, b) => a * b, 1);
  const at = column(sizes, index);
  return Array.from({ length: rows }, (_, row) => table[row * block + at]);
}

/** How a line stands to the one above: its gap, and whether "=", "<=" or ">=" holds to 1e-9. */
export function compare(relation, above, here) {
  const scale = Math.max(1, Math.abs(here));
  const gap = here - above;
  const off = relation === "=" ? Math.abs(gap) : relation === "<=" ? -gap : gap;
  return { gap, holds: off / scale <= 1e-9 };
}

function floats(view) {
  const copy = view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
  return new Float64Array(copy);
}

/** A node that holds text or formulas the course itself wrote, as HTML and MathML. */
function written(tag, attributes, html) {
  const node = make(tag, attributes);
  node.innerHTML = html;
  return node;
}

function render({ model, el }) {
  const spec = model.get("spec");
  const lines = floats(model.get("lines"));
  const parts = floats(model.get("parts"));
  const sizes = spec.sliders.map((slider) => slider.values.length);
  const index = spec.sliders.map((slider) => slider.start);
  const abort = new AbortController();

  const root = make("div", { class: "vc vc-derivation" });
  root.append(make("p", { class: "vc-title" }, model.get("label")), written("p", { class: "vc-note" }, spec.setting));

  const body = make("tbody", { "data-picture": "" });
  const cells = spec.steps.map((step, i) => {
    const number = make("td", { class: "vc-number" });
    const formula = make("td", { class: "vc-formula" });
    if (i === 0 && spec.left) formula.append(written("span", {}, spec.left), " ");
    if (i > 0 || spec.left) formula.append(written("span", {}, step.sign), " ");
    formula.append(written("span", {}, step.formula));
    const row = make("tr", {}, make("th", { scope: "row" }, `${i + 1}`), formula, written("td", { class: "vc-rule" }, step.rule));
    if (spec.numbers) row.append(number);
    body.append(row);
    return number;
  });
  const head = ["", "the line", "why it follows", ...(spec.numbers ? ["its number"] : [])];
  const header = make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text))));
  root.append(make("div", { class: "vc-scroll" }, make("table", {}, header, body)));

  const bar = make("div", { class: "vc-stack", role: "img", "data-picture": "" });
  const legend = make("p", { class: "vc-legend" });
  const pieces = spec.parts.map((part) => bar.appendChild(make("div", { style: `background:${part.colour}` })));
  const shares = spec.parts.map((part) => {
    const share = make("output");
    legend.append(make("span", {}, make("i", { style: `background:${part.colour}` }), `${part.label} `, share));
    return share;
  });
  if (spec.numbers && pieces.length) root.append(bar, legend);
  const totals = partRange();

  const status = make("p", { class: "vc-note", role: "status", "aria-live": "polite" });

  function partRange() {
    const block = sizes.reduce((a, b) => a * b, 1);
    let low = 0, high = 0;
    for (let at = 0; at < block; at++) {
      let sum = 0;
      for (let k = 0; k < spec.parts.length; k++) {
        sum += parts[k * block + at];
        low = Math.min(low, sum);
        high = Math.max(high, sum);
      }
    }
    return { low, high };
  }

  function drawBar() {
    // Pieces stand end to end from the low end of the range, so that a constant sum ends at a constant place.
    const here = look(parts, spec.parts.length, sizes, index);
    const percent = (value) => (100 * (value - totals.low)) / (totals.high - totals.low || 1);
    let at = totals.low < 0 ? totals.low : 0, sum = 0;
    here.forEach((value, k) => {
      sum += value;
      const to = sum;
      pieces[k].style.left = `${percent(Math.min(at, to))}%`;
      pieces[k].style.width = `${percent(Math.max(at, to)) - percent(Math.min(at, to))}%`;
      shares[k].textContent = figure(value, 3);
      at = to;
    });
    bar.setAttribute("aria-label", here.map((value, k) => `${spec.parts[k].label}: ${figure(value, 3)}`).join(", "));
  }

  function draw() {
    if (!spec.numbers) return;
    const here = look(lines, spec.steps.length, sizes, index);
    let broken = 0;
    here.forEach((value, i) => {
      const relation = spec.steps[i].relation;
      const verdict = i === 0 ? { gap: 0, holds: true } : compare(relation, here[i - 1], value);
      if (!verdict.holds) broken ||= i + 1;
      cells[i].textContent = figure(value, 6);
      if (i && relation !== "=") cells[i].append(make("small", {}, `gap ${figure(Math.abs(verdict.gap), 6)}`));
      if (spec.marks) cells[i].dataset.holds = verdict.holds;
    });
    if (pieces.length) drawBar();
    status.dataset.broken = broken;
  }

  function speak() {
    const where = spec.sliders.map((slider, k) => `${slider.meaning} ${slider.values[index[k]]}`).join(", ");
    const here = look(lines, spec.steps.length, sizes, index);
    const broken = spec.marks && Number(status.dataset.broken);
    status.textContent = `${where}: first line ${figure(here[0], 3)}, last line ${figure(here.at(-1), 3)}.` + (broken ? ` Line ${broken} does not follow.` : "");
    model.set("position", { ...model.get("position"), ...Object.fromEntries(spec.sliders.map((s, k) => [s.name, s.values[index[k]]])) });
    model.save_changes();
  }

  const drawing = frames(draw);
  const resting = rest(speak);

  if (spec.numbers) {
    const panel = make("div", { class: "vc-knobs" });
    spec.sliders.forEach((slider, k) => {
      const output = make("output", {}, slider.values[index[k]].toFixed(slider.places));
      const input = make("input", {
        type: "range", min: 0, max: sizes[k] - 1, step: 1, value: index[k], "data-handle": "", "aria-label": slider.meaning,
        "aria-valuetext": output.textContent, title: slider.meaning,
      });
      input.addEventListener("input", () => {
        index[k] = Number(input.value);
        output.textContent = slider.values[index[k]].toFixed(slider.places);
        input.setAttribute("aria-valuetext", output.textContent);
        drawing.ask();
        resting.stir();
      }, { signal: abort.signal });
      input.addEventListener("keydown", (event) => event.stopPropagation(), { signal: abort.signal });
      panel.append(make("label", {}, written("span", {}, slider.symbol), input, output));
    });
    root.append(panel, status);
  }
  el.append(root);
  draw();
  return () => {
    abort.abort();
    drawing.stop();
    resting.stop();
    root.remove();
  };
}

export default { render };
