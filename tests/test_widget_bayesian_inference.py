"""The widget of the Bayesian line without a browser: what Python accepts, refuses, computes and says."""

import numpy as np
import pytest
import traitlets
from scipy.stats import multivariate_normal

from vaecourse.bayesian_inference import Gaussian
from vaecourse.widgets.bayesian_inference import BayesExplorer

X, Y = np.array([-1.0, 0.5, 2.0, 3.0]), np.array([0.2, 1.0, 1.4, 2.9])
PRIOR = Gaussian(np.array([0.5, -0.2]), np.array([[4.0, 0.6], [0.6, 1.0]]))


def _explorer(**options) -> BayesExplorer:
    return BayesExplorer(**({"x": X, "y": Y, "prior": PRIOR, "noise_sd": 0.7} | options))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"x": [0, np.nan, 1, 2]}, "x holds NaN"),
        ({"y": [0, np.inf, 1, 2]}, "y holds NaN or infinity"),
        ({"x": [[0, 1], [2, 3]]}, r"x has shape \(2, 2\); it must be one list of numbers"),
        ({"y": 3.0}, r"y has shape \(\); it must be one list"),
        ({"x": [0, 1]}, "x has 2 numbers and y has 4; each point needs one of both"),
        ({"x": []}, "x has 0 numbers and y has 4"),
        ({"x": ["a", "b", "c", "d"]}, "x must be numbers"),
        ({"x": np.zeros(31), "y": np.zeros(31)}, "There are 31 points; this widget draws at most 30"),
        ({"x": [0, 1, 2, 1e9]}, r"points reaches 1e\+09; this widget draws values between"),
        ({"noise_sd": 0}, "noise_sd must be above zero"),
        ({"noise_sd": np.nan}, "noise_sd holds NaN"),
        ({"noise_sd": 1e-9}, "noise_sd holds 1e-09; this widget draws standard deviations between 1e-06"),
        ({"noise_sd": [1, 1]}, "noise_sd must be one number; it has 2"),
        ({"used": 5}, "used is 5; it counts the points in use, a whole number from 0 to 4"),
        ({"used": -1}, "used is -1"),
        ({"used": 1.5}, "used is 1.5"),
        ({"prior": np.eye(2)}, "prior must be a Gaussian.* not ndarray"),
        ({"prior": Gaussian(np.zeros(3), np.eye(3))}, r"prior.mean has shape \(3,\); it must be a pair"),
        ({"prior": Gaussian(np.zeros(2), np.eye(3))}, r"prior.covariance has shape \(3, 3\)"),
        ({"prior": Gaussian(np.zeros(2), np.ones((2, 2)))}, "prior.covariance is not positive definite"),
        ({"prior": Gaussian([0, np.nan], np.eye(2))}, "prior.mean holds NaN"),
        ({"prior": Gaussian(np.zeros(2), [[1, 0.9999], [0.9999, 1]])}, "has the correlation 0.9999; this"),
        ({"prior": Gaussian(np.zeros(2), 1e14 * np.eye(2))}, r"standard deviation of prior holds 1e\+07"),
        ({"labels": ["one"]}, "labels must name the two axes; it has 1 names"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(arguments, said):
    with pytest.raises(ValueError, match=said):
        _explorer(**arguments)


def test_a_bad_assignment_is_refused_and_the_old_value_stays():
    widget = _explorer(used=3)
    for name, bad in (
        ("points", [[0, 1, 2]]), ("points", [[0, np.nan]]), ("used", 5), ("used", -1), ("prior_mean", [1]),
        ("prior_sd", [1, 0]), ("prior_sd", [1, 1, 1]), ("noise_sd", -2.0), ("draw", 20), ("draw", -1),
    ):  # fmt: skip
        before = getattr(widget, name)
        with pytest.raises(traitlets.TraitError):
            setattr(widget, name, bad)
        assert getattr(widget, name) == before


def test_posterior_evidence_and_prediction_are_those_of_the_textbook():
    widget = _explorer(used=3)
    design, y, s = np.stack([np.ones(3), X[:3]], 1), Y[:3], 0.7
    np.testing.assert_allclose(widget.prior().covariance, PRIOR.covariance, rtol=1e-12)
    # Bishop, eq. 3.50 and 3.51
    precision = np.linalg.inv(PRIOR.covariance)
    covariance = np.linalg.inv(precision + design.T @ design / s**2)
    mean = covariance @ (precision @ PRIOR.mean + design.T @ y / s**2)
    posterior = widget.posterior()
    np.testing.assert_allclose(posterior.mean, mean, rtol=1e-10)
    np.testing.assert_allclose(posterior.covariance, covariance, rtol=1e-10)
    marginal = multivariate_normal(
        design @ PRIOR.mean, s**2 * np.eye(3) + design @ PRIOR.covariance @ design.T
    )
    assert widget.log_evidence() == pytest.approx(marginal.logpdf(y), rel=1e-10)
    found = widget.predictive([4.0])
    assert found.mean == pytest.approx(mean @ [1, 4]) and found.sd**2 == pytest.approx(
        s**2 + [1, 4] @ covariance @ [1, 4]
    )
    np.testing.assert_allclose(widget.least_squares(), np.polynomial.polynomial.polyfit(X[:3], y, 1))


def test_point_by_point_the_posterior_is_the_next_prior():
    whole = _explorer()
    belief, evidence = PRIOR, 0.0
    for x, y in zip(X, Y, strict=True):
        one = BayesExplorer([x], [y], prior=belief, noise_sd=0.7)
        belief, evidence = one.posterior(), evidence + one.log_evidence()
    np.testing.assert_allclose(belief.mean, whole.posterior().mean, rtol=1e-10)
    np.testing.assert_allclose(belief.covariance, whole.posterior().covariance, rtol=1e-10)
    assert evidence == pytest.approx(whole.log_evidence(), rel=1e-10)


def test_without_a_point_the_posterior_is_the_prior():
    for widget in (_explorer(used=0), _explorer(x=[], y=[])):
        np.testing.assert_array_equal(widget.posterior().covariance, widget.prior().covariance)
        np.testing.assert_array_equal(widget.posterior().mean, PRIOR.mean)
        assert widget.log_evidence() == 0 and widget.least_squares() is None
        assert "nan" not in widget.sentence() and widget.picture().axes
    assert BayesExplorer([], []).prior_sd == [1, 1]  # N(0, I) unless told


def test_the_lines_are_draws_from_the_posterior_and_move_with_it():
    widget = _explorer()
    first = widget.lines()
    every = []
    for widget.draw in range(20):
        every.append(widget.lines())
    every = np.concatenate(every)
    posterior = widget.posterior()
    np.testing.assert_allclose(
        every.mean(0), posterior.mean, atol=4 * np.sqrt(posterior.covariance.max() / 240)
    )
    np.testing.assert_allclose(np.cov(every.T), posterior.covariance, atol=0.25 * posterior.covariance.max())
    widget.draw = 0
    widget.points = [*widget.points[:-1], [3.0, 2.9001]]
    moved = widget.lines()
    assert 0 < np.abs(moved - first).max() < 1e-3  # the noise is fixed
    assert np.array_equal(_explorer(seed=0).lines(), first) and not np.array_equal(
        _explorer(seed=1).lines(), first
    )


def test_fewer_points_leave_no_more_in_use_and_the_axes_hold_every_point():
    widget = _explorer()
    widget.points = widget.points[:2]
    assert widget.used == 2
    widget.points = [*widget.points, [40.0, -30.0]]
    assert widget.used == 2  # the new one waits
    (x_low, x_high), (y_low, y_high) = widget.axes
    assert x_low < -1 and x_high > 40 and y_low < -30 and y_high > 1
    kept = widget.axes
    widget.points = [*widget.points[:2], [39.0, -29.0]]
    assert widget.axes == kept  # inside: nothing jumps


@pytest.mark.parametrize("used", [0, 1, 4])
def test_picture_and_sentence_say_what_the_widget_shows(used):
    widget = _explorer(used=used, labels=("age (years)", "height (m)"))
    posterior, sentence = widget.posterior(), widget.sentence()
    assert f"fitted to {used} of 4 points (age (years); height (m))" in sentence
    assert f"log evidence {widget.log_evidence():.3f} nats" in sentence
    sd = np.sqrt(posterior.covariance[1, 1])
    decimals = 1 if sd >= 1 else 2
    assert f"slope {posterior.mean[1]:.{decimals}f} ± {sd:.{decimals}f} (prior -0.2 ± 1.0)" in sentence
    edge = widget.predictive([widget.axes[0][1]]).sd[0]
    assert f"{edge:.3g} at the right edge" in sentence
    left, right = widget.picture().axes
    assert (left.get_xlabel(), left.get_ylabel()) == ("age (years)", "height (m)")
    average = next(line for line in left.lines if line.get_label() == "average prediction")
    np.testing.assert_allclose(average.get_ydata(), widget.predictive(average.get_xdata()).mean)
    names = [line.get_label() for line in right.lines]
    assert ("least squares" in names) == (used > 1)
    data, metadata = widget._repr_mimebundle_()
    assert data["text/plain"] == metadata["image/png"]["alt"] == sentence and len(data["image/png"]) > 10_000


@pytest.mark.parametrize(
    "arguments",
    [
        {"x": [3], "y": [4]},
        {"x": [1, 1, 1], "y": [2, 2, 2]},
        {"x": [1, 1], "y": [0, 5]},
        {"x": [1e6, -1e6], "y": [1e6, 1e6]},
        {"x": [1900, 2000, 2020], "y": [1, 2, 3], "noise_sd": 1e-6},
        {"x": [0, 1], "y": [0, 1], "prior": Gaussian(np.zeros(2), 1e12 * np.eye(2)), "noise_sd": 1e-6},
        {"x": [0, 1], "y": [0, 1], "prior": Gaussian(np.zeros(2), 1e-12 * np.eye(2)), "noise_sd": 1e6},
    ],
)
def test_poor_data_and_extreme_beliefs_still_give_a_picture(arguments):
    widget = BayesExplorer(**arguments)
    assert "nan" not in widget.sentence() and np.isfinite(widget.lines()).all() and widget.picture().axes
    (x_low, x_high), (y_low, y_high) = widget.axes
    assert all(x_low < x < x_high and y_low < y < y_high for x, y in widget.points)
