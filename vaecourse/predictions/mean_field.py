"""The predictions of lesson 05."""

import numpy as np

from .core import Prediction, Truth, minus


def _what_is_lost() -> Truth:
    from vaecourse import mean_field

    rho = 0.9
    mean, covariance = np.array([1.0, -1.0]), np.array([[1.0, rho], [rho, 1.0]])
    start = mean_field.Factorized(np.array([-3.0, 4.0]), np.ones(2))
    q = mean_field.coordinate_ascent(mean, covariance, start, sweeps=100).qs[-1]
    means, variances = np.allclose(q.means, mean, atol=1e-6), np.allclose(q.variances, 1, atol=1e-6)
    return Truth(
        1 if means and not variances else 0 if variances and not means else 2 if not means else 3,
        f"With a correlation of {rho}, true means of 1 and −1 and true variances of 1, the best q has means "
        f"{minus(' and '.join(f'{m:.2f}' for m in q.means))} and variances of {q.variances[0]:.2f}: of each "
        f"variance {q.variances[0]:.0%} is left, which is 1 − ρ².",
    )


def _six_components() -> Truth:
    from vaecourse import variational_mixture as vm

    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 1, (100, 2)), rng.normal([6.0, 3.0], 1, (150, 2))])
    prior, counts = vm.default_prior(x, 6, concentration=1e-3), []
    for seed in range(10):
        begin = vm.start(x, 6, np.random.default_rng(seed), prior)
        counts.append(int(np.sum(vm.surviving(vm.cavi(x, begin, prior).posterior))))
    return Truth(
        1 if set(counts) == {2} else 0 if set(counts) == {6} else 2,
        f"On {len(x)} points in two groups, from ten starts, so many components kept more than 1% of the weight: "
        f"{', '.join(map(str, counts))}. A component that is not needed loses its points to a neighbour, a "
        "few at a time, and its weight with them.",
    )


def _step_down() -> Truth:
    from vaecourse import mean_field

    rng, first, later = np.random.default_rng(0), [], []
    for _ in range(200):
        d = int(rng.integers(2, 6))
        rows = rng.normal(0, 1, (d, d))
        start = mean_field.Factorized(rng.normal(0, 5, d), np.exp(rng.normal(0, 2, d)))
        path = mean_field.coordinate_ascent(
            rng.normal(0, 1, d), rows @ rows.T + 0.05 * np.eye(d), start, sweeps=5
        )
        changes = np.diff(path.elbos) / np.abs(path.elbos[:-1])
        first.extend(changes[:d])
        later.extend(changes[d:])
    falls = [int(np.sum(np.array(changes) < -1e-9)) for changes in (first, later)]
    return Truth(
        2 if not sum(falls) else 0 if falls[1] else 1,
        f"In {len(first) + len(later)} steps on 200 Gaussians, from wild starts, the ELBO fell {sum(falls)} "
        "times. Each step takes the best factor there is while the others stay, and the old one was among "
        "the candidates.",
    )


PREDICTIONS = (
    Prediction(
        "05/what_is_lost",
        "Two numbers are strongly correlated: a Gaussian whose ellipse is long, narrow and oblique. You fit "
        "a q in which the two are independent, with the smallest KL(q‖p). What does q get wrong?",
        ("The means", "The variances", "Both", "Neither: only the correlation is missing"),
        _what_is_lost,
    ),
    Prediction(
        "05/six_components",
        "The points lie in two clear groups, and you fit a mixture with six components, whose weights have "
        "a prior that likes few of them. How many components keep a noticeable weight?",
        ("All six: each takes its piece of a group", "Two", "It depends on the start"),
        _six_components,
    ),
    Prediction(
        "05/step_down",
        "Coordinate ascent improves one factor of q at a time, while all the others stay. Can such a step "
        "lower the ELBO?",
        (
            "Yes, and the later steps make up for it",
            "Yes, but only in the first round, from a bad start",
            "No, never",
        ),
        _step_down,
    ),
)
