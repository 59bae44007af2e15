"""Every line of every derivation, over many random parameters; and the machinery that finds a wrong one."""

import dataclasses

import numpy as np
import pytest

from vaecourse import derivation
from vaecourse.chains import all_chains
from vaecourse.chains import kl_divergence as chains

CHAINS = all_chains()
SOUND = [chain for name, chain in CHAINS.items() if not name.startswith("BROKEN")]


def test_the_chains_that_the_lessons_show_exist():
    assert {
        "GIBBS",
        "JENSEN",
        "GAUSSIAN",
        "MAXIMUM_LIKELIHOOD",
        "EVIDENCE_BAYES",
        "EVIDENCE_JENSEN",
        "ELBO_TWO_FORMS",
        "VAE_KL",
        "EM_CLIMB",
        "TOUCH",
        "POSTERIOR",
        "PREDICTIVE",
        "LEAST_SQUARES",
        "SLOPE_POSTERIOR",
        "ELBO_ENTROPY",
        "SCORE_GRADIENT",
        "PATHWISE_GRADIENT",
        "MEAN_FIELD",
        "GAUSSIAN_UPDATE",
        "LOST_VARIANCE",
        "DIRICHLET_UPDATE",
        "COMPONENT_UPDATE",
    } < set(CHAINS)


@pytest.mark.parametrize("chain", SOUND, ids=lambda chain: chain.name)
def test_every_line_follows_from_the_one_above(chain):
    lines = derivation.evaluate(chain, **chain.draw(np.random.default_rng(1), 200))
    assert lines.shape == (len(chain.steps), 200)
    assert np.isfinite(lines).all()
    for verdict in derivation.verify(chain, lines, tolerance=1e-9):
        assert verdict.holds, f"line {verdict.line} of {chain.name}: off by {verdict.gap:.2g}"


@pytest.mark.parametrize("chain", SOUND, ids=lambda chain: chain.name)
def test_parts_add_up_to_their_line(chain):
    model = chain.model(*chain.draw(np.random.default_rng(2), 100).values())
    for step in chain.steps:
        if step.parts:
            total = sum(part.value(model) for part in step.parts)
            np.testing.assert_allclose(total, step.value(model), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["GIBBS", "JENSEN"])
def test_the_inequality_holds_for_any_two_distributions_zeros_included(name):
    rng = np.random.default_rng(3)
    p, q = rng.dirichlet(np.full(6, 0.4), 300), rng.dirichlet(np.full(6, 0.4), 300)
    p[:100, 2] = 0
    p /= p.sum(axis=1, keepdims=True)
    chain = CHAINS[name]
    verdicts = derivation.verify(chain, derivation.values(chain, chains.Dice(p, q), 300))
    assert all(verdict.holds for verdict in verdicts)


def test_the_slip_is_found_at_its_line_and_nowhere_else():
    assert derivation.broken_steps(chains.BROKEN) == (9,)


def test_the_lost_entropy_is_found_at_its_line_and_hides_where_the_entropy_is_zero():
    from vaecourse.chains.variational_inference import BROKEN_ELBO

    assert derivation.broken_steps(BROKEN_ELBO) == (5,)
    lines = derivation.evaluate(BROKEN_ELBO, s=-np.log(2 * np.pi * np.e))
    assert all(verdict.holds for verdict in derivation.verify(BROKEN_ELBO, lines))


def test_the_slip_hides_where_the_mean_of_p_is_zero():
    lines = derivation.evaluate(chains.BROKEN)
    assert all(verdict.holds for verdict in derivation.verify(chains.BROKEN, lines))


@pytest.mark.parametrize("relation, worse", [("=", 1e-6), ("<=", -1e-6), (">=", 1e-6)])
def test_a_line_that_is_off_by_a_millionth_is_caught(relation, worse):
    steps = list(chains.GIBBS.steps)
    last = steps[1]
    steps[2] = dataclasses.replace(last, relation=relation, value=lambda dice: last.value(dice) + worse)
    broken = dataclasses.replace(chains.GIBBS, steps=tuple(steps[:3]))
    assert derivation.broken_steps(broken) == (3,)


def test_a_nan_does_not_pass_as_equal():
    step = dataclasses.replace(chains.GIBBS.steps[1], value=lambda dice: np.full(len(dice.p), np.nan))
    broken = dataclasses.replace(chains.GIBBS, steps=(chains.GIBBS.steps[0], step))
    assert derivation.broken_steps(broken) == (2,)


def test_the_table_holds_what_evaluate_computes():
    chain = CHAINS["EVIDENCE_BAYES"]
    table = derivation.tabulate(chain, ("m", "s"))
    assert table.names == ("m", "s")
    for i, j in [(0, 0), (3, 17), (40, 40)]:
        expected = derivation.evaluate(chain, m=table.axes[0][i], s=table.axes[1][j])[:, 0]
        np.testing.assert_allclose(table.lines[:, i, j], expected, rtol=1e-13)
        assert table.parts[:, i, j].sum() == pytest.approx(expected[-1], abs=1e-12)


def test_nothing_that_q_does_moves_the_evidence():
    table = derivation.tabulate(CHAINS["EVIDENCE_BAYES"], ("m", "s"))
    assert np.ptp(table.lines[-1]) < 1e-9
    assert np.ptp(table.parts[0]) > 1
    assert (table.parts[1] >= -1e-12).all()


def test_slider_positions_hold_the_default_and_the_ends():
    for chain in CHAINS.values():
        for parameter in chain.parameters:
            values = parameter.values(11)
            assert parameter.default in values
            assert values[0] == parameter.low and values[-1] == parameter.high


def test_text_and_latex_show_a_number_on_every_line():
    chain = CHAINS["VAE_KL"]
    lines = derivation.evaluate(chain)
    text, latex = derivation.to_text(chain, lines), derivation.to_latex(chain, lines)
    assert text.count("0.683940") == len(chain.steps) == latex.count("0.683940")
    assert "0.683940" not in derivation.to_latex(chain, None)
    assert chain.setting in text and latex.startswith(f"{chain.title}. {chain.setting}\n\n$$")


def test_an_unknown_parameter_or_slider_is_named():
    with pytest.raises(ValueError, match="GIBBS has no parameter 'six'; its parameters are six_p, six_q"):
        derivation.evaluate(chains.GIBBS, six=0.5)
    with pytest.raises(ValueError, match="sliders must be parameters of GIBBS"):
        derivation.tabulate(chains.GIBBS, ("mean",))


def test_a_sweep_in_the_derivation_is_a_sweep_of_the_package():
    from vaecourse import gaussian_mixture as gm
    from vaecourse.chains import gaussian_mixture as climb

    lines = derivation.evaluate(climb.EM_CLIMB, weight=0.3, mean_1=-0.5, mean_2=1.5, sd=0.8)[:, 0]
    before = gm.Mixture(np.array([0.3, 0.7]), np.array([[-0.5], [1.5]]), np.full((2, 1, 1), 0.64))
    shares = gm.responsibilities(before, climb.POINTS)
    after = gm.m_step(climb.POINTS, shares, reg=0.0)
    expected = [
        gm.log_likelihood(before, climb.POINTS),
        gm.bound(after, shares, climb.POINTS),
        gm.log_likelihood(after, climb.POINTS),
    ]
    np.testing.assert_allclose(lines[[0, 3, 6]], expected, rtol=1e-12)
