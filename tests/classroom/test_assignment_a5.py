"""Assignment A5: the solutions against torch.distributions and quadrature, and the capstone's scale and its defences.

How models of all kinds fare on the scale takes minutes to train, and is in tests/benchmarks/capstone_scale.py.
"""

import copy
import json
import pickle
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import distributions, nn
from torch.nn import functional as F

from vaecourse import assignments, capstone
from vaecourse.assignments import creatures_vae as module
from vaecourse.assignments.core import visible_stream
from vaecourse.classroom import grading, kernel, records
from vaecourse.classroom.init import init
from vaecourse.classroom.records import Submission
from vaecourse.creatures import creatures
from vaecourse.exercises import cases, core, words
from vaecourse.lesson import check

from .wrong_answers_a5 import AVERAGE, SOME, constant

SOURCE = Path(__file__).parents[2] / "notebooks" / "assignments" / "A5.ipynb"
SOLVED = assignments.with_solutions("A5", SOURCE)
EXERCISES = {e.name.split("/")[1]: e for e in SOLVED.exercises}
CAPSTONE = EXERCISES["my_vae"]


def reference(name):
    return EXERCISES[name].reference


def plain(network) -> list:
    layers = []
    for part in network:
        if isinstance(part, nn.Linear):
            layers.append([part.weight.tolist(), part.bias.tolist(), "identity"])
        else:
            layers[-1][2] = type(part).__name__.lower()
    return layers


@pytest.fixture(scope="module")
def trained():
    """A VAE made of the solutions, trained for a few seconds: better than every baseline, not yet good."""
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Linear(400, 64), nn.ReLU(), nn.Linear(64, 16))
    decoder = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 400))
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=4e-3)
    x = torch.from_numpy(creatures(3000, np.random.default_rng(0)).images)
    for _ in range(12):
        for rows in torch.randperm(len(x)).split(60):
            m, s = encoder(x[rows]).chunk(2, 1)
            logits = decoder(reference("draw_code")(m, s, torch.randn_like(s)))
            optimizer.zero_grad()
            reference("loss")(x[rows], logits, m, s).backward()
            optimizer.step()
    return [plain(encoder), plain(decoder)]


def judged(handed, seed=0):
    made = core.cases(CAPSTONE, np.random.default_rng([seed]))
    return core.verdict(CAPSTONE, made, core.run_all(lambda: handed, made, (), 20))


# The solutions


def rows(n, d, seed=0):
    return np.random.default_rng(seed).normal(0, 1.5, (n, d))


def test_the_kl_is_that_of_torch_and_of_quadrature():
    m, s = rows(20, 3), rows(20, 3, 1)
    found = reference("kl_term")(m, s)
    q = distributions.Normal(torch.tensor(m), torch.tensor(np.exp(s / 2)))
    prior = distributions.Normal(torch.zeros(20, 3).double(), torch.ones(20, 3).double())
    np.testing.assert_allclose(found, distributions.kl_divergence(q, prior).sum(1), rtol=1e-10)
    mean, sd = m[0, 0], np.exp(s[0, 0] / 2)
    log_ratio = lambda z: stats.norm(mean, sd).logpdf(z) - stats.norm.logpdf(z)  # noqa: E731
    by_quadrature = integrate.quad(
        lambda z: stats.norm(mean, sd).pdf(z) * log_ratio(z), mean - 12 * sd, mean + 12 * sd
    )[0]
    np.testing.assert_allclose(reference("kl_term")(m[:1, :1], s[:1, :1]), by_quadrature, rtol=1e-8)


def test_the_log_likelihood_is_that_of_torch():
    x, logits = np.random.default_rng(0).uniform(size=(20, 7)), 4 * rows(20, 7)
    coins = distributions.Bernoulli(logits=torch.tensor(logits), validate_args=False)
    np.testing.assert_allclose(
        reference("log_likelihood")(x, logits), coins.log_prob(torch.tensor(x)).sum(1), rtol=1e-10
    )


def test_the_drawn_code_has_the_mean_and_the_variance_announced():
    m, s = np.full((200_000, 2), [1.0, -2.0]), np.full((200_000, 2), [0.5, -1.0])
    c = np.asarray(reference("draw_code")(m, s, np.random.default_rng(0).standard_normal(m.shape)))
    np.testing.assert_allclose(c.mean(0), [1, -2], atol=0.02)
    np.testing.assert_allclose(c.var(0), np.exp([0.5, -1.0]), rtol=0.02)


