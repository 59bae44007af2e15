// A decoder in the browser: dense layers, sent once as float16, applied to one code or to a batch of codes.

// A float16 has 1 sign bit, 5 exponent bits and 10 fraction bits (IEEE 754-2008).
function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

// Read `count` little-endian float16 numbers of a DataView, from byte `offset` on.
export function halves(view, offset, count) {
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) values[i] = half(view.getUint16(offset + 2 * i, true));
  return values;
}

// The error function, Abramowitz and Stegun (1964) 7.1.26: absolute error below 1.5e-7.
export function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(x) * (1 - tail * Math.exp(-x * x));
}

const sigmoid = x => 1 / (1 + Math.exp(-x));

// The activations, by the names that Python sends; `a` is the parameter of those that have one.
const ACTIVATIONS = {
  identity: x => x,
  relu: x => (x > 0 ? x : 0),
  leaky_relu: (x, a) => (x > 0 ? x : a * x),
  elu: (x, a) => (x > 0 ? x : a * Math.expm1(x)),
  tanh: Math.tanh,
  sigmoid,
  silu: x => x * sigmoid(x),
  softplus: (x, a) => (a * x > 20 ? x : Math.log1p(Math.exp(a * x)) / a),
  gelu: x => 0.5 * x * (1 + erf(x * Math.SQRT1_2)),
  gelu_tanh: x => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
};

// y[s, o] = act(bias[o] + sum_i weight[o, i] x[s, i]) for s < count. Four samples share each weight that is read.
function dense({ weight, bias, inputs, outputs, activation, parameter }, x, y, count) {
  const act = ACTIVATIONS[activation];
  let s = 0;
  for (; s + 4 <= count; s += 4) {
    const x0 = s * inputs, x1 = x0 + inputs, x2 = x1 + inputs, x3 = x2 + inputs;
    for (let o = 0, w = 0; o < outputs; o++) {
      let a = bias[o], b = a, c = a, d = a;
      for (let i = 0; i < inputs; i++, w++) {
        const v = weight[w];
        a += v * x[x0 + i]; b += v * x[x1 + i]; c += v * x[x2 + i]; d += v * x[x3 + i];
      }
      const at = s * outputs + o;
      y[at] = act(a, parameter);
      y[at + outputs] = act(b, parameter);
      y[at + 2 * outputs] = act(c, parameter);
      y[at + 3 * outputs] = act(d, parameter);
    }
  }
  for (; s < count; s++) {
    for (let o = 0, w = 0, x0 = s * inputs; o < outputs; o++) {
      let sum = bias[o];
      for (let i = 0; i < inputs; i++, w++) sum += weight[w] * x[x0 + i];
      y[s * outputs + o] = act(sum, parameter);
    }
  }
}

// Return decode(codes, count) for the layers [{ inputs, outputs, activation, parameter }, ...], whose numbers lie
// in `view` from byte `offset` on: weight (outputs x inputs), then bias, layer after layer. The codes are a
// Float32Array (count x latents); the answer is (count x pixels), and valid until the next call.
export function makeDecoder(layers, view, offset = 0) {
  const stack = layers.map(layer => {
    const weight = halves(view, offset, layer.inputs * layer.outputs);
    offset += 2 * weight.length;
    const bias = halves(view, offset, layer.outputs);
    offset += 2 * bias.length;
    return { ...layer, weight, bias, out: new Float32Array(0) };
  });
  return (codes, count = 1) => {
    let x = codes;
    for (const layer of stack) {
      if (layer.out.length < count * layer.outputs) layer.out = new Float32Array(count * layer.outputs);
      dense(layer, x, layer.out, count);
      x = layer.out;
    }
    return x.subarray(0, count * stack.at(-1).outputs);
  };
}
