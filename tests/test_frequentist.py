"""Least squares, descent and the support vector machine against scikit-learn, finite differences and KKT; bad input."""

import numpy as np
import pytest
from scipy import optimize
from sklearn.linear_model import LinearRegression
from sklearn.svm import SVC

from vaecourse import frequentist as fr


def line(seed: int, n: int = 60, d: int = 3):
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(n), rng.normal(size=(n, d - 1))])
    return x, x @ rng.normal(size=d) + 0.3 * rng.normal(size=n)


def classes(seed: int, apart: float, n: int | None = None, d: int | None = None):
    """Two round clouds whose middles lie 2 · apart from each other."""
    rng = np.random.default_rng(seed)
    n, d = n or int(rng.integers(10, 150)), d or int(rng.integers(1, 6))
    labels = np.where(rng.random(n) < 0.5, -1.0, 1.0)
    labels[:2] = -1, 1
    return rng.normal(size=(n, d)) + apart * labels[:, None] / np.sqrt(d) + 3, labels


def stationarity(separator: fr.Separator, x, labels, c) -> float:
    """How far w is from every Σ a y x, b from Σ a y = 0, where a is c (0) for a point inside (outside) its margin.

    On the margin a is free in 0 … c; the best such a is found by bounded least squares. 0 only at the minimum.
    """
    height = labels * fr.decision(separator, x)
    on, inside = np.abs(height - 1) < 1e-7, height < 1 - 1e-7
    rows = labels[:, None] * np.column_stack([x, np.ones(len(x))])
    wanted = np.append(separator.weights, 0.0) - (0 if np.isinf(c) else c * rows[inside].sum(axis=0))
    if np.isinf(c):
        assert not inside.any()
    scale = max(1.0, np.abs(wanted).max())
    if not on.any():
        return np.abs(wanted).max() / scale
    found = optimize.lsq_linear(rows[on].T, wanted, (0, c), method="bvls", tol=1e-15)
    return np.abs(rows[on].T @ found.x - wanted).max() / scale


# Least squares


def test_least_squares_agrees_with_scikit_learn_and_numpy():
    for seed in range(20):
        x, y = line(seed, d=1 + seed % 6 + 1)
        w = fr.least_squares(x, y)
        peer = LinearRegression().fit(x[:, 1:], y)
        assert w == pytest.approx(np.append(peer.intercept_, peer.coef_), rel=1e-9, abs=1e-11)
        assert w == pytest.approx(np.linalg.solve(x.T @ x, x.T @ y), rel=1e-9, abs=1e-11)


def test_least_squares_is_the_minimum_of_the_loss_and_there_the_slope_is_zero():
    x, y = line(1)
    w, rng = fr.least_squares(x, y), np.random.default_rng(0)
    assert np.abs(fr.squared_loss_gradient(w, x, y)).max() < 1e-11
    around = w + 1e-3 * rng.normal(size=(100, 3))
    assert (fr.squared_loss(around, x, y) > fr.squared_loss(w, x, y)).all()


@pytest.mark.parametrize("case", ["twin columns", "fewer rows than columns", "one row", "constant column"])
def test_where_many_weights_fit_equally_it_is_the_shortest(case):
    rng = np.random.default_rng(2)
    x = {
        "twin columns": np.repeat(rng.normal(size=(20, 1)), 2, axis=1),
        "fewer rows than columns": rng.normal(size=(3, 5)),
        "one row": rng.normal(size=(1, 2)),
        "constant column": np.column_stack([np.zeros(10), rng.normal(size=10)]),
    }[case]
    y = rng.normal(size=len(x))
    w = fr.least_squares(x, y)
    assert w == pytest.approx(np.linalg.pinv(x) @ y, abs=1e-12)
    free = np.linalg.svd(x)[2][np.linalg.matrix_rank(x) :]
    assert len(free) and np.abs(free @ w).max() < 1e-12
    assert fr.squared_loss(w + free[0], x, y) == pytest.approx(fr.squared_loss(w, x, y), abs=1e-12)


def test_the_gradient_is_the_slope_of_the_loss():
    x, y = line(3)
    w = np.random.default_rng(0).normal(size=(4, 3))
    for j in range(3):
        step = 1e-6 * np.eye(3)[j]
        slope = (fr.squared_loss(w + step, x, y) - fr.squared_loss(w - step, x, y)) / 2e-6
        assert fr.squared_loss_gradient(w, x, y)[:, j] == pytest.approx(slope, rel=1e-6)


def test_points_on_a_line_may_be_one_list():
    assert fr.least_squares([1.0, 2.0], [2.0, 4.0]) == pytest.approx([2.0])


# Going downhill