def test_the_loss_is_the_mean_negative_elbo_and_lets_the_gradient_through():
    x, m, s = np.random.default_rng(0).uniform(size=(9, 5)), rows(9, 2), rows(9, 2, 1)
    logits = torch.tensor(rows(9, 5, 2), requires_grad=True)
    value = reference("loss")(x, logits, m, s)
    q = distributions.Normal(torch.tensor(m), torch.tensor(np.exp(s / 2)))
    kl = distributions.kl_divergence(q, distributions.Normal(torch.tensor(0.0), torch.tensor(1.0))).sum(1)
    bce = F.binary_cross_entropy_with_logits(logits, torch.tensor(x), reduction="none").sum(1)
    assert value.item() == pytest.approx((kl + bce).mean().item(), rel=1e-7)
    value.backward()
    np.testing.assert_allclose(
        logits.grad, (torch.sigmoid(logits.detach()) - torch.tensor(x)) / 9, atol=1e-12
    )


@pytest.mark.parametrize("name", ["kl_term", "log_likelihood", "draw_code", "loss"])
@pytest.mark.parametrize(
    "constant",
    [
        lambda *call: 0.0,
        lambda *call: np.zeros(len(call[0])),
        lambda *call: np.ones(len(call[0])),
        lambda *call: -np.ones(len(call[0])),
        lambda *call: np.zeros_like(call[0]),
        lambda *call: np.full(len(call[0]), np.nan),
        lambda *call: np.nan,
        lambda *call: np.inf,
    ],
)
def test_a_constant_earns_nothing(name, constant):
    made = core.cases(EXERCISES[name], np.random.default_rng(3))
    report = core.verdict(EXERCISES[name], made, core.run_all(constant, made, EXERCISES[name].parameters))
    assert report.points == 0, words.text(report)


# The capstone: what is measured


def test_a_little_training_beats_every_baseline_and_is_not_yet_good(trained):
    report = judged(trained)
    held = {r.property.name: r.passed for r in report.results}
    assert 4 <= report.points < CAPSTONE.points
    assert (
        held["−ELBO of at most 72 nats on new creatures"]
        and not held["−ELBO of at most 59 nats on new creatures"]
    )
    assert judged(AVERAGE).points == judged(constant(SOME[0])).points == 1  # it can be used, and that is all


def test_points_of_counts_what_the_properties_give(trained):
    for handed in (trained, AVERAGE):
        found = module.scores(capstone.read_model(handed, module.PIXELS), (0,))
        assert module.points_of(found) == judged(handed).points
    perfect = capstone.Scores(50.0, 8.0, 1.0, 1.0, (0.99,) * 5, 6)
    assert module.points_of(perfect) == CAPSTONE.points == 11


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_no_score_that_is_not_a_number_earns_a_point(bad):
    lost = capstone.Scores(bad, bad, bad, bad, (-bad,) * 5, 0)
    assert module.points_of(lost) == 1


def test_each_goal_is_decided_by_its_own_number():
    good = capstone.Scores(50.0, 8.0, 1.0, 1.0, (0.99,) * 5, 6)
    for change, lost in (
        ({"negative_elbo": 59.01}, 1),
        ({"negative_elbo": 60.51}, 2),
        ({"negative_elbo": 63.01}, 3),
        ({"negative_elbo": 72.01}, 4),
        ({"negative_elbo": 85.01}, 5),
        ({"distance": 1.16}, 1),
        ({"coverage": 1.16}, 1),
        ({"distance": 1.51}, 2),
        ({"coverage": 1.51}, 2),
        ({"r2": (0.99, 0.99, 0.99, 0.99, 0.74)}, 1),
        ({"r2": (0.49,) * 5}, 2),
        ({"in_use": 2}, 1),
    ):
        assert module.points_of(good._replace(**change)) == 11 - lost, change


def test_the_scale_told_in_the_notebook_is_the_scale():
    told = "".join("".join(c["source"]) for c in json.loads(SOURCE.read_text(encoding="utf-8"))["cells"])
    assert "at most 85, 72, 63, 60.5, 59 |" in told and "both at most 1.5, 1.15 |" in told
    assert "0.5 on average; 0.75 for each" in told and f"above {capstone.IN_USE} nats | three or more" in told
    for limit in ("8 `nn.Linear`", "2048 wide", "32 dimensions", "two million numbers"):
        assert limit in told
    limits = (capstone.MOST_LAYERS, capstone.MOST_WIDTH, capstone.MOST_LATENT, capstone.MOST_NUMBERS)
    assert limits == (8, 2048, 32, 2_000_000)
    assert (SOLVED.limits.seconds, SOLVED.limits.cell_seconds) == (300, 180)


