"""The numbers of the ELBO widget (js/elbo_math.js, under node) against the package."""

import numpy as np
import pytest

from vaecourse import one_latent as ol


@pytest.fixture(scope="module")
def js(node):
    """js(function, calls) calls a function of elbo_math.js with each list of arguments."""

    def call(function: str, calls: list) -> list:
        text = 'import * as math from "./elbo_math.js"; answer(data.calls.map(each => math[data.function](...each)));'
        return node(text, {"function": function, "calls": calls})

    return call


def _problems(count: int, seed: int):
    rng = np.random.default_rng(seed)
    for i in range(count):
        model = list(ol.MODELS.values())[i % 3]
        x = float(rng.uniform(model.x_low, model.x_high))
        yield (
            model,
            round(x) if model.x_step else x,
            float(rng.normal(0, 1.5)),
            float(rng.uniform(-14, 3)),
        )


def test_the_models_and_limits_are_those_of_the_package(node):
    found = node('import * as math from "./elbo_math.js"; answer(math);')
    assert (found["LOWEST_S"], found["HIGHEST_S"], found["FARTHEST"]) == (
        ol.LOWEST_S, ol.HIGHEST_S, ol.FARTHEST,
    )  # fmt: skip
    assert list(found["LATENT_MODELS"]) == list(ol.MODELS)
    for name, ours in ol.MODELS.items():
        model = found["LATENT_MODELS"][name]
        assert (model["low"], model["high"], model["start"]) == (ours.x_low, ours.x_high, ours.x_default)
        assert model["whole"] == bool(ours.x_step)


def test_evidence_and_every_term_agree_with_the_package(js):
    problems = list(_problems(90, seed=1))
    evidences = js("logEvidence", [[model.name, x] for model, x, _, _ in problems])
    calls = [
        [model.name, x, {"m": m, "s": s}, evidence]
        for (model, x, m, s), evidence in zip(problems, evidences, strict=True)
    ]
    for (model, x, m, s), terms in zip(problems, js("boundTerms", calls), strict=True):
        ours = ol.terms(model, x, m, s)
        found = [
            terms[key] for key in ("evidence", "elbo", "gap", "joint", "entropy", "reconstruction", "prior")
        ]
        np.testing.assert_allclose(found, ours, rtol=1e-11, atol=1e-10)


def test_the_densities_agree_with_the_package(node):
    z = np.linspace(-3, 3, 25)
    for model, x, m, s in _problems(9, seed=2):
        found = node(
            """import { logApproximation, logEvidence, logPosterior } from "./elbo_math.js";
            const { name, x, q, z } = data;
            answer([z.map(logPosterior(name, x, logEvidence(name, x))), z.map(logApproximation(q))]);""",
            {"name": model.name, "x": x, "q": {"m": m, "s": s}, "z": z.tolist()},
        )
        np.testing.assert_allclose(found[0], ol.log_posterior(model, x, z), rtol=1e-11, atol=1e-10)
        np.testing.assert_allclose(found[1], ol.gaussian_log_density(z, m, np.exp(s / 2)), rtol=1e-11)


@pytest.mark.parametrize("entropy", [True, False])
def test_the_climb_is_that_of_the_package(node, entropy):
    problems = list(_problems(18, seed=3))
    paths = node(
        """import { ascend } from "./elbo_math.js";
        answer(data.map(([name, x, q, entropy]) => {
          const path = [q];
          for (let i = 0; i < 25; i++) path.push(ascend(name, x, path.at(-1), entropy));
          return path;
        }));""",
        [[model.name, x, {"m": m, "s": s}, entropy] for model, x, m, s in problems],
    )
    for (model, x, m, s), path in zip(problems, paths, strict=True):
        ours = ol.climb(model, x, m, s, steps=25, entropy=entropy)
        np.testing.assert_allclose([q["m"] for q in path], ours.m, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose([q["s"] for q in path], ours.s, rtol=1e-6, atol=1e-6)
