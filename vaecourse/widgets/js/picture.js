// Grey pictures on small canvases: one canvas pixel per picture pixel, enlarged by the style sheet.

// Return a canvas context of columns x rows pictures of the given shape, and the place for their pixels. Where there
// are several, a line of empty pixels (transparent: the page shows through) parts them.
export function makePicture(canvas, [height, width], columns = 1, rows = 1) {
  canvas.width = columns * (width + 1) - 1;
  canvas.height = rows * (height + 1) - 1;
  const drawing = canvas.getContext("2d");
  const pixels = drawing.createImageData(canvas.width, canvas.height);
  return { drawing, pixels, words: new Uint32Array(pixels.data.buffer), height, width, columns, rows };
}

// Paint `values` (columns x rows pictures, row after row) from low..high; `ink` draws high values dark, on paper.
export function paint(picture, values, { low = 0, high = 1, ink = true } = {}) {
  const { drawing, pixels, words, height, width, columns, rows } = picture;
  const scale = 255 / (high - low), line = pixels.width;
  let v = 0;
  for (let row = 0; row < rows; row++) for (let column = 0; column < columns; column++) {
    for (let y = 0; y < height; y++) {
      let at = (row * (height + 1) + y) * line + column * (width + 1);
      for (let x = 0; x < width; x++, v++, at++) {
        const level = (values[v] - low) * scale;
        const grey = level > 255 ? 255 : level > 0 ? Math.round(level) : 0;
        const shown = ink ? 255 - grey : grey;
        words[at] = 0xff000000 | (shown << 16) | (shown << 8) | shown;
      }
    }
  }
  drawing.putImageData(pixels, 0, 0);
}