# The capstone: who measures, and on what


def test_the_creatures_come_from_the_secret_and_are_the_same_for_every_property(trained):
    made = core.cases(CAPSTONE, np.random.default_rng([1, 2, 3]))
    assert {case.seed for group in made for case in group} == {(1, 2, 3)}
    assert judged(trained, 1).results != judged(trained, 2).results
    told = {judged(trained, seed).first_failure.sentence for seed in (1, 2)}
    assert len(told) == 2
    visible = core.cases(CAPSTONE, visible_stream(CAPSTONE))[0][0]
    assert visible.seed == module.VISIBLE


def test_the_seed_does_not_leave_with_the_case():
    case = cases.sealed_value(np.random.default_rng([9, 9]))[0]
    for copied in (pickle.loads(pickle.dumps(case)), copy.deepcopy(case), json.loads(json.dumps(case))):
        assert not hasattr(copied, "seed")
    assert repr(case) == "((),)" == repr(pickle.loads(pickle.dumps(case))) and case == ((),)


def test_a_students_installation_measures_on_creatures_of_its_own(trained):
    known = next(e for e in assignments.assignment("A5").exercises if e.name == CAPSTONE.name)
    made = core.cases(known, np.random.default_rng(5))
    report = core.verdict(known, made, core.run_all(lambda: trained, made, (), 20))
    found = module.scores(capstone.read_model(trained, module.PIXELS), module.VISIBLE)
    assert report.points == module.points_of(found)
    assert f"{found.negative_elbo:.2f} nats" in words.text(report)


