// A derivation as a table of lines: formula, rule, number. The numbers of all slider positions came with the widget.

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

/** A number with a proper minus sign, and no minus in front of a zero. */
export function pretty(value, digits = 6) {
  const text = value.toFixed(digits);
  return (Number(text) === 0 ? (0).toFixed(digits) : text).replace("-", "−");
}

function floats(view) {
  const copy = view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
  return new Float64Array(copy);
}

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** A node that holds text or formulas the course itself wrote, as HTML and MathML. */
function written(tag, attributes, html) {
  const node = element(tag, attributes);
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
  let frame = 0, rest = 0;

  const root = element("div", { class: "vc vc-derivation" });
  root.append(element("p", { class: "vc-title" }, model.get("label")), written("p", { class: "vc-note" }, spec.setting));

  const body = element("tbody", { "data-picture": "" });
  const cells = spec.steps.map((step, i) => {
    const number = element("td", { class: "vc-number" });
    const formula = element("td", { class: "vc-formula" });
    if (i === 0 && spec.left) formula.append(written("span", {}, spec.left), " ");
    if (i > 0 || spec.left) formula.append(written("span", {}, step.sign), " ");
    formula.append(written("span", {}, step.formula));
    const row = element("tr", {}, element("th", { scope: "row" }, `${i + 1}`), formula, written("td", { class: "vc-rule" }, step.rule));
    if (spec.numbers) row.append(number);
    body.append(row);
    return number;
  });
  const head = ["", "the line", "why it follows", ...(spec.numbers ? ["its number"] : [])];
  const header = element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text))));
  root.append(element("div", { class: "vc-scroll" }, element("table", {}, header, body)));

  const bar = element("div", { class: "vc-bar", role: "img", "data-picture": "" });
  const legend = element("p", { class: "vc-legend" });
  const pieces = spec.parts.map((part) => bar.appendChild(element("div", { style: `background:${part.colour}` })));
  const shares = spec.parts.map((part) => {
    const share = element("output");
    legend.append(element("span", {}, element("i", { style: `background:${part.colour}` }), `${part.label} `, share));
    return share;
  });
  if (spec.numbers && pieces.length) root.append(bar, legend);
  const totals = partRange();

  const status = element("p", { class: "vc-note", role: "status", "aria-live": "polite" });

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
      shares[k].textContent = pretty(value, 3);
      at = to;
    });
    bar.setAttribute("aria-label", here.map((value, k) => `${spec.parts[k].label}: ${pretty(value, 3)}`).join(", "));
  }

  function draw() {
    frame = 0;
    if (!spec.numbers) return;
    const here = look(lines, spec.steps.length, sizes, index);
    let broken = 0;
    here.forEach((value, i) => {
      const relation = spec.steps[i].relation;
      const verdict = i === 0 ? { gap: 0, holds: true } : compare(relation, here[i - 1], value);
      if (!verdict.holds) broken ||= i + 1;
      cells[i].textContent = pretty(value);
      if (i && relation !== "=") cells[i].append(element("small", {}, `gap ${pretty(Math.abs(verdict.gap))}`));
      if (spec.marks) cells[i].dataset.holds = verdict.holds;
    });
    if (pieces.length) drawBar();
    status.dataset.broken = broken;
  }

  const schedule = () => { frame ||= requestAnimationFrame(draw); };

  function speak() {
    const where = spec.sliders.map((slider, k) => `${slider.meaning} ${slider.values[index[k]]}`).join(", ");
    const here = look(lines, spec.steps.length, sizes, index);
    const broken = spec.marks && Number(status.dataset.broken);
    status.textContent = `${where}: first line ${pretty(here[0], 3)}, last line ${pretty(here.at(-1), 3)}.` + (broken ? ` Line ${broken} does not follow.` : "");
    model.set("position", { ...model.get("position"), ...Object.fromEntries(spec.sliders.map((s, k) => [s.name, s.values[index[k]]])) });
    model.save_changes();
  }

  if (spec.numbers) {
    const panel = element("div", { class: "vc-sliders" });
    spec.sliders.forEach((slider, k) => {
      const output = element("output", {}, slider.values[index[k]].toFixed(slider.places));
      const input = element("input", {
        type: "range", min: 0, max: sizes[k] - 1, step: 1, value: index[k], "data-handle": "", "aria-label": slider.meaning,
        "aria-valuetext": output.textContent, title: slider.meaning,
      });
      input.addEventListener("input", () => {
        index[k] = Number(input.value);
        output.textContent = slider.values[index[k]].toFixed(slider.places);
        input.setAttribute("aria-valuetext", output.textContent);
        schedule();
        clearTimeout(rest);
        rest = setTimeout(speak, 120);
      }, { signal: abort.signal });
      input.addEventListener("keydown", (event) => event.stopPropagation(), { signal: abort.signal });
      panel.append(element("label", {}, written("span", {}, slider.symbol), input, output));
    });
    root.append(panel, status);
  }
  el.append(root);
  draw();
  return () => {
    abort.abort();
    cancelAnimationFrame(frame);
    clearTimeout(rest);
    root.remove();
  };
}

export default { render };
