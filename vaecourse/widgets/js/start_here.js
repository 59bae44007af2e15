// A Gaussian density and the area under a part of it. The area is a probability, the height is not.
import { figure, frames, make, rest } from "./elements.js";
import { normalCdf } from "./normal.js";
import { makeSlider } from "./slider.js";

const WIDTH = 690, HEIGHT = 240, LEFT = 44, BOTTOM = 24, TOP = 12, SPAN = 4;

/** The height of N(mean, sd²) at x. */
export const density = (x, mean, sd) => Math.exp(-0.5 * ((x - mean) / sd) ** 2) / (sd * Math.sqrt(2 * Math.PI));

/** The area under N(mean, sd²) from low to high. */
export const area = (low, high, mean, sd) => normalCdf((high - mean) / sd) - normalCdf((low - mean) / sd);

function render({ model, el }) {
  const abort = new AbortController();
  const signal = abort.signal;
  const at = Object.fromEntries(["mean", "sd", "low", "high"].map((name) => [name, model.get(name)]));
  const ratio = window.devicePixelRatio || 1;
  const canvas = make("canvas", { width: WIDTH * ratio, height: HEIGHT * ratio, role: "img", "data-picture": "", style: `width:${WIDTH}px` });
  const context = canvas.getContext("2d");
  const read = make("p", { class: "vc-note" });
  const status = make("p", { class: "vc-note", role: "status", "aria-live": "polite" });
  const toX = (x) => LEFT + ((x + SPAN) / (2 * SPAN)) * (WIDTH - LEFT - 10);

  function draw() {
    const top = Math.max(1.2, 1.1 * density(at.mean, at.mean, at.sd));
    const toY = (y) => HEIGHT - BOTTOM - (y / top) * (HEIGHT - BOTTOM - TOP);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = "#fff";
    context.fillRect(0, 0, WIDTH, HEIGHT);
    context.font = "12px system-ui, sans-serif";

    const trace = (from, to) => {
      for (let i = 0; i <= 300; i++) {
        const x = from + ((to - from) * i) / 300;
        context.lineTo(toX(x), toY(density(x, at.mean, at.sd)));
      }
    };
    context.beginPath();
    context.moveTo(toX(at.low), toY(0));
    trace(at.low, at.high);
    context.lineTo(toX(at.high), toY(0));
    context.fillStyle = "#56B4E988";
    context.fill();

    context.beginPath();
    trace(-SPAN, SPAN);
    Object.assign(context, { strokeStyle: "#0072B2", lineWidth: 2 });
    context.stroke();

    Object.assign(context, { strokeStyle: "#888", fillStyle: "#555", lineWidth: 1, textAlign: "center" });
    context.beginPath();
    context.moveTo(LEFT, toY(0));
    context.lineTo(WIDTH - 10, toY(0));
    context.stroke();
    for (let x = -SPAN; x <= SPAN; x++) context.fillText(`${x}`.replace("-", "−"), toX(x), HEIGHT - 7);
    context.setLineDash([4, 4]);
    context.beginPath();
    context.moveTo(LEFT, toY(1));
    context.lineTo(WIDTH - 10, toY(1));
    context.stroke();
    context.setLineDash([]);
    context.textAlign = "right";
    context.fillText("1", LEFT - 6, toY(1) + 4);
    context.fillText("0", LEFT - 6, toY(0) + 4);

    const [height, part] = [density(at.mean, at.mean, at.sd), area(at.low, at.high, at.mean, at.sd)];
    read.textContent = `height at the top ${figure(height, 3)} · shaded area ${figure(part, 3)}`;
    canvas.setAttribute("aria-label", `A Gaussian density with mean ${figure(at.mean)} and standard deviation ${figure(at.sd)}; ` +
      `the area from ${figure(at.low)} to ${figure(at.high)} is shaded. ${read.textContent}`);
  }

  const drawing = frames(draw);
  const resting = rest(() => {
    for (const [name, value] of Object.entries(at)) model.set(name, value);
    model.save_changes();
  });
  const answered = () => { status.textContent = model.get("answer"); };
  model.on("change:answer", answered);

  const sliders = {};
  const add = (name, shown, label, low, high) => {
    sliders[name] = makeSlider({ name: shown, label, low, high, value: at[name], signal, onMove: (value) => {
      at[name] = value;
      if (at.low > at.high) {
        const other = name === "low" ? "high" : "low";
        at[other] = value;
        sliders[other].set(value);
      }
      drawing.ask();
      resting.stir();
    } });
    return sliders[name].element;
  };
  const root = make("div", { class: "vc" },
    make("p", { class: "vc-title" }, model.get("label")), canvas, read,
    make("div", { class: "vc-sliders" }, add("mean", "m", "mean", -2, 2), add("sd", "σ", "standard deviation", 0.1, 2),
      add("low", "from", "left end of the interval", -SPAN, SPAN), add("high", "to", "right end of the interval", -SPAN, SPAN)),
    status);
  el.append(root);
  draw();
  return () => {
    abort.abort();
    drawing.stop();
    resting.stop();
    model.off("change:answer", answered);
    root.remove();
  };
}

export default { render };
