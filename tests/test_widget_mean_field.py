"""The mean-field widget without a browser: what Python accepts, refuses, computes and says."""

import numpy as np
import pytest
import traitlets

from vaecourse import mean_field as mf
from vaecourse.widgets.mean_field import MeanFieldExplorer


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"correlation": 1}, r"correlation is 1; it must lie between -0\.99 and 0\.99"),
        ({"correlation": -1.5}, r"correlation is -1\.5"),
        ({"correlation": np.nan}, "correlation holds NaN"),
        ({"correlation": "high"}, "correlation must be numbers"),
        ({"correlation": [0.1, 0.2]}, r"correlation has shape \(2,\); it must be one number"),
        ({"sds": (1, 0)}, "sds must be above zero everywhere"),
        ({"sds": (1, np.inf)}, "sds holds NaN or infinity"),
        ({"sds": 1}, r"sds has shape \(\); it must be a pair"),
        ({"sds": (1, 1, 1)}, r"sds has shape \(3,\); it must be a pair, one number for z₁ and one for z₂"),
        ({"sds": (1, 5)}, r"sds is \(1, 5\); this widget draws one at most 4 times as large as the other"),
        ({"sds": (1e-9, 1e-9)}, "sds holds 1e-09; this widget draws standard deviations between 1e-06"),
        ({"sds": (1e9, 1e9)}, r"sds holds 1e\+09"),
        ({"mean": []}, "mean is empty"),
        ({"mean": (0, 1e7)}, r"mean reaches 1e\+07; this widget draws values between"),
        ({"start": (0, np.nan)}, "start holds NaN"),
        ({"start": (30, 0)}, "start lies 30 standard deviations of p from its mean; this widget draws at most 20"),
        ({"start": (30, 0), "sds": (2, 1), "mean": (35, 25)}, "start lies 25 standard deviations"),
        ({"start_sds": (1, -1)}, "start_sds must be above zero"),
        ({"start_sds": (1, 0.01)}, r"start_sds is \(1, 0\.01\), for p's \(1, 1\); this widget draws"),
        ({"start_sds": (25, 1)}, "at most 20 times, at least 1/20 of them"),
        ({"steps": -1}, "steps is -1; it must be a whole number from 0 to 400"),
        ({"steps": 401}, "steps is 401"),
        ({"steps": 2.5}, r"steps is 2\.5"),
        ({"steps": True}, "steps is True"),
        ({"first": 0}, "first is 0; it must be a whole number from 1 to 2"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_in_one_sentence(arguments, said):
    with pytest.raises(ValueError, match=said):
        MeanFieldExplorer(**arguments)


def test_a_bad_assignment_is_refused_and_the_old_value_stays():
    widget = MeanFieldExplorer(0.5, start=(1, 1))
    bad = {"correlation": 1.0, "sds": [1, 9], "mean": [0], "start": [0, 21], "start_sds": [0, 1], "steps": -2, "first": 3}  # fmt: skip
    for name, value in bad.items():
        before = getattr(widget, name)
        with pytest.raises(traitlets.TraitError, match=name):
            setattr(widget, name, value)
        assert getattr(widget, name) == before


def test_what_the_browser_sends_at_once_is_judged_together():
    widget = MeanFieldExplorer(0.5, sds=(1, 1), start=(2, 2))
    widget.set_state(
        {"sds": [1, 4], "start": [2, 70], "start_sds": [1, 60]}
    )  # 70 is within 20 · 4, not within 20 · 1
    assert (widget.sds, widget.start, widget.start_sds) == ([1, 4], [2, 70], [1, 60])


def test_the_default_start_lies_beside_p_and_is_as_wide():
    widget = MeanFieldExplorer(sds=(2, 3), mean=(10, 20))
    assert widget.start == [6, 23] and widget.start_sds == [2, 3]
    np.testing.assert_allclose(widget.covariance, [[4, 4.8], [4.8, 9]])


@pytest.mark.parametrize("rho", [0.9, -0.4])
@pytest.mark.parametrize("first", [1, 2])
def test_the_path_is_made_of_exact_updates_in_turn(rho, first):
    widget = MeanFieldExplorer(
        rho, sds=(1, 2), mean=(3, -1), start=(1, 1), start_sds=(0.5, 4), steps=7, first=first
    )
    q, path = mf.Factorized(np.array([1.0, 1.0]), np.array([0.25, 16.0])), widget.path()
    assert len(path.qs) == len(path.elbos) == 8
    for step, (found, elbo) in enumerate(zip(path.qs, path.elbos, strict=True)):
        if step:
            q = mf.update(q, widget.mean, widget.covariance, (first + step) % 2)
        np.testing.assert_allclose(found.means, q.means)
        np.testing.assert_allclose(found.variances, q.variances)
        assert elbo == pytest.approx(mf.elbo(q, widget.mean, widget.covariance))
    np.testing.assert_allclose(widget.means, q.means)
    np.testing.assert_allclose(widget.variances, np.array([1, 4]) * (1 - rho**2))


def test_the_other_factor_first():
    widget = MeanFieldExplorer(0.8, start=(-2, 1), first=2, steps=1)
    np.testing.assert_allclose(widget.means, [-2, -1.6])  # z₂ given z₁ = −2: 0.8 · (−2)
    np.testing.assert_allclose(widget.variances, [1, 0.36])


def test_the_divergences_agree_with_monte_carlo():
    widget = MeanFieldExplorer(-0.7, sds=(1, 0.5), mean=(1, 2), start=(0, 2.5), start_sds=(0.8, 0.4), steps=1)
    rng, q = np.random.default_rng(0), widget.path().qs[-1]

    def log_p(z):
        d = z - widget.mean
        return -0.5 * (np.einsum("ni,ij,nj->n", d, np.linalg.inv(widget.covariance), d) + np.log(np.linalg.det(widget.covariance)))  # fmt: skip

    def log_q(z):
        return -0.5 * ((z - q.means) ** 2 / q.variances + np.log(q.variances)).sum(axis=1)

    of_p = rng.multivariate_normal(widget.mean, widget.covariance, 200_000)
    of_q = rng.normal(q.means, np.sqrt(q.variances), (200_000, 2))
    for found, terms in zip(widget.divergences(), (log_p(of_p) - log_q(of_p), log_q(of_q) - log_p(of_q)), strict=True):  # fmt: skip
        assert found == pytest.approx(terms.mean(), abs=4 * terms.std() / np.sqrt(len(terms)))


@pytest.mark.parametrize(
    ("steps", "told"), [(0, "at the start"), (1, "after 1 update:"), (6, "after 6 updates:")]
)
@pytest.mark.parametrize("forward", [False, True])
def test_picture_and_sentence_say_what_the_widget_shows(steps, told, forward):
    widget = MeanFieldExplorer(0.6, start=(-2, 1), start_sds=(1.5, 1.5), steps=steps, forward=forward)
    sentence, (kl_pq, kl_qp), q = widget.sentence(), widget.divergences(), widget.path().qs[-1]
    assert told in sentence and "correlation 0.60" in sentence and "1 − ρ² = 0.640" in sentence
    assert f"KL(q‖p) = {kl_qp:.3f} nats, KL(p‖q) = {kl_pq:.3f} nats" in sentence
    assert f"variances {q.variances[0]:.3f} and {q.variances[1]:.3f} of the true ones" in sentence
    plane, curve = widget.picture().axes
    above, beside = plane.child_axes
    assert plane.get_legend_handles_labels()[1] == ["p", "q"] + ["forward fit"] * forward
    assert len(above.lines) == len(beside.lines) == 2 + forward
    np.testing.assert_allclose(plane.lines[-1].get_xydata(), [each.means for each in widget.path().qs])
    np.testing.assert_allclose(curve.lines[2].get_ydata(), widget.path().elbos)
    assert curve.lines[1].get_ydata()[0] == pytest.approx(0.5 * np.log(0.64))
    peak = above.lines[1].get_xydata().max(axis=0)[1]
    assert peak == pytest.approx(1 / np.sqrt(2 * np.pi * q.variances[0]))
    data, metadata = widget._repr_mimebundle_()
    assert data["text/plain"] == metadata["image/png"]["alt"] == sentence and len(data["image/png"]) > 10_000


@pytest.mark.parametrize(
    "arguments",
    [
        {"correlation": 0.99, "steps": 400},
        {"correlation": 0, "steps": 2},
        {"correlation": -0.99, "sds": (1e-3, 4e-3), "start": (0.02, -0.08), "start_sds": (2e-2, 2e-4)},
        {"sds": (1e5, 1e5), "mean": (-1e5, 1e5), "steps": 3},
    ],
)
def test_extremes_still_give_a_picture(arguments):
    widget = MeanFieldExplorer(**arguments)
    data, _ = widget._repr_mimebundle_()
    assert "nan" not in data["text/plain"] and len(data["image/png"]) > 10_000
    assert min(widget.divergences()) >= -1e-12
