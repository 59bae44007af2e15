// The numbers behind the Bayesian line fit: no DOM here, so that node can test every line against Python.
// The model is y = intercept + slope·x + noise. A belief about (intercept, slope) is a Gaussian { mean: [m₁, m₂],
// factor: [a, b, c] }, its covariance L Lᵀ with L = (a 0; b c). Points are pairs [x, y]; everything is in nats.

const LOG_2PI = Math.log(2 * Math.PI);

// The Gaussian with these standard deviations and this correlation.
export function gaussianBelief(mean, [sdIntercept, sdSlope], correlation = 0) {
  return { mean: [...mean], factor: [sdIntercept, correlation * sdSlope, Math.sqrt(1 - correlation ** 2) * sdSlope] };
}

// The posterior after all points, { mean, factor }, and the logarithm of the evidence p(y|x), point by point: the
// posterior after one point is the prior of the next. What is kept is not the covariance but G = L⁻¹ and the vector z
// with G·(mean − prior mean) = z. A point adds the row (1, x | y − prediction of the prior mean)/σ below G; two rotations
// turn the stack into triangular form again. No difference of large numbers is taken: a wide prior costs no digits.
export function linePosterior(points, prior, noise) {
  const [a, b, c] = prior.factor;
  let [g11, g21, g22] = [1 / a, -b / (a * c), 1 / c];
  let [z1, z2, logEvidence] = [0, 0, 0];
  for (const [x, y] of points) {
    const before = g11 * g22;
    let [w, r] = [1 / noise, (y - prior.mean[0] - prior.mean[1] * x) / noise];
    const p = Math.hypot(g22, x / noise);
    let [cos, sin] = [g22 / p, x / noise / p];
    [g21, w] = [cos * g21 + sin * w, cos * w - sin * g21];
    [z2, r] = [cos * z2 + sin * r, cos * r - sin * z2];
    const q = Math.hypot(g11, w);
    [cos, sin] = [g11 / q, w / q];
    [z1, r] = [cos * z1 + sin * r, cos * r - sin * z1];
    [g11, g22] = [q, p];
    // log N(y; prediction, σ² + φᵀΣφ) = −½ log 2π − log σ + log det G − log det G′ − ½ r², r what the rotations leave
    logEvidence += Math.log(before / (q * p)) - Math.log(noise) - 0.5 * LOG_2PI - 0.5 * r * r;
  }
  const intercept = z1 / g11;
  return {
    mean: [prior.mean[0] + intercept, prior.mean[1] + (z2 - g21 * intercept) / g22],
    factor: [1 / g11, -g21 / (g11 * g22), 1 / g22],
    logEvidence,
  };
}

// The standard deviations of intercept and slope.
export const spreads = ({ factor: [a, b, c] }) => [a, Math.hypot(b, c)];

// The average prediction at x, m₁ + m₂x, and its standard deviation: √(σ² + φᵀLLᵀφ), φ = (1, x).
export const averageAt = ({ mean }, x) => mean[0] + mean[1] * x;
export const predictiveSd = ({ factor: [a, b, c] }, noise, x) => Math.hypot(noise, a + b * x, c * x);

// Lines drawn from a belief with fixed noise e = [e₁, e₂, e₁, e₂, ...]: pairs (intercept, slope) = m + L e.
export function drawLines({ mean, factor: [a, b, c] }, e) {
  return Array.from({ length: e.length / 2 }, (_, i) => [mean[0] + a * e[2 * i], mean[1] + b * e[2 * i] + c * e[2 * i + 1]]);
}

// The least-squares line [intercept, slope], or null where the points stand at one x and many lines are equally good.
export function leastSquaresLine(points) {
  const middle = (k) => points.reduce((sum, point) => sum + point[k], 0) / points.length;
  if (!points.some(([x]) => x !== points[0][0])) return null;
  const [mx, my] = [middle(0), middle(1)];
  let [xx, xy] = [0, 0];
  for (const [x, y] of points) [xx, xy] = [xx + (x - mx) ** 2, xy + (x - mx) * (y - my)];
  return [my - (xy / xx) * mx, xy / xx];
}

// A belief on the way from one to another, t from 0 to 1, for the eye.
export function beliefBetween(from, to, t) {
  const part = (name) => to[name].map((value, i) => from[name][i] + t * (value - from[name][i]));
  return t >= 1 ? to : { mean: part("mean"), factor: part("factor") };
}
