// The numbers behind the KL widget: no DOM here, so that node can test every line against SciPy.
// A mixture p is { weights, means, sds } (arrays of one length); a Gaussian q is { mean, sd }. Everything is in nats.

const HALF_LOG_2PI = 0.5 * Math.log(2 * Math.PI);
export const PEAK = 1 / Math.sqrt(2 * Math.PI); // the height of N(0, 1) at its mean

const single = ({ mean, sd }) => ({ weights: [1], means: [mean], sds: [sd] });

// x ↦ log Σ_k w_k N(x; m_k, σ_k²), each log N = −½((x − m)/σ)² − log σ − ½ log 2π, added up by log-sum-exp: exact far
// out in the tails, where the density itself underflows to 0.
export function logDensity({ weights, means, sds }) {
  const count = weights.length;
  const heights = sds.map((sd, k) => Math.log(weights[k]) - Math.log(sd) - HALF_LOG_2PI);
  const logs = new Float64Array(count);
  return (x) => {
    let largest = -Infinity;
    for (let k = 0; k < count; k++) {
      const t = (x - means[k]) / sds[k];
      logs[k] = heights[k] - 0.5 * t * t;
      if (logs[k] > largest) largest = logs[k];
    }
    if (count === 1 || largest === -Infinity) return largest;
    let sum = 0;
    for (let k = 0; k < count; k++) sum += Math.exp(logs[k] - largest);
    return largest + Math.log(sum);
  };
}
export const logGaussian = (q) => logDensity(single(q));

// The integrand p·log(p/q) from two log-densities; where p is 0 it is 0 (0·log 0 = 0), never NaN.
export function integrand(logP, logQ) {
  const p = Math.exp(logP);
  return p === 0 ? 0 : p * (logP - logQ);
}

// p·log(p/q) − p + q ≥ 0, and its integral is the same KL, because p and q both integrate to 1: no cancellation.
function excess(logP, logQ) {
  const p = Math.exp(logP);
  const r = logP - logQ;
  if (Math.abs(r) < 1) return p * (r + Math.expm1(-r));
  return (p === 0 ? 0 : p * r - p) + Math.exp(logQ);
}

// Nodes and weights of Gauss-Legendre quadrature on [−1, 1]: the roots of the Legendre polynomial, by Newton's method.
function gaussLegendre(n) {
  return Array.from({ length: n }, (_, i) => {
    let x = Math.cos((Math.PI * (i + 0.75)) / (n + 0.5));
    let slope = 1;
    for (let step = 0; step < 20; step++) {
      let [before, value] = [1, x];
      for (let k = 2; k <= n; k++) [before, value] = [value, ((2 * k - 1) * x * value - (k - 1) * before) / k];
      slope = (n * (x * value - before)) / (x * x - 1);
      x -= value / slope;
    }
    return [x, 2 / ((1 - x * x) * slope * slope)];
  });
}
const NODES = gaussLegendre(16).map(([node]) => node);
const WEIGHTS = gaussLegendre(16).map(([, weight]) => weight);
const REACH = [0, 1, 2, 3, 4, 5, 6, 8, 10, 13]; // in standard deviations: beyond 13 a Gaussian holds less than 1e-37
const BEND = [0, 2, 5, 10, 20, 40]; // log(1 + e^y) is a straight line to 1e-17 beyond 40

// Where log p bends: log p changes from one peak's parabola to the other's where the two weighted peaks are equal,
// d(x) = log w₁N₁ − log w₂N₂ = a x² + b x + c = 0, over a length of 1/|d'|.
function bends({ weights, means, sds }) {
  if (weights.length < 2) return [];
  const [u, v] = sds.map((sd) => 1 / (sd * sd));
  const shift = means[0]; // coordinates around the first mean, so that nothing cancels far from 0
  const gap = means[1] - shift;
  const a = (v - u) / 2;
  const b = -v * gap;
  const c = Math.log(weights[0] / weights[1]) - Math.log(sds[0] / sds[1]) + (v * gap * gap) / 2;
  const found = [];
  const root = b * b - 4 * a * c;
  if (root >= 0) {
    const w = -0.5 * (b + Math.sign(b || 1) * Math.sqrt(root));
    for (const x of [w / a, c / w]) if (Number.isFinite(x)) found.push([x, 1 / Math.abs(2 * a * x + b)]);
  }
  if (a !== 0) found.push([-b / (2 * a), 1 / Math.sqrt(Math.abs(a))]);
  return found.filter(([, width]) => Number.isFinite(width)).map(([x, width]) => [x + shift, width]);
}

