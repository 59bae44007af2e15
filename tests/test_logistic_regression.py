"""Bayesian logistic regression against scikit-learn, SciPy, finite differences and a grid; on real data; at extremes."""

import numpy as np
import pytest
from scipy import optimize, stats
from scipy.special import expit
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression

from vaecourse import logistic_regression as lr
from vaecourse import variational_inference as vi
from vaecourse.metropolis import effective_sample_size, metropolis, r_hat


def problem(seed: int, n: int | None = None, d: int | None = None):
    rng = np.random.default_rng(seed)
    n, d = n or int(rng.integers(5, 200)), d or int(rng.integers(1, 6))
    x = lr.with_intercept(rng.normal(size=(n, d)) @ (np.eye(d) + 0.5 * rng.normal(size=(d, d))))
    labels = rng.random(n) < expit(x @ rng.normal(size=d + 1))
    return x, labels.astype(int), float(rng.uniform(0.3, 10)), rng


def cancer():
    """Is the tumour malignant? Radius, texture and perimeter of 300 of the 569, and of the 269 held out."""
    data = load_breast_cancer()
    order, columns = np.random.default_rng(0).permutation(569), [0, 1, 2]
    seen, rest = order[:300], order[300:]
    x = data.data[:, columns]
    x_seen, x_rest = (lr.with_intercept(lr.standardize(x[rows], x[seen])) for rows in (seen, rest))
    return x_seen, 1 - data.target[seen], x_rest, 1 - data.target[rest]


# The joint density


@pytest.mark.parametrize("seed", range(10))
def test_log_joint_and_gradient_against_scipy_and_finite_differences(seed):
    x, labels, prior_sd, rng = problem(seed)
    model, w = lr.log_joint(x, labels, prior_sd), rng.normal(size=(6, x.shape[1]))
    assert model.dimension == x.shape[1]
    peer = stats.bernoulli(expit(w @ x.T)).logpmf(labels).sum(axis=1)
    peer += stats.norm(0, prior_sd).logpdf(w).sum(axis=1)
    assert np.allclose(model.value(w), peer, rtol=1e-11)
    h = 1e-6
    slopes = [(model.value(w + h * one) - model.value(w - h * one)) / (2 * h) for one in np.eye(x.shape[1])]
    assert np.allclose(model.gradient(w), np.transpose(slopes), rtol=1e-6, atol=1e-6)


def test_sound_where_the_logit_is_a_thousand():
    model = lr.log_joint([[1.0], [1.0]], [1, 0], 1e6)
    w = np.array([[1000.0], [-1000.0], [0.0]])
    prior = stats.norm(0, 1e6).logpdf(w[:, 0])
    assert np.allclose(model.value(w) - prior, [-1000, -1000, -2 * np.log(2)], rtol=1e-12)
    assert np.allclose(model.gradient(w)[:, 0], [-1, 1, 0], atol=2e-9)
    # one certain mistake costs its 1000 nats
    assert lr.log_loss([[1000.0]], [[1.0], [1.0]], [1, 0]) == pytest.approx(500, rel=1e-12)
    assert np.array_equal(lr.predict(w[:2], [[1.0], [-1.0]]), [0.5, 0.5])


def test_many_draws_are_taken_in_blocks(monkeypatch):
    x, labels, prior_sd, rng = problem(1, 40, 3)
    model, w = lr.log_joint(x, labels, prior_sd), rng.normal(size=(101, 4))
    whole = model.value(w), model.gradient(w), lr.predict(w, x), lr.log_loss(w, x, labels)
    monkeypatch.setattr(lr, "BLOCK", 130)
    parts = model.value(w), model.gradient(w), lr.predict(w, x), lr.log_loss(w, x, labels)
    for a, b in zip(whole, parts, strict=True):
        assert np.allclose(a, b, rtol=1e-13)


# Mode and Laplace


@pytest.mark.parametrize("seed", range(20))
def test_the_mode_agrees_with_scikit_learn(seed):
    x, labels, prior_sd, _ = problem(seed)
    if len(set(labels)) == 1:  # scikit-learn wants both
        labels[0] = 1 - labels[0]
    peer = LogisticRegression(
        C=prior_sd**2, fit_intercept=False, tol=1e-12, max_iter=10_000, solver="newton-cholesky"
    )
    assert np.allclose(lr.mode(x, labels, prior_sd), peer.fit(x, labels).coef_[0], rtol=1e-6, atol=1e-6)


def test_the_mode_agrees_with_scikit_learn_on_the_real_data():
    x, labels, _, _ = cancer()
    peer = LogisticRegression(C=9.0, fit_intercept=False, tol=1e-12, max_iter=10_000).fit(x, labels)
    assert np.abs(lr.mode(x, labels, 3.0) - peer.coef_[0]).max() < 1e-6


