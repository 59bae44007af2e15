// The numbers behind the EM widget: no DOM here, so that node can test every line against Python and scikit-learn.
// Data are n points of the plane, x = [x₀, y₀, x₁, y₁, ...]. A mixture of k Gaussians is { weights (k), means (2k),
// covariances (3k: xx, xy, yy) }. Responsibilities are n rows of k. Float64Arrays throughout; everything in nats.

const LOG_2PI = Math.log(2 * Math.PI);
const LEAST = -746; // e to the power of less is 0
const NO_SHARE = 1e-200; // a component with less responsibility than this has none
export const REG = 1e-6; // added to both variances of every component

// Where EM begins: equal weights, the given means, and for each component the covariance of all data divided by k:
// k ellipses with the area of one.
export function startAt(x, means, reg = REG) {
  const k = means.length / 2;
  const [xx, xy, yy] = momentsOfAll(x).slice(3).map((value) => value / k);
  return {
    weights: new Float64Array(k).fill(1 / k),
    means: Float64Array.from(means),
    covariances: Float64Array.from({ length: 3 * k }, (_, i) => [xx + reg, xy, yy + reg][i % 3]),
  };
}

// log w_k + log N(x_n; m_k, Σ_k) for every point and component, by Σ = L Lᵀ: −½|L⁻¹(x − m)|² − log det L − log 2π.
function logJoint({ weights, means, covariances }, x) {
  const [n, k] = [x.length / 2, weights.length];
  const joint = new Float64Array(n * k);
  for (let j = 0; j < k; j++) {
    const [xx, xy, yy] = covariances.subarray(3 * j, 3 * j + 3);
    const [a, b, c] = factor(xx, xy, yy);
    const height = Math.log(weights[j]) - Math.log(a) - Math.log(c) - LOG_2PI;
    const [mx, my] = [means[2 * j], means[2 * j + 1]];
    for (let i = 0; i < n; i++) {
      const u = (x[2 * i] - mx) / a;
      const v = (x[2 * i + 1] - my - b * u) / c;
      joint[i * k + j] = height - 0.5 * (u * u + v * v);
    }
  }
  return joint;
}

// The lower Cholesky factor [a, b, c] of a covariance, L = (a 0; b c). Rounding may eat what keeps a needle of a
// covariance invertible; c is then the smallest that float64 can tell from nothing beside yy.
export function factor(xx, xy, yy) {
  const a = Math.sqrt(xx);
  const b = xy / a;
  return [a, b, Math.sqrt(Math.max(yy - b * b, yy * Number.EPSILON))];
}

// The E step: r_nk = w_k N(x_n; k) / Σ_j w_j N(x_n; j), and log p(X) = Σ_n log Σ_j w_j N(x_n; j), by log-sum-exp. The
// entropy −Σ r log r costs no logarithm of its own: log r_nk is the log-joint minus log Σ_j, and 0·log 0 counts as 0.
export function eStep(mixture, x) {
  const [joint, k] = [logJoint(mixture, x), mixture.weights.length];
  const responsibilities = new Float64Array(joint.length);
  let logLikelihood = 0, entropy = 0;
  for (let at = 0; at < joint.length; at += k) {
    let largest = -Infinity, sum = 0, slope = 0;
    for (let j = at; j < at + k; j++) if (joint[j] > largest) largest = joint[j];
    for (let j = at; j < at + k; j++) {
      const below = joint[j] - largest;
      if (below < LEAST) continue;
      const share = Math.exp(below);
      responsibilities[j] = share;
      sum += share;
      slope += share * below;
    }
    for (let j = at; j < at + k; j++) responsibilities[j] /= sum;
    const log = Math.log(sum);
    logLikelihood += largest + log;
    entropy += log - slope / sum;
  }
  return { responsibilities, logLikelihood, entropy, joint };
}

// The M step: N_k = Σ_n r_nk, w_k = N_k/n, m_k = Σ_n r_nk x_n / N_k, Σ_k = Σ_n r_nk (x_n − m_k)(x_n − m_k)ᵀ / N_k + reg·I.
// A component without any responsibility gets the weight 0, and mean and covariance of all the data, as in Python.
export function mStep(x, r, k, reg = REG) {
  const [weights, means, covariances] = [new Float64Array(k), new Float64Array(2 * k), new Float64Array(3 * k)];
  for (let j = 0; j < k; j++) {
    const own = moments(x, r, j, k);
    const empty = own[0] < NO_SHARE;
    const [count, mx, my, xx, xy, yy] = empty ? momentsOfAll(x) : own;
    weights[j] = empty ? 0 : (2 * count) / x.length;
    means.set([mx, my], 2 * j);
    covariances.set([xx + reg, xy, yy + reg], 3 * j);
  }
  return { weights, means, covariances };
}