// The end points of panels on each of which every density named is smooth enough for 16 nodes.
function panels(gaussians, p) {
  const marks = [];
  for (const [mean, sd] of gaussians) for (const t of REACH) marks.push(mean - t * sd, mean + t * sd);
  const lo = Math.min(...marks);
  const hi = Math.max(...marks);
  for (const [x, width] of bends(p))
    for (const t of BEND) for (const mark of [x - t * width, x + t * width]) if (mark > lo && mark < hi) marks.push(mark);
  return Float64Array.from(marks).sort();
}

// Where f changes sign between a and b, by bisection.
function zero(f, a, b) {
  const sign = Math.sign(f(a));
  for (let step = 0; step < 50; step++) {
    const middle = (a + b) / 2;
    if (Math.sign(f(middle)) === sign) a = middle;
    else b = middle;
  }
  return (a + b) / 2;
}

// KL(p‖q) and KL(q‖p) in nats, and for both the area above and the area below zero of the integrand.
export function divergences(p, q) {
  const logP = logDensity(p);
  const logQ = logGaussian(q);
  const ratio = (x) => logP(x) - logQ(x);
  const result = { pq: 0, qp: 0, pqAbove: 0, pqBelow: 0, qpAbove: 0, qpBelow: 0 };
  const add = (from, to) => {
    let [pq, qp, forward, reverse] = [0, 0, 0, 0];
    const half = (to - from) / 2;
    for (let i = 0; i < NODES.length; i++) {
      const x = from + half * (1 + NODES[i]);
      const [a, b] = [logP(x), logQ(x)];
      pq += WEIGHTS[i] * excess(a, b);
      qp += WEIGHTS[i] * excess(b, a);
      forward += WEIGHTS[i] * integrand(a, b);
      reverse += WEIGHTS[i] * integrand(b, a);
    }
    result.pq += half * pq;
    result.qp += half * qp;
    result[forward > 0 ? "pqAbove" : "pqBelow"] += half * forward;
    result[reverse > 0 ? "qpAbove" : "qpBelow"] += half * reverse;
  };
  const marks = panels([...p.means.map((mean, k) => [mean, p.sds[k]]), [q.mean, q.sd]], p);
  for (let i = 1; i < marks.length; i++) {
    const [from, to] = [marks[i - 1], marks[i]];
    if (!(to > from)) continue;
    if (ratio(from) * ratio(to) < 0) {
      const crossing = zero(ratio, from, to); // where p = q the integrand changes sign: split the panel there
      add(from, crossing);
      add(crossing, to);
    } else add(from, to);
  }
  return result;
}

// Moment matching: the Gaussian with p's mean and variance has the smallest KL(p‖q) of all Gaussians, exactly.
export function bestForward({ weights, means, sds }) {
  const mean = weights.reduce((sum, w, k) => sum + w * means[k], 0);
  const variance = weights.reduce((sum, w, k) => sum + w * (sds[k] ** 2 + (means[k] - mean) ** 2), 0);
  return { mean, sd: Math.sqrt(variance) };
}

// KL(q‖p) = −H(q) − E_q[log p], with H(q) = ½ log(2πe σ²)
export function reverseOf(p, q) {
  const logP = logDensity(p);
  const logQ = logGaussian(q);
  const marks = panels([[q.mean, q.sd]], p);
  let expected = 0;
  for (let i = 1; i < marks.length; i++) {
    const half = (marks[i] - marks[i - 1]) / 2;
    if (!(half > 0)) continue;
    for (let j = 0; j < NODES.length; j++) {
      const x = marks[i - 1] + half * (1 + NODES[j]);
      expected += half * WEIGHTS[j] * Math.exp(logQ(x)) * logP(x);
    }
  }
  return -0.5 - HALF_LOG_2PI - Math.log(q.sd) - expected;
}