def test_check_tells_what_was_measured(trained, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("VAECOURSE_HOME", str(tmp_path))
    check("A5/my_vae", trained)  # a value will do as well as a function
    told = capsys.readouterr().out
    assert "Your answer has a −ELBO of" in told and "Hint: " in told and len(told) < 4000
    check("A5/my_vae", lambda: [trained[0], trained[0]])
    told = capsys.readouterr().out
    assert "Your answer is networks that cannot be used: the decoder takes" not in told
    assert "networks that cannot be used: the decoder gives 16 numbers, but a picture has 400 pixels." in told


HOSTILE = {
    "text": "the networks",
    "a number": 1.0,
    "nothing": None,
    "truth": True,
    "an empty list": [],
    "one network": [AVERAGE[0]],
    "three networks": [*AVERAGE, AVERAGE[0]],
    "a deep hole": json.loads("[" * 400 + "]" * 400),
    "text for weights": [[["exit()", [0.0] * 4, "relu"]], AVERAGE[1]],
    "code for an activation": [[[AVERAGE[0][0][0], AVERAGE[0][0][1], "__import__('os')"]], AVERAGE[1]],
    "nan": [AVERAGE[0], [[AVERAGE[1][0][0], [float("nan")] * 400, "identity"]]],
    "infinity": [AVERAGE[0], [[AVERAGE[1][0][0], [float("inf")] * 400, "identity"]]],
    "numbers beyond numbers": [AVERAGE[0], [[AVERAGE[1][0][0], [10**5000] * 400, "identity"]]],
    "too wide": [[[[[0.0] * 400] * 3000, [0.0] * 3000, "identity"]], AVERAGE[1]],
    "too deep": [AVERAGE[0] * 100, AVERAGE[1]],
    "ragged": [[[[[0.0] * 400, [0.0] * 399] * 2, [0.0] * 4, "identity"]], AVERAGE[1]],
    "swapped": AVERAGE[::-1],
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_cannot_be_used_fails_every_property_in_a_sentence(kind):
    made = core.cases(CAPSTONE, np.random.default_rng(0))
    outcome = core.Outcome(outputs=(HOSTILE[kind],))  # as it comes out of the jail
    report = core.verdict(CAPSTONE, made, [[outcome] * len(group) for group in made])
    assert report.points == 0 and not report.solved
    if not report.untouched:
        said = report.first_failure.sentence
        assert (
            said.startswith("returned networks that cannot be used: ")
            and said.endswith(".")
            and len(said) < 250
        )
        assert "import" not in said and "exit" not in said


@pytest.mark.parametrize("size", [1e30, 1e200])
def test_enormous_weights_are_measured_without_an_error(size, trained):
    wild = copy.deepcopy(trained)
    for network in wild:
        for layer in network:
            layer[0] = (np.array(layer[0]) * size).tolist()
    report = judged(wild)
    assert report.results[0].passed and not report.solved and report.points <= 4


def test_a_model_of_the_largest_size_is_measured_in_seconds():
    rng = np.random.default_rng(0)
    layer = lambda o, i, a: [rng.normal(0, 0.03, (o, i)).round(3).tolist(), [0.0] * o, a]  # noqa: E731
    large = [[layer(2000, 400, "silu"), layer(64, 2000, "identity")]]
    large += [[layer(1400, 32, "silu"), layer(400, 1400, "identity")]]
    assert judged(large).results[0].passed  # the limit of the test run is what stops it otherwise


# Through the jail, and with a class's secret


@pytest.fixture(scope="module")
def hidden(tmp_path_factory):
    folder = init(tmp_path_factory.mktemp("classes") / "class", say=lambda sentence: None)
    return grading.hidden(folder, assignments.with_solutions("A5", SOURCE))


def through_the_jail(hidden, *cells):
    """The verdicts on a notebook with these cells, by function."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    submission = Submission("ann", "A5", json.loads(json.dumps(notebook)), "d" * 64)
    grade = grading.judge(submission, kernel.run(grading.task(submission, hidden)), hidden)
    return {v.exercise.split("/")[1]: v for v in grade.verdicts}


def test_the_secret_decides_on_which_creatures(hidden, tmp_path, trained):
    other = grading.hidden(
        init(tmp_path / "class", say=lambda sentence: None), assignments.with_solutions("A5", SOURCE)
    )
    seeds = [{case.seed for group in h.cases[CAPSTONE.name] for case in group} for h in (hidden, other)]
    assert [len(s) for s in seeds] == [1, 1] and seeds[0] != seeds[1] and seeds[0] != {module.VISIBLE}
    asks = [
        ask for ask in grading.task(Submission("ann", "A5", nbformat.v4.new_notebook(), "d"), hidden).asks
    ]
    sent = pickle.dumps([ask for ask in asks if ask.function == "my_vae"])
    assert not any(hasattr(c, "seed") for ask in pickle.loads(sent) for c in ask.cases)


KL = "def kl_term(m, s):\n    return 0.5 * (np.exp(s) - 1 - s + m**2).sum(1)"


@pytest.mark.usefixtures("needs_jail")
def test_plain_lists_come_out_of_the_jail_and_are_measured(hidden):
    cells = [
        "import numpy as np\nfrom vaecourse.creatures import creatures",
        KL,
        "p = creatures(500, np.random.default_rng(0)).images.mean(0).clip(1e-4, 1 - 1e-4)",
        "def my_vae():\n"
        "    encoder = [[np.zeros((4, 400)), np.zeros(4), 'identity']]\n"
        "    return encoder, [(np.zeros((400, 2)), np.log(p / (1 - p)), 'identity')]",
    ]
    verdicts = through_the_jail(hidden, *cells)
    assert verdicts["kl_term"].verdict == records.PASSED
    vae = verdicts["my_vae"]
    assert (vae.verdict, vae.points, vae.failed) == (records.FAILED, 1, module.GOALS[0].name)
    assert vae.hint == module.GOALS[0].hint


BAD = {
    "a reply beyond all limits": ("'0' * 40_000_000", records.CRASH),
    "objects": ("[object(), object()]", records.FAILED),
    "a list in itself": ("(lambda a: a.append(a) or a)([])", records.FAILED),
    "too wide": ("[[[[[0.0] * 400] * 3000, [0.0] * 3000, 'relu']], []]", records.FAILED),
    "a long way down": (
        "__import__('functools').reduce(lambda a, _: [a], range(100_000), [])",
        records.FAILED,
    ),
}


@pytest.mark.usefixtures("needs_jail")
@pytest.mark.parametrize("kind", BAD)
def test_a_bad_reply_costs_the_capstone_and_nothing_else(hidden, kind):
    expression, verdict = BAD[kind]
    verdicts = through_the_jail(hidden, "import numpy as np", f"def my_vae():\n    return {expression}", KL)
    assert verdicts["kl_term"].verdict == records.PASSED
    assert (verdicts["my_vae"].verdict, verdicts["my_vae"].points) == (verdict, 0)
    assert "object" not in verdicts["my_vae"].sentence
