"""The predictions of lesson 03."""

import numpy as np

from .core import Prediction, Truth, minus


def _three_heads() -> Truth:
    theta = (np.arange(10_000) + 0.5) / 10_000
    likelihood = theta**3
    # E[θ | data] = ∫ θ·p(data|θ) dθ / ∫ p(data|θ) dθ, the prior being flat
    average = float(theta @ likelihood / likelihood.sum())
    return Truth(
        int(np.argmin(np.abs(np.array([1.0, 0.8, 0.5]) - average))),
        f"The average of θ over the posterior is {average:.2f}. The one θ that explains three heads best is "
        f"{theta[likelihood.argmax()]:.2f}, but a coin with θ = 0.8 shows them in {0.8**3:.0%} of all cases, "
        f"and a fair one still in one case of {0.5**-3:.0f}. All of them have a say, and all but the first may show tails next.",
    )


def _grid_dimensions() -> Truth:
    points, first, parameters = 20, 1e-3, 10
    seconds = first * points ** (parameters - 1)
    years = seconds / (365.25 * 24 * 3600)
    choices = np.array([parameters * first, 3600.0, 10 * 365.25 * 24 * 3600])
    return Truth(
        int(np.argmin(np.abs(np.log(choices / seconds)))),
        f"20¹⁰ is {float(points) ** parameters:.2g} points, and at 20 points a millisecond they take "
        f"{years:.0f} years. Every further parameter multiplies the work by 20: this is the wall in front "
        "of the evidence.",
    )


def _hinge_or_constraint() -> Truth:
    from vaecourse.frequentist import decision, svm_constraint_form, svm_hinge_form

    rng = np.random.default_rng(0)
    labels = np.repeat([-1.0, 1.0], 10)
    x = rng.normal(0, 1, (20, 2)) + 2.5 * labels[:, None]
    constraint, hinge = svm_constraint_form(x, labels), svm_hinge_form(x, labels, c=1.0)
    far = labels * decision(constraint, x) > 2
    pulled = svm_hinge_form(x + 20 * (far * labels)[:, None], labels, c=1.0)

    def same(one, other) -> bool:
        return np.allclose(one.weights, other.weights, atol=5e-3) and abs(one.offset - other.offset) < 5e-3

    told = [
        minus(f"({s.weights[0]:.2f}, {s.weights[1]:.2f}), b = {s.offset:.2f}") for s in (constraint, hinge)
    ]
    stays = "nothing changes" if same(pulled, hinge) else "the line moves"
    return Truth(
        0 if same(constraint, hinge) else 1 if not same(pulled, hinge) else 2,
        f"On {len(x)} points in two groups the first finds w = {told[0]}, and the second, with a price that is high enough for these points, finds "
        f"w = {told[1]}. Push the {far.sum()} points far from the line 20 further away, and in the second "
        f"{stays}: a point beyond its margin costs nothing.",
    )


PREDICTIONS = (
    Prediction(
        "03/three_heads",
        "A coin is drawn from a bag in which every probability of heads, from 0 to 1, is equally frequent. It "
        "shows heads three times in a row. How probable is heads at the next toss?",
        ("1: nothing else has ever come", "4 in 5", "1 in 2: a coin has no memory"),
        _three_heads,
    ),
    Prediction(
        "03/grid_dimensions",
        "You compute a density on a grid, 20 points for each parameter. With one parameter that takes a "
        "millisecond. How long does it take with ten?",
        ("10 milliseconds", "About an hour", "More than ten years"),
        _grid_dimensions,
    ),
    Prediction(
        "03/hinge_or_constraint",
        "Two ways to a line between two groups of points. The first looks for the widest empty street between "
        "them; no point may stand in it. The second forbids nothing: a point that stands in the street, or on "
        "the wrong side, pays a high fine that grows with how far it is from where it should be. Do both find "
        "the same line?",
        (
            "Yes, the same line",
            "No, in the second one the far points pull at the line",
            "No, the second one stops at any line that separates the groups",
        ),
        _hinge_or_constraint,
    ),
)
