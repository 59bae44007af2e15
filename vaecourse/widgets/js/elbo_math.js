// The numbers behind the ELBO widget: no DOM here, so that node can test every line against vaecourse/one_latent.py.
// One hidden z ~ N(0, 1), one observed x, and q = { m, s }: a Gaussian with mean m and variance exp(s). All in nats.

export const [LOWEST_S, HIGHEST_S, FARTHEST, RATE] = [-14, 4, 20, 0.03];
const HALF_LOG_TAU = 0.5 * Math.log(2 * Math.PI);
const TOSSES = 10;
const STRIP = 0.05; // on q's own scale, out to 12 standard deviations
const STRIPS = Float64Array.from({ length: 481 }, (_, i) => -12 + i * STRIP);
const STRIP_WEIGHTS = STRIPS.map((u) => STRIP * Math.exp(-0.5 * u * u - HALF_LOG_TAU));

const logNormal = (x, mean, sd) => -0.5 * ((x - mean) / sd) ** 2 - Math.log(sd) - HALF_LOG_TAU;
const logSigmoid = (z) => (z < 0 ? z - Math.log1p(Math.exp(z)) : -Math.log1p(Math.exp(-z)));
const sigmoid = (z) => Math.exp(logSigmoid(z));

// ln of the number of ways to have x heads
function logWays(x) {
  let sum = 0;
  for (let i = 1; i <= x; i++) sum += Math.log((TOSSES - i + 1) / i);
  return sum;
}

// likelihood(x): z ↦ ln p(x|z); slope(x, z): its derivative in z; `low` to `high`: the x that the slider reaches;
// `tallest`: the height of the picture of the densities.
export const LATENT_MODELS = {
  line: {
    likelihood: (x) => (z) => logNormal(x, 2 * z, 1),
    slope: (x, z) => 2 * (x - 2 * z), low: -4, high: 4, start: 2, whole: false, tallest: 1.25,
  },
  square: {
    likelihood: (x) => (z) => logNormal(x, z * z, 0.5),
    slope: (x, z) => 8 * z * (x - z * z), low: -1, high: 4, start: 1.5, whole: false, tallest: 2.25,
  },
  coin: {
    likelihood: (x) => {
      const ways = logWays(x);
      return (z) => ways + x * logSigmoid(2 * z) + (TOSSES - x) * logSigmoid(-2 * z);
    },
    slope: (x, z) => 2 * (x - TOSSES * sigmoid(2 * z)), low: 0, high: TOSSES, start: 9, whole: true, tallest: 1.25,
  },
};

// ln p(x) = ln ∫ p(x|z) p(z) dz, by thin strips over the reach of the prior
export function logEvidence(name, x) {
  const likelihood = LATENT_MODELS[name].likelihood(x);
  const logs = Float64Array.from({ length: 2001 }, (_, i) => likelihood(-10 + i / 100) + logNormal(-10 + i / 100, 0, 1));
  const largest = logs.reduce((a, b) => Math.max(a, b), -Infinity);
  return largest + Math.log(logs.reduce((sum, value) => sum + Math.exp(value - largest), 0) / 100);
}

// z ↦ ln p(z|x) = ln p(x|z) + ln p(z) − ln p(x)
export function logPosterior(name, x, evidence) {
  const likelihood = LATENT_MODELS[name].likelihood(x);
  return (z) => likelihood(z) + logNormal(z, 0, 1) - evidence;
}
export const logApproximation = ({ m, s }) => (z) => logNormal(z, m, Math.exp(s / 2));

// Everything about one q: evidence = elbo + gap, elbo = joint + entropy = reconstruction − prior.
export function boundTerms(name, x, q, evidence) {
  const likelihood = LATENT_MODELS[name].likelihood(x);
  const sd = Math.exp(q.s / 2);
  let [reconstruction, logPrior, gap] = [0, 0, 0];
  for (let i = 0; i < STRIPS.length; i++) {
    const z = q.m + sd * STRIPS[i];
    const [w, a, b] = [STRIP_WEIGHTS[i], likelihood(z), logNormal(z, 0, 1)];
    reconstruction += w * a;
    logPrior += w * b;
    gap += w * (logNormal(z, q.m, sd) - (a + b - evidence)); // KL(q‖p(z|x)) = E[ln q(z) − ln p(z|x)]
  }
  const entropy = 0.5 * (1 + q.s) + HALF_LOG_TAU; // ½(1 + ln 2π + s)
  const prior = 0.5 * (Math.exp(q.s) - 1 - q.s + q.m * q.m); // KL(q‖p(z))
  const joint = reconstruction + logPrior;
  return { evidence, elbo: joint + entropy, gap: Math.max(0, gap), joint, entropy, reconstruction, prior };
}

// The objective that q climbs, the ELBO or the ELBO without the entropy of q, and its slope in m and in the standard deviation.
function hill(name, x, { m, s }, entropy) {
  const { slope, likelihood } = LATENT_MODELS[name];
  const [sd, log] = [Math.exp(s / 2), likelihood(x)];
  let [value, bySd, byMean] = [entropy ? 0.5 * (1 + s) + HALF_LOG_TAU : 0, entropy ? 1 / sd : 0, 0];
  for (let i = 0; i < STRIPS.length; i++) {
    const [u, w] = [STRIPS[i], STRIP_WEIGHTS[i]];
    const z = m + sd * u;
    const up = slope(x, z) - z; // d/dz ln p(x, z)
    value += w * (log(z) + logNormal(z, 0, 1));
    byMean += w * up;
    bySd += w * u * up;
  }
  return { value, byMean, bySd };
}

// One step of gradient ascent, as `climb` takes it: halved until the objective does not fall, and never making q more
// than twice as wide or as narrow. Where no step is short enough, q stays.
export function ascend(name, x, q, entropy, rate = RATE) {
  const [here, sd] = [hill(name, x, q, entropy), Math.exp(q.s / 2)];
  const keep = (value, least, most) => Math.min(most, Math.max(least, value));
  for (let turn = 0; turn < 60; turn++, rate /= 2) {
    const wide = keep(sd + rate * here.bySd, sd / 2, 2 * sd);
    const next = {
      m: keep(q.m + rate * here.byMean, -FARTHEST, FARTHEST),
      s: keep(2 * Math.log(wide), LOWEST_S, HIGHEST_S),
    };
    if (hill(name, x, next, entropy).value >= here.value) return next;
  }
  return q;
}