// [Σ_n r_n, mean x and y, covariance xx, xy and yy] of the points under the shares r_n = r[j], r[j + k], r[j + 2k], ...
function moments(x, r, j, k) {
  let count = 0, mx = 0, my = 0, xx = 0, xy = 0, yy = 0;
  for (let i = 0, at = j; i < x.length; i += 2, at += k) {
    count += r[at];
    mx += r[at] * x[i];
    my += r[at] * x[i + 1];
  }
  [mx, my] = [mx / count, my / count];
  for (let i = 0, at = j; i < x.length; i += 2, at += k) {
    const dx = x[i] - mx, dy = x[i + 1] - my, share = r[at];
    xx += share * dx * dx;
    xy += share * dx * dy;
    yy += share * dy * dy;
  }
  return [count, mx, my, xx / count, xy / count, yy / count];
}
const momentsOfAll = (x) => moments(x, new Float64Array(x.length / 2).fill(1), 0, 1);

// The bound: Σ_n Σ_k r_nk (log w_k + log N(x_n; k)) + entropy of r ≤ log p(X).
export function lowerBound(joint, r, entropy) {
  let total = 0;
  for (let i = 0; i < r.length; i++) if (r[i] > 0) total += r[i] * joint[i];
  return total + entropy;
}

// EM as a row of states { mixture, responsibilities, logLikelihood, bound }: the start, which has no responsibilities
// and no bound yet; then E, M, E, M, ... `posterior` is what the next E step will find.
export function begin(x, mixture) {
  const { responsibilities: posterior, ...found } = eStep(mixture, x);
  return { mixture, responsibilities: null, bound: null, posterior, ...found };
}
export const touches = (state) => state.responsibilities === state.posterior;
export function advance(x, state) {
  const { responsibilities: r, posterior, joint, entropy } = state;
  if (!touches(state)) return { ...state, responsibilities: posterior, bound: lowerBound(joint, posterior, entropy) };
  const after = begin(x, mStep(x, r, state.mixture.weights.length));
  return { ...after, responsibilities: r, bound: lowerBound(after.joint, r, entropy) };
}

// The state after `step` steps from the given means, with all the states before it.
export function run(x, means, step) {
  const states = [begin(x, startAt(x, means))];
  while (states.length <= step) states.push(advance(x, states.at(-1)));
  return states;
}

// The point farthest from all given means, each axis in units of its range: where one more component is begun.
export function farthest(x, means, [wide, high]) {
  let [best, most] = [0, -1];
  for (let i = 0; i < x.length; i += 2) {
    let near = Infinity;
    for (let j = 0; j < means.length; j += 2) near = Math.min(near, Math.hypot((x[i] - means[j]) / wide, (x[i + 1] - means[j + 1]) / high));
    if (near > most) [best, most] = [i, near];
  }
  return [x[best], x[best + 1]];
}

// `k` points of the data, no two at one place if there are as many places, by a generator of its own (mulberry32).
export function drawMeans(x, k, seed) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t ^= t + Math.imul(t ^ (t >>> 7), 61 | t);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const order = Array.from({ length: x.length / 2 }, (_, i) => [uniform(), i]).sort(([a], [b]) => a - b);
  const places = new Map(order.map(([, i]) => [`${x[2 * i]},${x[2 * i + 1]}`, [x[2 * i], x[2 * i + 1]]]));
  const points = [...places.values()];
  return Array.from({ length: k }, (_, j) => points[j % points.length]).flat();
}

// Colours [r, g, b] mixed by the k responsibilities that begin at `at`, and the component with the largest one.
export function mixColours(colours, r, at) {
  let [red, green, blue, leader] = [0, 0, 0, 0];
  for (let j = 0; j < colours.length; j++) {
    const share = r[at + j];
    red += share * colours[j][0];
    green += share * colours[j][1];
    blue += share * colours[j][2];
    if (share > r[at + leader]) leader = j;
  }
  return { colour: `rgb(${Math.round(red)},${Math.round(green)},${Math.round(blue)})`, leader };
}

// A mixture on the way from one to another, t from 0 to 1, for the eye.
export function between(from, to, t) {
  if (t >= 1 || from.weights.length !== to.weights.length) return to;
  const part = (name) => to[name].map((value, i) => from[name][i] + t * (value - from[name][i]));
  return { weights: part("weights"), means: part("means"), covariances: part("covariances") };
}