def test_gradient_descent_reaches_the_closed_form_at_the_rate_that_theory_gives():
    x, y = line(4)
    best = fr.least_squares(x, y)
    curvatures = np.linalg.eigvalsh(2 * x.T @ x)
    step = 2 / (curvatures[0] + curvatures[-1])
    path = fr.gradient_descent(lambda w: fr.squared_loss_gradient(w, x, y), np.zeros(3), step, 100).points
    assert path.shape == (101, 3) and (path[0] == 0).all()
    distance = np.linalg.norm(path - best, axis=1)
    rate = (curvatures[-1] - curvatures[0]) / (curvatures[-1] + curvatures[0])
    assert (distance[1:] <= rate * distance[:-1] + 1e-14).all()
    assert distance[-1] < 1e-12


def test_stochastic_descent_settles_with_shrinking_steps_and_trembles_with_fixed_ones():
    x, y = line(5, n=100)
    best = fr.least_squares(x, y)

    def gradient(w, i):
        return fr.squared_loss_gradient(w, x[[i]], y[[i]])

    def end(step, epochs, seed):
        rng = np.random.default_rng(seed)
        path = fr.stochastic_gradient_descent(gradient, np.zeros(3), 100, step, epochs, rng).points
        assert path.shape == (100 * epochs + 1, 3)
        return np.linalg.norm(path[-1] - best)

    def average(step, epochs):
        return np.mean([end(step, epochs, seed) for seed in range(4)])

    shrinking = [average(lambda t: 1 / (t + 10), epochs) for epochs in (2, 20)]
    fixed = [average(0.02, epochs) for epochs in (2, 20)]
    assert shrinking[1] < shrinking[0] / 4 and shrinking[1] < 0.015
    assert fixed[1] > 3 * shrinking[1] and fixed[1] > fixed[0] / 4


def test_an_epoch_of_stochastic_descent_sees_every_row_once():
    seen = []
    fr.stochastic_gradient_descent(
        lambda w, i: (seen.append(i), w)[1], [1.0], 7, 0.1, 3, np.random.default_rng(0)
    )
    epochs = np.array(seen).reshape(3, 7)
    assert (np.sort(epochs) == np.arange(7)).all() and (epochs[0] != epochs[1]).any()


def test_steps_may_be_a_function_of_their_number():
    steps = fr.gradient_descent(lambda w: np.ones(1), [0.0], lambda t: 1 / (t + 1), 3).points
    assert steps[:, 0] == pytest.approx([0, -1, -1.5, -1.5 - 1 / 3])
    assert fr.gradient_descent(lambda w: w, [2.0], 0.1, 0).points.tolist() == [[2.0]]


# The support vector machine: constraint form


def test_constraint_form_agrees_with_scikit_learn_where_the_classes_are_apart():
    for seed in range(25):
        x, labels = classes(seed, apart=6)
        x = x - x.mean(axis=0)  # far from 0, scikit-learn's float32 products lose digits
        ours = fr.svm_constraint_form(x, labels)
        peer = SVC(kernel="linear", C=1e10, tol=1e-10).fit(x, labels)
        assert ours.weights == pytest.approx(peer.coef_[0], abs=1e-7)
        assert ours.offset == pytest.approx(peer.intercept_[0], abs=1e-7)


def test_constraint_form_agrees_with_scikit_learn_where_the_classes_overlap():
    # scikit-learn keeps its products x·x in float32: about seven digits, times c
    for seed in range(30):
        x, labels = classes(seed, apart=1)
        x = x - x.mean(axis=0)
        c = 10 ** np.random.default_rng(seed).uniform(-2, 0)
        ours = fr.svm_constraint_form(x, labels, c)
        peer = SVC(kernel="linear", C=c, tol=1e-10).fit(x, labels)
        assert ours.weights == pytest.approx(peer.coef_[0], abs=1e-6)
        assert ours.offset == pytest.approx(peer.intercept_[0], abs=1e-6)


@pytest.mark.parametrize("c", [1e-6, 1e-2, 1.0, 1e2, 1e3, np.inf])
def test_constraint_form_is_at_the_minimum(c):
    for seed in range(10):
        x, labels = classes(seed, apart=6 if c == np.inf else 1.5)
        for scale in (1e-4, 1.0, 1e5):
            found = fr.svm_constraint_form(scale * x, labels, c / scale**2)
            # in the unit of x it is the same plane
            unit = fr.Separator(found.weights * scale, found.offset)
            assert stationarity(unit, x, labels, c) < 1e-8


def test_the_certificate_of_the_minimum_can_fail():
    x, labels = classes(0, apart=1.5)
    found = fr.svm_constraint_form(x, labels, 1.0)
    assert stationarity(found._replace(weights=found.weights * 1.001), x, labels, 1.0) > 1e-3
    assert stationarity(found._replace(offset=found.offset + 0.1), x, labels, 1.0) > 1e-3


