// A plane with ruled axes on a canvas: values to CSS pixels and back.
import { gridLines, sharp, ticks } from "./kl_view.js";

// makePlane(canvas, { box, high, names, view }): `view` is { x: [lo, hi], y: [lo, hi] } and may be set anew at any time.
// open(width) returns a context in which the axes are drawn and which is clipped to the plane, until `restore()`.
export function makePlane(canvas, { box, high, names: [nameX, nameY], view }) {
  const plane = {
    view,
    width: 0,
    toX: (value) => box.left + ((value - plane.view.x[0]) / (plane.view.x[1] - plane.view.x[0])) * (plane.width - box.left - box.right),
    toY: (value) => high - box.bottom - ((value - plane.view.y[0]) / (plane.view.y[1] - plane.view.y[0])) * (high - box.top - box.bottom),
    fromX: (left) => plane.view.x[0] + ((left - box.left) / (plane.width - box.left - box.right)) * (plane.view.x[1] - plane.view.x[0]),
    fromY: (top) => plane.view.y[0] + ((high - box.bottom - top) / (high - box.top - box.bottom)) * (plane.view.y[1] - plane.view.y[0]),
    inside: ([x, y]) => [Math.min(plane.view.x[1], Math.max(plane.view.x[0], x)), Math.min(plane.view.y[1], Math.max(plane.view.y[0], y))],
    // Where a pointer is, in CSS pixels of the canvas.
    at(event) {
      const edge = canvas.getBoundingClientRect();
      return [event.clientX - edge.left, event.clientY - edge.top];
    },
    open(width) {
      plane.width = width;
      const context = sharp(canvas, width, high);
      gridLines(context, box, high,
        ticks(...plane.view.x, Math.max(3, width / 90)).map(([value, text]) => [plane.toX(value), text]),
        ticks(...plane.view.y, 6).map(([value, text]) => [plane.toY(value), text]), width);
      [context.textAlign, context.textBaseline] = ["left", "alphabetic"];
      context.fillText(nameY, 6, 14);
      context.textAlign = "right";
      context.fillText(nameX, width - box.right, high - 6);
      context.save();
      context.beginPath();
      context.rect(box.left, box.top, width - box.left - box.right, high - box.top - box.bottom);
      context.clip();
      return context;
    },
  };
  return plane;
}