@pytest.mark.parametrize("seed", range(38, 46))
def test_the_mode_is_found_among_outliers(seed):
    """At seed 42 Newton's full steps run away."""
    rng = np.random.default_rng(seed)
    x = lr.with_intercept(rng.standard_cauchy((int(rng.integers(5, 40)), 2)))
    labels = (rng.random(len(x)) < expit(x[:, 1])).astype(int)
    q, model = lr.laplace(x, labels, 100.0), lr.log_joint(x, labels, 100.0)
    # the gradient in units of the posterior
    assert np.abs(model.gradient(q.mean[None])[0] @ q.factor).max() < 1e-8


def test_laplace_has_the_curvature_at_the_mode():
    x, labels, prior_sd, _ = problem(3, 60, 3)
    q, model, h = lr.laplace(x, labels, prior_sd), lr.log_joint(x, labels, prior_sd), 1e-5
    assert not q.diagonal and (np.diag(q.factor) > 0).all() and np.isfinite(vi.entropy(q))
    assert np.abs(model.gradient(q.mean[None])).max() < 1e-9
    hessian = [
        (model.gradient(q.mean[None] + h * one) - model.gradient(q.mean[None] - h * one))[0]
        for one in np.eye(4)
    ]
    assert np.allclose(np.linalg.inv(q.covariance), -np.array(hessian) / (2 * h), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("prior_sd", [1.0, 30.0, 1e4])
def test_separated_classes_stay_finite_by_the_prior(prior_sd):
    x, labels = np.array([[-1.0], [1.0]]), [0, 1]
    # the mode solves w/σ₀² = 2 σ(−w)
    exact = optimize.brentq(lambda w: w / prior_sd**2 - 2 * expit(-w), 0, 50, xtol=1e-14)
    assert lr.mode(x, labels, prior_sd)[0] == pytest.approx(exact, rel=1e-9)
    q = lr.laplace(x, labels, prior_sd)
    assert np.isfinite(q.factor).all() and 0 < q.sd[0] <= prior_sd
    far = lr.mode(1e3 * x, labels, prior_sd)
    assert np.isfinite(far).all() and lr.predict(far[None], 1e3 * x)[1] > 0.99


@pytest.mark.parametrize(
    ("x", "labels"),
    [
        ([[2.0, -1.0]], [1]),  # one row
        ([[1.0, 2.0], [1.0, 5.0]], [0, 0]),  # one class
        ([[1.0, 3.0], [1.0, 3.0], [1.0, 3.0]], [0, 1, 1]),  # equal rows, columns that say the same
        ([[0.0, 0.0], [0.0, 0.0]], [0, 1]),  # nothing to learn from
        ([[1.0, 1e8], [1.0, -1e8]], [0, 1]),  # far apart
        ([[1e9, 1e9], [1e9, 1e9]], [0, 1]),  # far away, and two columns that cannot be told apart
    ],
)
def test_poor_data_leave_a_posterior_that_is_finite(x, labels):
    q, model = lr.laplace(x, labels, 2.0), lr.log_joint(x, labels, 2.0)
    # no weight is known worse than before the data; the mode is a place where no direction goes up
    assert (q.sd <= 2 * (1 + 1e-12)).all()
    steps = 0.1 * np.random.default_rng(0).standard_normal((200, 2)) @ q.factor.T
    assert (model.value(q.mean + steps) <= model.value(q.mean[None]) + 1e-12).all()


def test_booleans_are_labels_too():
    x, labels, prior_sd, _ = problem(0)
    assert np.array_equal(lr.mode(x, labels.astype(bool), prior_sd), lr.mode(x, labels, prior_sd))


# Prediction


def test_prediction_averages_probabilities_and_its_loss_is_of_the_average():
    x, labels, _, rng = problem(7, 30, 2)
    draws = rng.normal(size=(50, 3))
    by_hand = np.mean([expit(x @ w) for w in draws], axis=0)
    assert np.allclose(lr.predict(draws, x), by_hand, rtol=1e-13)
    surprise = -np.log(np.where(labels == 1, by_hand, 1 - by_hand)).mean()
    assert lr.log_loss(draws, x, labels) == pytest.approx(surprise, rel=1e-12)


def test_standardize_and_with_intercept():
    x = np.random.default_rng(0).normal(5, [1, 1e-6, 1e6], size=(50, 3))
    z = lr.standardize(x)
    assert np.allclose(z.mean(axis=0), 0, atol=1e-8) and np.allclose(z.std(axis=0), 1, rtol=1e-8)
    assert np.allclose(lr.standardize(x[:3], x), z[:3], rtol=1e-12)
    assert np.array_equal(lr.with_intercept(z)[:, 0], np.ones(50)) and np.array_equal(
        lr.with_intercept(z)[:, 1:], z
    )
    for constant in (0.0, 0.1, 1e9):
        with pytest.raises(ValueError, match=r"Column 1 .* is constant"):
            lr.standardize(np.column_stack([x[:, 0], np.full(50, constant)]))


# The posterior, three ways


def test_bound_and_evidence_against_a_grid():
    x, labels, _, rng = problem(11, 25, 1)
    model, q = lr.log_joint(x, labels, 2.0), lr.laplace(x, labels, 2.0)
    a, b = (np.linspace(m - 9 * s, m + 9 * s, 400) for m, s in zip(q.mean, q.sd, strict=True))
    points = np.stack(np.meshgrid(a, b, indexing="ij"), axis=-1).reshape(-1, 2)
    exact = np.log(np.exp(model.value(points)).sum() * (a[1] - a[0]) * (b[1] - b[0]))
    for family in ("diagonal", "full"):
        best = vi.ascend(model, vi.diagonal_q([0.0, 0.0], 2.0), rng, 800, 20, family=family).q
        e = rng.standard_normal((20_000, 2))
        bound, evidence = vi.elbo(model, best, e), vi.importance_log_evidence(model, best, e)
        assert exact - 0.5 < bound.value < exact + 3 * bound.standard_error
        assert abs(evidence.value - exact) < 4 * evidence.standard_error + 1e-3 < 0.1


def test_what_the_diagonal_family_loses_on_the_real_data():
    """The claims of the lesson: radius and perimeter hang together, the diagonal q keeps the means and a quarter of two sds."""
    x, labels, x_rest, labels_rest = cancer()
    model, by_curvature, rng = (
        lr.log_joint(x, labels, 3.0),
        lr.laplace(x, labels, 3.0),
        np.random.default_rng(0),
    )
    starts = by_curvature.mean + 1.5 * rng.standard_normal((4, 4)) @ by_curvature.factor.T
    chains = metropolis(model.value, starts, rng, 6000, 2.38**2 / 4 * by_curvature.covariance).values
    assert (r_hat(chains) < 1.01).all() and (effective_sample_size(chains) > 1000).all()
    draws = chains.reshape(-1, 4)
    mean, sd = draws.mean(axis=0), draws.std(axis=0)
    assert np.corrcoef(draws[:, 1], draws[:, 3])[0, 1] < -0.95
    start = vi.diagonal_q(np.zeros(4), 3.0)
    diagonal, full = (
        vi.ascend(model, start, rng, 1500, 20, family=family).q for family in ("diagonal", "full")
    )
    for q in (diagonal, full, by_curvature):
        assert (np.abs(q.mean - mean) < 0.25 * sd).all()
    assert (diagonal.sd[[1, 3]] < 0.35 * sd[[1, 3]]).all() and (diagonal.sd[[0, 2]] > 0.85 * sd[[0, 2]]).all()
    for q in (full, by_curvature):
        assert np.allclose(q.sd, sd, rtol=0.12)
    e = rng.standard_normal((4000, 4))
    bounds = [vi.elbo(model, q, e).value for q in (diagonal, full)]
    evidence = vi.importance_log_evidence(model, full, e)
    assert bounds[0] + 1 < bounds[1] < evidence.value + 3 * evidence.standard_error < bounds[1] + 0.1
    losses = [
        lr.log_loss(w, x_rest, labels_rest) for w in (draws, vi.transform(full, e), vi.transform(diagonal, e))
    ]
    assert max(losses) < 0.3 and abs(losses[1] - losses[0]) < 0.005
    # a tumour of large radius and no larger perimeter than most: nothing like it was seen
    odd = lr.with_intercept([[2.0, 0.0, -1.0]])
    honest, sure = lr.predict(draws, odd)[0], lr.predict(vi.transform(diagonal, e), odd)[0]
    assert honest > 0.02 and sure < 0.002


# Bad input


@pytest.mark.parametrize(
    ("x", "labels", "prior_sd", "sentence"),
    [
        ([[np.nan]], [1], 1.0, "x holds NaN"),
        ([1.0, 2.0], [1, 0], 1.0, r"x has shape \(2,\)"),
        ([[1.0], [2.0]], [1], 1.0, r"labels have shape \(1,\) and x \(2, 1\)"),
        ([[1.0], [2.0]], [1, -1], 1.0, "labels hold -1; each must be 0 or 1"),
        ([[1.0], [2.0]], [1, np.nan], 1.0, "labels holds NaN"),
        ([[1.0]], [1], 0.0, "prior_sd must be above zero"),
        ([[1.0]], [1], [1.0, 2.0], r"prior_sd has shape \(2,\)"),
    ],
)
def test_bad_input_gives_one_sentence(x, labels, prior_sd, sentence):
    for function in (lr.log_joint, lr.mode, lr.laplace):
        with pytest.raises(ValueError, match=sentence):
            function(x, labels, prior_sd)


def test_bad_draws_and_columns_give_one_sentence():
    with pytest.raises(ValueError, match=r"draws have shape \(2,\); right would be \(s, 1\)"):
        lr.predict([1.0, 2.0], [[1.0]])
    with pytest.raises(ValueError, match=r"draws have shape \(1, 2\)"):
        lr.log_loss([[1.0, 2.0]], [[1.0]], [1])
    with pytest.raises(ValueError, match="x has 2 columns and like has 1"):
        lr.standardize(np.eye(2), [[1.0], [2.0]])