def test_by_hand_the_margin_ends_at_the_nearest_points():
    # −1 at 0 and +1 at 4: w·x + b is −1 and +1 there
    separator = fr.svm_constraint_form([[0.0], [-3.0], [4.0], [9.0]], [-1, -1, 1, 1])
    assert separator.weights == pytest.approx([0.5]) and separator.offset == pytest.approx(-1)
    assert fr.decision(separator, [0.0, 4.0, 2.0]) == pytest.approx([-1, 1, 0])


def test_a_large_price_is_no_error_at_all():
    x, labels = classes(3, apart=6)
    hard, soft = fr.svm_constraint_form(x, labels), fr.svm_constraint_form(x, labels, 1e8)
    assert soft.weights == pytest.approx(hard.weights, rel=1e-8)
    assert soft.offset == pytest.approx(hard.offset, rel=1e-8)


def test_where_many_offsets_are_best_it_is_the_middle_of_them():
    # c so small that every point is inside its margin: w = c Σ y x; any b with all margins missed costs the same
    x, labels, c = np.array([-1.0, -2.0, 1.0, 2.0]), np.array([-1, -1, 1, 1]), 1e-3
    separator = fr.svm_constraint_form(x, labels, c)
    assert separator.weights == pytest.approx([6e-3], rel=1e-9)
    # 1 ≥ 0.012 + b and 1 ≥ 0.012 − b
    assert separator.offset == pytest.approx(0, abs=1e-12)
    losses = [
        fr.hinge_loss(fr.Separator(separator.weights, b), x, labels, c) for b in (-0.988, 0, 0.5, 0.988)
    ]
    assert losses == pytest.approx([losses[0]] * 4, rel=1e-12)
    assert fr.hinge_loss(fr.Separator(separator.weights, 0.99), x, labels, c) > losses[0]


def test_points_all_in_one_place_give_no_direction_and_the_larger_class():
    separator = fr.svm_constraint_form(np.ones((3, 2)), [1, 1, -1], 1.0)
    assert separator.weights == pytest.approx([0, 0], abs=1e-12) and separator.offset == pytest.approx(1)


@pytest.mark.parametrize("gap", [1e-2, 1e-4, 1e-6])
def test_a_narrow_gap_is_parted_to_eight_digits(gap):
    found = fr.svm_constraint_form([-1.0, 0.0, gap, 1.0], [-1, -1, 1, 1])
    assert found.weights == pytest.approx([2 / gap], rel=1e-8) and found.offset == pytest.approx(-1, abs=1e-8)


@pytest.mark.parametrize(("gap", "message"), [(1e-8, "too narrow"), (1e-12, "No plane parts these labels")])
def test_a_gap_too_narrow_for_the_digits_is_told(gap, message):
    with pytest.raises(ValueError, match=message):
        fr.svm_constraint_form([-1.0, 0.0, gap, 1.0], [-1, -1, 1, 1])


def test_repeated_points_share_their_price():
    x, labels = classes(8, apart=1, n=30, d=2)
    twice = fr.svm_constraint_form(np.vstack([x, x]), np.append(labels, labels), 0.5)
    once = fr.svm_constraint_form(x, labels, 1.0)
    assert twice.weights == pytest.approx(once.weights, abs=1e-9)
    assert twice.offset == pytest.approx(once.offset, abs=1e-9)


# The support vector machine: hinge form


def test_hinge_loss_is_half_the_square_of_w_and_the_price_of_what_is_missed():
    separator = fr.Separator(np.array([2.0]), -1.0)
    # heights 3, −1 and 0 with labels 1, −1, 1: missed by 0, 0 and 1
    assert fr.hinge_loss(separator, [2.0, 0.0, 0.5], [1, -1, 1], 10.0) == pytest.approx(2 + 10)
    many = fr.Separator(np.array([[2.0], [0.0]]), np.array([-1.0, 0.0]))
    assert fr.hinge_loss(many, [2.0, 0.0, 0.5], [1, -1, 1], 10.0) == pytest.approx([12, 30])


@pytest.mark.parametrize(("apart", "c"), [(1.0, 0.01), (1.0, 1.0), (2.0, 10.0), (3.0, 1.0), (6.0, 10.0)])
def test_hinge_form_gives_the_same_plane(apart, c):
    differences = []
    for seed in range(3):
        x, labels = classes(seed, apart, n=100, d=2)
        exact, descent = fr.svm_constraint_form(x, labels, c), fr.svm_hinge_form(x, labels, c)
        differences.append(np.abs(descent.weights - exact.weights).max() / np.abs(exact.weights).max())
        loss = fr.hinge_loss(exact, x, labels, c)
        assert loss * (1 - 1e-12) <= fr.hinge_loss(descent, x, labels, c) <= loss * (1 + 1e-5)
    # seven digits as a rule; two where the points on the margin leave one direction of w to ½ w·w alone
    assert np.median(differences) < 1e-7 and max(differences) < 1e-2


