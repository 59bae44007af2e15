// What is drawn on a pad of the latent-space explorer: the codes of the held-out pictures, and the place of the code.
import { latentName } from "./elements.js";

const PRIOR = "#0072B2"; // p's colour, as in vaecourse/symbols.py

// The codes of one model as small marks of their class (a numeral where the class is short enough), and circles of
// radius 1 and 2: of the prior N(0, I), in p's colour, or (grey) of the codes' own standard deviations.
export function drawCodes(drawing, side, { latents, positions, units }, axes, reach, gallery, colours) {
  const flat = latents === 1, at = u => (u / reach + 1) / 2 * side;
  const prior = units === "prior", colour = prior ? PRIOR : "#555";
  drawing.strokeStyle = colour;
  drawing.globalAlpha = 0.5;
  drawing.lineWidth = 1;
  for (const radius of [1, 2]) {
    drawing.beginPath();
    if (flat) for (const end of [-radius, radius]) { drawing.moveTo(at(end), 0); drawing.lineTo(at(end), side); }
    else drawing.arc(side / 2, side / 2, radius / reach * side / 2, 0, 2 * Math.PI);
    drawing.stroke();
  }
  drawing.globalAlpha = 0.8;
  drawing.fillStyle = colour;
  drawing.font = "11px system-ui, sans-serif";
  drawing.textAlign = "right";
  drawing.fillText(`${flat ? "lines" : "circles"}: ${prior ? "prior, " : ""}1σ and 2σ`, side - 6, 11);
  drawing.textAlign = "center";
  drawing.textBaseline = "middle";
  drawing.font = "600 10px system-ui, sans-serif";
  for (let n = 0; n < gallery.count; n++) {
    const x = at(positions[n * latents + axes[0]]);
    const y = side - (flat ? side * (0.15 + 0.7 * ((n * 0.618034) % 1)) : at(positions[n * latents + axes[1]]));
    const mark = gallery.marks[n];
    drawing.fillStyle = colours[mark] ?? "#555";
    if (mark !== undefined && mark.length < 3) drawing.fillText(mark, x, y);
    else { drawing.beginPath(); drawing.arc(x, y, 2.5, 0, 2 * Math.PI); drawing.fill(); }
  }
  drawing.globalAlpha = 1;
  drawing.fillStyle = "#555";
  drawing.font = "11px system-ui, sans-serif";
  const number = value => String(value).replace("-", "−");
  for (let tick = -Math.floor(reach); tick <= reach; tick++) {
    const x = at(tick);
    if (x > 10 && x < side - 30 && tick % (reach > 5 ? 2 : 1) === 0) drawing.fillText(number(tick), x, side - 8);
    if (!flat && x > 24 && x < side - 28 && tick % (reach > 5 ? 2 : 1) === 0) drawing.fillText(number(tick), 9, side - x);
  }
  drawing.font = "italic 600 13px system-ui, sans-serif";
  drawing.fillText(latentName(axes[0]), side - 14, side - 10);
  if (!flat) drawing.fillText(latentName(axes[1]), 12, 11);
}

// The place of the code, [x, y] in [0, 1]: a ring on a cross of hairlines, and in a grid a dot and the outline of its
// cell. A place beyond the pad is shown at its edge, by a dashed ring.
export function drawPlace(drawing, side, place, cells) {
  const beyond = place.some(part => part < 0 || part > 1), edge = beyond ? 12 / side : 0;
  const [x, y] = place.map(part => Math.min(1 - edge, Math.max(edge, part)));
  const [left, top] = [x * side, (1 - y) * side];
  if (cells) {
    const cell = (part, count) => Math.min(count - 1, Math.floor(part * count));
    const wide = side / cells.columns, high = side / cells.rows;
    for (const [colour, line] of [["#fff", 4], ["#D55E00", 2]]) {
      drawing.strokeStyle = colour;
      drawing.lineWidth = line;
      drawing.strokeRect(cell(x, cells.columns) * wide, cell(1 - y, cells.rows) * high, wide, high);
    }
    if (cells.rows > 1) {
      drawing.fillStyle = "#D55E00";
      drawing.beginPath();
      drawing.arc(left, top, 3, 0, 2 * Math.PI);
      drawing.fill();
      return;
    }
  }
  drawing.strokeStyle = "rgba(0, 0, 0, .3)";
  drawing.lineWidth = 1;
  drawing.beginPath();
  drawing.moveTo(left, 0);
  drawing.lineTo(left, side);
  drawing.moveTo(0, top);
  drawing.lineTo(side, top);
  drawing.stroke();
  for (const [colour, line] of [["#fff", 6], ["#D55E00", 3]]) {
    drawing.strokeStyle = colour;
    drawing.lineWidth = line;
    drawing.setLineDash(beyond ? [3, 3] : []);
    drawing.beginPath();
    drawing.arc(left, top, 8, 0, 2 * Math.PI);
    drawing.stroke();
  }
  drawing.setLineDash([]);
}
