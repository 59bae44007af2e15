// In the page: note when the pointer moves, and after every rendered frame what the pictures show.
(() => {
  if (window.probe || window.top !== window) return;
  const small = document.createElement("canvas");
  small.width = small.height = 64;
  const drawing = small.getContext("2d", { willReadFrequently: true });

  // FNV-1a, 32 bits.
  const hash = numbers => {
    let value = 2166136261;
    for (const number of numbers) value = Math.imul(value ^ number, 16777619);
    return value >>> 0;
  };
  const visible = element => element.getClientRects().length > 0;

  // What the pictures show now, as one text; null while there is nothing to see.
  const look = selector => {
    const elements = [...document.querySelectorAll(selector)].filter(visible);
    if (!elements.length) return null;
    return elements.map(element => {
      if (element instanceof HTMLImageElement && !(element.complete && element.naturalWidth)) return null;
      if (!(element instanceof HTMLCanvasElement || element instanceof HTMLImageElement)) return element.outerHTML;
      drawing.clearRect(0, 0, 64, 64);
      drawing.drawImage(element, 0, 0, 64, 64);
      return hash(new Uint32Array(drawing.getImageData(0, 0, 64, 64).data.buffer));
    }).join();
  };

  const probe = window.probe = { selector: null, events: [], frames: [], ticks: 0, last: undefined };
  probe.start = selector => Object.assign(probe, { selector, events: [], frames: [], ticks: 0, last: undefined });
  window.addEventListener("pointermove", ({ timeStamp, clientX, clientY }) => {
    probe.events.push([timeStamp, Math.round(clientX), Math.round(clientY)]);
  }, { capture: true, passive: true });

  // requestAnimationFrame runs before the frame is painted; a message posted there arrives after it.
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    if (!probe.selector) return;
    const time = performance.now(), seen = look(probe.selector);
    probe.ticks++;
    if (seen !== probe.last) probe.frames.push([time, probe.last = seen]);
  };
  const every = () => { port2.postMessage(0); requestAnimationFrame(every); };
  requestAnimationFrame(every);

  // Wait until the pictures have not changed for `quiet` ms (at most `most`).
  probe.settled = (quiet, most) => new Promise(done => {
    const begin = performance.now();
    const ask = () => {
      const now = performance.now(), changed = probe.frames.at(-1)?.[0] ?? begin;
      if (now - Math.max(changed, begin) > quiet || now - begin > most) done(); else setTimeout(ask, 5);
    };
    ask();
  });
})();