// Nelder and Mead (1965) in the plane: the triangle's worst corner is reflected, stretched or drawn in.
function descend(f, start, step) {
  let corners = [start, [start[0] + step[0], start[1]], [start[0], start[1] + step[1]]].map((at) => [f(at), at]);
  for (let turn = 0; turn < 200; turn++) {
    corners.sort((a, b) => a[0] - b[0]);
    const [[best, top], [good, second], [bad, worst]] = corners;
    if (Math.abs(worst[0] - top[0]) + Math.abs(worst[1] - top[1]) < 1e-9 * (1 + Math.abs(top[0]))) break;
    const along = (t) => {
      const at = [0, 1].map((i) => (top[i] + second[i]) / 2 + (t * (top[i] + second[i] - 2 * worst[i])) / 2);
      return [f(at), at];
    };
    let next = along(1);
    if (next[0] < best) {
      const further = along(2);
      if (further[0] < next[0]) next = further;
    } else if (next[0] >= good) next = along(next[0] < bad ? 0.5 : -0.5);
    if (next[0] < bad) corners[2] = next;
    else
      corners = corners.map(([value, at], i) => {
        if (i === 0) return [value, at];
        const nearer = [0, 1].map((j) => (top[j] + at[j]) / 2);
        return [f(nearer), nearer];
      });
  }
  return corners.sort((a, b) => a[0] - b[0])[0];
}

// The valleys of KL(q‖p) over all Gaussians q, deepest first: one descent from every peak of p and one from p's moments.
// Equal depths keep the order of the peaks, so that the answer is the same every time.
export function bestReverse(p) {
  const starts = [...p.means.map((mean, k) => ({ mean, sd: p.sds[k] })), bestForward(p)];
  const valleys = [];
  for (const start of starts) {
    const f = ([mean, logSd]) => reverseOf(p, { mean, sd: Math.exp(logSd) });
    const [kl, [mean, logSd]] = descend(f, [start.mean, Math.log(start.sd)], [start.sd / 4, 0.2]);
    const known = valleys.some((v) => Math.abs(v.mean - mean) < 1e-3 * v.sd && Math.abs(Math.log(v.sd) - logSd) < 1e-3);
    if (!known) valleys.push({ mean, sd: Math.exp(logSd), kl: Math.max(kl, 0) });
  }
  return valleys.sort((a, b) => (Math.abs(a.kl - b.kl) < 1e-9 ? 0 : a.kl - b.kl));
}

// The terms p_i·log(p_i/q_i) of a discrete KL: 0 where p_i = 0, +∞ where q_i = 0 < p_i.
export function terms(p, q) {
  return p.map((pi, i) => (pi === 0 ? 0 : q[i] === 0 ? Infinity : pi * (Math.log(pi) - Math.log(q[i]))));
}

// KL(p‖q) = Σ p_i·log(p_i/q_i), summed as p_i·log(p_i/q_i) − p_i + q_i ≥ 0
export function discrete(p, q) {
  return p.reduce((sum, pi, i) => {
    if (pi === 0) return sum + q[i];
    return sum + (q[i] === 0 ? Infinity : excess(Math.log(pi), Math.log(q[i])));
  }, 0);
}

// Outcome i gets probability `value`; the others share what is left in the proportions they have in `start` (a zero
// stays zero). Where `start` gave everything to i there are no proportions: the others share alike.
export function reweigh(start, i, value) {
  const v = Math.min(1, Math.max(0, value));
  const others = start.reduce((sum, each, j) => (j === i ? sum : sum + each), 0);
  return start.map((each, j) => {
    if (j === i) return v;
    return others > 0 ? (each / others) * (1 - v) : (1 - v) / (start.length - 1);
  });
}

// The smallest of …, 0.1, 0.2, 0.5, 1, 2, 5, … that is at least `value`: axes that change seldom while you drag.
export function ladder(value, smallest = 1e-9) {
  const least = Math.max(value, smallest);
  if (!Number.isFinite(least)) return 1;
  const power = 10 ** Math.floor(Math.log10(least));
  const rung = [1, 2, 5, 10].find((step) => step * power >= least * (1 - 1e-12)) ?? 10;
  return Number((rung * power).toPrecision(1));
}

// Three decimals and a true minus sign; large numbers as 1.234e+6, so that a read-out keeps its width; +∞ as a sign.
export function format(value, decimals = 3) {
  if (value === Infinity) return "+∞";
  const text = Math.abs(value) < 1e5 ? value.toFixed(decimals) : value.toExponential(3);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
}
