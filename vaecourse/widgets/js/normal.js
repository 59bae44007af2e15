// The standard normal distribution: its quantiles, its distribution function, and draws that a seed repeats.

// P(X <= x), by the series of Marsaglia (2004), "Evaluating the normal distribution", eq. 2: absolute error ~1e-16.
export function normalCdf(x) {
  if (x < -8) return 0;
  if (x > 8) return 1;
  let sum = x, term = x;
  for (let k = 3; Math.abs(term) > 1e-17 * Math.abs(sum); k += 2) sum += term *= (x * x) / k;
  return 0.5 + sum * Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);
}

// The inverse, by Newton's method from the middle; p is kept inside (0, 1).
export function normalQuantile(p) {
  p = Math.min(Math.max(p, 1e-9), 1 - 1e-9);
  let x = 0;
  for (let step = 0; step < 60; step++) {
    const change = (normalCdf(x) - p) * Math.sqrt(2 * Math.PI) * Math.exp(0.5 * x * x);
    x -= Math.max(-1, Math.min(1, change));
    if (Math.abs(change) < 1e-12) break;
  }
  return x;
}

// Return a function that draws from N(0, 1): Box and Muller's pairs over the generator mulberry32.
export function normalDraws(seed) {
  let state = seed >>> 0, spare = null;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return () => {
    if (spare !== null) { const kept = spare; spare = null; return kept; }
    const radius = Math.sqrt(-2 * Math.log(1 - uniform())), angle = 2 * Math.PI * uniform();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
}
