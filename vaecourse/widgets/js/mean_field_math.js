// The numbers behind the mean-field widget: no DOM here, so that node can test every line against Python.
// The target p is a Gaussian of the plane, { mean: [m₁, m₂], sds: [σ₁, σ₂], correlation: ρ }; the approximation
// q = q₁(z₁) q₂(z₂) is { means: [μ₁, μ₂], variances: [v₁, v₂] }. Everything in nats.

// What independence keeps of a variance, 1/(Λ_jj Σ_jj) = 1 − ρ²; without cancellation near ρ = ±1.
export const keptVariance = ({ correlation }) => (1 - correlation) * (1 + correlation);

// The least KL between p and any product q₁ q₂, in either direction: −½ ln(1 − ρ²), what z₁ and z₂ tell of each other.
export const leastDivergence = (p) => -0.5 * Math.log(keptVariance(p)) || 0;

// The exact update of factor j (0 or 1), the other one (i) held: q_j = N(m_j − Λ_ji/Λ_jj (μ_i − m_i), 1/Λ_jj), where
// Λ = Σ⁻¹ (Bishop 2006, eq. 10.12 to 10.13). In the plane −Λ_ji/Λ_jj = ρ σ_j/σ_i and 1/Λ_jj = σ_j²(1 − ρ²).
export function updateFactor(p, q, j) {
  const i = 1 - j;
  const [means, variances] = [[...q.means], [...q.variances]];
  means[j] = p.mean[j] + ((p.correlation * p.sds[j]) / p.sds[i]) * (q.means[i] - p.mean[i]);
  variances[j] = p.sds[j] * p.sds[j] * keptVariance(p);
  return { means, variances };
}

// KL both ways, with a_j = v_j/σ_j², d_j = (μ_j − m_j)/σ_j and c = 1 − ρ²:
//   KL(q‖p) = ½ Σ_j (a_j/c − 1 − ln(a_j/c)) + ½ (d₁² − 2ρ d₁d₂ + d₂²)/c − ½ ln c
//   KL(p‖q) = ½ Σ_j (1/a_j − 1 − ln(1/a_j)) + ½ Σ_j d_j²/a_j − ½ ln c
export function klBoth(p, q) {
  const c = keptVariance(p);
  const a = q.variances.map((variance, j) => variance / (p.sds[j] * p.sds[j]));
  const d = q.means.map((mean, j) => (mean - p.mean[j]) / p.sds[j]);
  const bend = (x) => x - 1 - Math.log(x);
  const apart = d[0] - p.correlation * d[1]; // d₁² − 2ρ d₁d₂ + d₂² = (d₁ − ρ d₂)² + c d₂²
  const least = leastDivergence(p);
  return {
    qp: 0.5 * (bend(a[0] / c) + bend(a[1] / c) + (apart * apart) / c + d[1] * d[1]) + least,
    pq: 0.5 * (bend(1 / a[0]) + bend(1 / a[1]) + (d[0] * d[0]) / a[0] + (d[1] * d[1]) / a[1]) + least,
  };
}

// What the target's log evidence (0, for p is normalized) leaves: ELBO = −KL(q‖p).
export const elboOf = (p, q) => -klBoth(p, q).qp || 0;

// The product with the least KL(p‖q): the marginals of p.
export const forwardFit = ({ mean, sds }) => ({ means: [...mean], variances: sds.map((sd) => sd * sd) });

// The factor (0 or 1) that step `number` (1, 2, ...) updates, when `first` (1 or 2) is the one updated first.
export const factorOf = (number, first) => (first + number) % 2;

// Coordinate ascent: the start, and q after each of `steps` updates, one factor at a time.
export function ascend(p, start, first, steps) {
  const path = [start];
  for (let number = 1; number <= steps; number++) path.push(updateFactor(p, path[number - 1], factorOf(number, first)));
  return path;
}

// The nats that an update of either factor would still gain, the larger of the two.
export const leftToGain = (p, q) => Math.max(...[0, 1].map((j) => elboOf(p, updateFactor(p, q, j)))) - elboOf(p, q);

// q on the way from one to another, t from 0 to 1, for the eye: variances by their standard deviations.
export function onTheWay(from, to, t) {
  if (t >= 1) return to;
  const mix = (a, b) => a + t * (b - a);
  return {
    means: from.means.map((mean, j) => mix(mean, to.means[j])),
    variances: from.variances.map((variance, j) => mix(Math.sqrt(variance), Math.sqrt(to.variances[j])) ** 2),
  };
}

// q, no farther from p than Python takes it: means within FAR standard deviations of p's, its own within FAR times wider
// or narrower.
export const FAR = 20;
export function within({ mean, sds }, { means, variances }) {
  const hold = (value, least, most) => Math.min(most, Math.max(least, value));
  return {
    means: means.map((value, j) => hold(value, mean[j] - FAR * sds[j], mean[j] + FAR * sds[j])),
    variances: variances.map((variance, j) => hold(variance, (sds[j] / FAR) ** 2, (sds[j] * FAR) ** 2)),
  };
}