def test_hinge_form_gives_the_plane_of_widest_margin_where_the_classes_are_apart():
    x, labels = classes(1, apart=4, n=60, d=2)
    widest = fr.svm_constraint_form(x, labels)
    descent = fr.svm_hinge_form(x, labels, 10.0)
    assert descent.weights == pytest.approx(widest.weights, abs=1e-3 * np.abs(widest.weights).max())
    assert descent.offset == pytest.approx(widest.offset, abs=1e-3)


def test_hinge_form_does_not_depend_on_where_and_how_large_the_data_are():
    x, labels = classes(2, apart=1.5, n=40, d=2)
    here, far = fr.svm_hinge_form(x, labels, 1.0), fr.svm_hinge_form(1e3 * x + 1e5, labels, 1e-6)
    assert far.weights * 1e3 == pytest.approx(here.weights, rel=1e-5)
    assert fr.decision(far, 1e3 * x + 1e5) == pytest.approx(fr.decision(here, x), abs=1e-5)


def test_hinge_form_says_when_its_path_was_too_short():
    x, labels = classes(0, apart=6, n=100, d=2)
    with pytest.raises(
        ValueError, match=r"iterations is 4000, too few for c = 1000: the loss is .* may be as low as"
    ):
        fr.svm_hinge_form(x, labels, 1000.0, iterations=4000)


# Bad input


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fr.least_squares([[1.0, np.nan]], [1.0]), "x holds NaN or infinity"),
        (lambda: fr.least_squares([[1.0]], [np.inf]), "y holds NaN or infinity"),
        (lambda: fr.least_squares([[1.0], [2.0]], [1.0]), r"y has shape \(1,\); right would be \(2,\)"),
        (lambda: fr.least_squares([], []), "x is empty"),
        (lambda: fr.squared_loss([1.0, 2.0], [[1.0]], [1.0]), r"weights have shape \(2,\); right would be \(\.\.\., 1\)"),
        (lambda: fr.gradient_descent(lambda w: w, [[1.0]], 0.1, 1), "start has shape"),
        (lambda: fr.gradient_descent(lambda w: w, [1.0], -0.1, 1), "step must be above zero"),
        (lambda: fr.gradient_descent(lambda w: w, [1.0], 0.1, 1.5), "iterations is 1.5; it must be a whole number"),
        (lambda: fr.gradient_descent(lambda w: 1.0, [1.0], 0.1, 1), "gradient gives shape"),
        (lambda: fr.gradient_descent(lambda w: w, [1.0], 3.0, 5000), "step is too large: after 1024 steps"),
        (
            lambda: fr.stochastic_gradient_descent(lambda w, i: w, [1.0], 0, 0.1, 1, np.random.default_rng(0)),
            "rows is 0; it must be a whole number, at least 1",
        ),
        (lambda: fr.svm_constraint_form([[0.0], [1.0]], [0, 1]), "labels hold 0; each label must be −1 or"),
        (lambda: fr.svm_constraint_form([[0.0], [1.0]], [1, 1]), r"labels are all \+1; there must be at least one −1"),
        (lambda: fr.svm_constraint_form([[0.0]], [1]), r"labels are all \+1"),
        (lambda: fr.svm_constraint_form([[0.0], [np.nan]], [1, -1]), "x holds NaN"),
        (lambda: fr.svm_constraint_form([[0.0], [1.0]], [1, -1, 1]), "labels have shape"),
        (lambda: fr.svm_constraint_form([[0.0], [1.0]], [1, -1], 0), "c is 0; the price of an error must be above zero"),
        (lambda: fr.svm_constraint_form([[0.0], [1.0]], [1, -1], np.nan), "c is nan"),
        (lambda: fr.svm_constraint_form([0.0, 1.0, 2.0], [1, -1, 1]), "No plane parts these labels"),
        (lambda: fr.svm_constraint_form(np.ones((2, 2)), [1, -1]), "No plane parts these labels"),
        (lambda: fr.svm_constraint_form(*classes(0, 0.3), 1e12), "c is too large for labels that overlap"),
        (lambda: fr.svm_hinge_form([[0.0], [1.0]], [1, -1], np.inf), "c is inf; the hinge form needs a finite price"),
        (lambda: fr.svm_hinge_form([[0.0], [1.0]], [1, -1], 1.0, iterations=1), "iterations is 1; it must be a whole number, at least 10"),
        (lambda: fr.hinge_loss(fr.Separator([1.0, 2.0], 0.0), [[0.0], [1.0]], [1, -1], 1.0), "weights have shape"),
    ],
)  # fmt: skip
def test_bad_input_is_told_in_one_sentence(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
