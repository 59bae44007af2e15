"""The training loop: plain descent, histories, and checkpoints that survive interrupts, damage and wrong settings."""

import functools
import os
import signal
import threading

import numpy as np
import pytest
import torch

from vaecourse import training
from vaecourse.autoencoder import Autoencoder, reconstruction
from vaecourse.errors import CourseError
from vaecourse.training import one_cycle, train
from vaecourse.vae import VAE, Gaussian, elbo, objective


def fresh(seed: int = 0, kind=VAE, **options):
    return kind(12, 16, 3, generator=torch.Generator().manual_seed(seed), **options)


def pictures(n: int = 70) -> torch.Tensor:
    return torch.rand(n, 12, generator=torch.Generator().manual_seed(7), dtype=torch.float64)


fit = functools.partial(train, epochs=6, batch=16, every=2, progress=False)


def same(a, b) -> bool:
    return all(
        torch.equal(p, q) for p, q in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


class InterruptAt:
    """An objective that stands for the elbo and is interrupted at the given step, as by the stop button."""

    def __init__(self, step: int, real=elbo):
        self.step, self.real, self.__qualname__ = step, real, real.__qualname__

    def __call__(self, model, x, generator):
        self.step -= 1
        if self.step < 0:
            signal.raise_signal(signal.SIGINT)
        return self.real(model, x, generator)


def test_it_is_plain_adam_on_shuffled_batches():
    """The same steps, written out, give the same weights to the last bit."""
    model, other, x = fresh(), fresh(), pictures()
    train(model, x, elbo, epochs=3, batch=16, learning_rate=0.02, seed=4, progress=False)
    generator, step = torch.Generator().manual_seed(4), 0
    optimizer = torch.optim.Adam(other.parameters(), lr=0.02, fused=True)
    for _ in range(3):
        order = torch.randperm(70, generator=generator)
        for start in range(0, 70, 16):
            optimizer.param_groups[0]["lr"] = 0.02 * one_cycle(step / 15)
            bound = elbo(other, x[order[start : start + 16]], generator)
            optimizer.zero_grad()
            (bound.kl - bound.reconstruction).mean().backward()
            optimizer.step()
            step += 1
    for p, q in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=0, atol=1e-12)


def test_the_learning_rate_rises_falls_and_ends_at_zero():
    factors = [one_cycle(done) for done in np.linspace(0, 1, 101)]
    assert factors[0] == 0 and max(factors) == factors[10] == 1 and abs(factors[-1]) < 1e-15
    assert np.all(np.diff(factors[:11]) > 0) and np.all(np.diff(factors[10:]) < 0)


def test_the_history_has_every_term_of_every_epoch():
    model, x = fresh(), pictures()
    history = fit(model, x, elbo, held_out=x[:20])
    assert history.epochs == history.planned == 6
    for numbers in (history.train, history.held_out):
        assert set(numbers) == {"reconstruction", "kl", "total"} and {len(v) for v in numbers.values()} == {6}
        np.testing.assert_allclose(np.subtract(numbers["reconstruction"], numbers["kl"]), numbers["total"])
    assert history.train["total"][-1] > history.train["total"][0] + 0.1
    with torch.no_grad():
        last = elbo(model, x[:20], torch.Generator().manual_seed(1)).total.mean().item()
    assert history.held_out["total"][-1] == pytest.approx(last)


def test_measuring_held_out_pictures_does_not_change_the_training():
    with_measure, without = fresh(), fresh()
    fit(with_measure, pictures(), elbo, held_out=pictures(9))
    fit(without, pictures(), elbo)
    assert same(with_measure, without) and not with_measure.training


@pytest.mark.parametrize("kind", ["autoencoder", "gaussian", "beta"])
def test_every_model_of_the_course_trains(kind):
    model, goal, terms = {
        "autoencoder": (fresh(kind=Autoencoder), reconstruction, {"reconstruction", "total"}),
        "gaussian": (fresh(likelihood=Gaussian(0.1, learned=True)), elbo, {"reconstruction", "kl", "total"}),
        "beta": (fresh(), functools.partial(objective, beta=4.0), {"reconstruction", "penalty", "total"}),
    }[kind]
    history = fit(model, pictures(), goal)
    assert set(history.train) == terms and history.train["total"][-1] > history.train["total"][0]


# --- interrupt and resume -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [0, 3, 12, 24, 29])  # of 30: in the first epoch, in between, in the last
def test_an_interrupted_and_resumed_run_gives_the_same_weights(tmp_path, step, capsys):
    whole, x, path = fresh(), pictures(), tmp_path / "run.pt"
    uninterrupted = fit(whole, x, elbo, held_out=x[:5])
    broken = fresh()
    history = fit(broken, x, InterruptAt(step), checkpoint=path)
    assert history.epochs == step // 5 and path.exists() and not broken.training
    assert f"Stopped after epoch {step // 5} of 6" in capsys.readouterr().out
    resumed = fresh(seed=99)
    history = fit(resumed, x, elbo, checkpoint=path)
    assert same(whole, resumed)
    assert history.train == uninterrupted.train and history.epochs == 6
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"]


def test_an_interrupt_puts_the_model_back_to_the_end_of_its_last_epoch():
    x, broken, two = pictures(), fresh(), fresh()
    weights = []

    def remember(model, rows, generator):
        weights.append([p.detach().clone() for p in model.parameters()])
        return elbo(model, rows, generator)

    fit(two, x, remember)
    fit(broken, x, InterruptAt(13))  # in the middle of the third epoch, so back to its start: step 10
    assert all(torch.equal(p, q) for p, q in zip(broken.parameters(), weights[10], strict=True))
    assert torch.isfinite(elbo(broken, x, torch.Generator()).total).all()


def test_it_can_be_interrupted_again_and_again(tmp_path):
    whole, x, path = fresh(), pictures(), tmp_path / "run.pt"
    fit(whole, x, elbo)
    steps = [
        7,
        3,
        7,
        3,
        4,
        12,
        0,
        8,
        1,
    ]  # also in the very first epoch after a resume, which must leave no trace
    reached = [fit(fresh(), x, InterruptAt(step), checkpoint=path).epochs for step in steps]
    assert reached == [1, 1, 2, 2, 2, 4, 4, 5, 5]
    resumed = fresh()
    fit(resumed, x, elbo, checkpoint=path)
    assert same(whole, resumed)


def test_a_real_interrupt_at_a_random_moment(tmp_path):
    """A signal from outside, wherever it lands: in a step, in the snapshot, in the measuring."""
    whole, x, path = fresh(), pictures(300), tmp_path / "run.pt"
    fit(whole, x, elbo, epochs=30)
    history, attempts = None, 0
    while history is None or history.epochs < 30:
        attempts += 1
        assert attempts < 40
        timer = threading.Timer(0.06 * attempts, signal.raise_signal, (signal.SIGINT,))
        model, history = fresh(), None
        timer.start()
        try:
            history = fit(model, x, elbo, epochs=30, checkpoint=path)
            timer.cancel()
            timer.join()
        except KeyboardInterrupt:  # it came before the first step, or after the last
            pass
    assert same(whole, model) and attempts > 1


def test_a_finished_checkpoint_is_taken_as_it_is(tmp_path):
    x, path = pictures(), tmp_path / "run.pt"
    first = fit(fresh(), x, elbo, checkpoint=path)
    written, model = path.stat().st_mtime_ns, fresh(seed=5)

    def never(*_):
        raise AssertionError("there was nothing left to train")

    never.__qualname__ = "elbo"
    assert fit(model, x, never, checkpoint=path) == first
    assert path.stat().st_mtime_ns == written


def test_checkpoints_come_every_few_epochs_and_survive_a_crash(tmp_path):
    """A crash that no interrupt handler sees leaves the file of the last `every`, and no half-written one."""
    whole, x, path = fresh(), pictures(), tmp_path / "run.pt"
    fit(whole, x, elbo)
    kept = []

    def crash(model, rows, generator):
        if len(kept) == 24:
            raise MemoryError
        kept.append(path.read_bytes() if path.exists() else b"")
        return elbo(model, rows, generator)

    crash.__qualname__ = "elbo"
    with pytest.raises(MemoryError):
        fit(fresh(), x, crash, checkpoint=path)
    assert kept[9] == b"" and kept[10] == kept[19] != kept[20]
    resumed = fresh()
    fit(resumed, x, elbo, checkpoint=path)
    assert same(whole, resumed)


# --- what must not happen -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "text", "other"])
def test_a_damaged_checkpoint_is_named_and_kept(tmp_path, damage):
    x, path = pictures(), tmp_path / "run.pt"
    fit(fresh(), x, InterruptAt(12), checkpoint=path)
    content = path.read_bytes()
    if damage == "other":
        torch.save({"weights": [1, 2]}, path)
    else:
        path.write_bytes(
            {
                "empty": b"",
                "cut": content[: len(content) // 2],
                "flipped": content[:300] + bytes(b ^ 255 for b in content[300:900]) + content[900:],
                "text": b"not a checkpoint at all",
            }[damage]
        )
    before, model, untouched = path.read_bytes(), fresh(), fresh()
    with pytest.raises(
        CourseError, match=r"run\.pt is damaged and cannot be read: name another file, or delete"
    ):
        fit(model, x, elbo, checkpoint=path)
    assert path.read_bytes() == before and same(model, untouched)
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"]


@pytest.mark.parametrize(
    ("sentence", "model", "goal", "rows", "options"),
    [
        (r"another batch \(16, now 32\)", VAE, elbo, 70, {"batch": 32}),
        (r"another epochs \(6, now 9\)", VAE, elbo, 70, {"epochs": 9}),
        (r"another seed \(0, now 1\)", VAE, elbo, 70, {"seed": 1}),
        (r"another learning_rate \(0\.01, now 0\.1\)", VAE, elbo, 70, {"learning_rate": 0.1}),
        (r"another objective \(elbo, now objective", VAE, functools.partial(objective, beta=2.0), 70, {}),
        ("another model: name another file", Autoencoder, reconstruction, 70, {}),
        ("another data: name another file", VAE, elbo, 69, {}),
    ],
)
def test_a_checkpoint_of_another_training_is_named_and_kept(tmp_path, sentence, model, goal, rows, options):
    path = tmp_path / "run.pt"
    fit(fresh(), pictures(), InterruptAt(12), checkpoint=path)
    before = path.read_bytes()
    with pytest.raises(CourseError, match=sentence):
        fit(fresh(kind=model), pictures(rows), goal, checkpoint=path, **options)
    assert path.read_bytes() == before


def test_a_checkpoint_cannot_run_code(tmp_path):
    class Harm:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harm"),)

    torch.save({"settings": Harm()}, tmp_path / "run.pt")
    with pytest.raises(CourseError, match="damaged"):
        fit(fresh(), pictures(), elbo, checkpoint=tmp_path / "run.pt")
    assert not (tmp_path / "harm").exists()


def test_a_folder_that_cannot_hold_the_checkpoint_is_named_before_the_training(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")

    def never(*_):
        raise AssertionError("trained before the folder was looked at")

    with pytest.raises(
        CourseError, match=r"cannot be used .*name a checkpoint in a folder that you can write"
    ):
        fit(fresh(), pictures(), never, checkpoint=tmp_path / "file" / "run.pt")


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    x, path = pictures(), tmp_path / "run.pt"
    fit(fresh(), x, InterruptAt(12), checkpoint=path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(training.os, "replace", full)
    with pytest.raises(CourseError, match=r"run\.pt cannot be written \(No space left on device\)"):
        fit(fresh(), x, elbo, checkpoint=path)
    assert path.read_bytes() == before


def test_a_training_that_blows_up_says_so_and_keeps_the_last_good_epoch(tmp_path):
    model, x, path = fresh(), pictures(), tmp_path / "run.pt"
    calls = []

    def poisoned(model, rows, generator):
        calls.append(1)
        bound = elbo(model, rows, generator)
        return bound._replace(kl=bound.kl * float("nan")) if len(calls) > 12 else bound

    with pytest.raises(
        FloatingPointError, match=r"no longer a finite number in epoch 3: a learning_rate below 0\.01"
    ):
        fit(model, x, poisoned, checkpoint=path)
    assert torch.isfinite(elbo(model, x, torch.Generator()).total).all()
    assert len(torch.load(path, weights_only=True)["train"]["total"]) == 2


def test_bad_settings_are_refused():
    for options, sentence in (
        ({"epochs": 0}, "epochs is 0; it must be at least 1"),
        ({"batch": 0}, "batch is 0"),
        ({"every": 0}, "every is 0"),
        ({"learning_rate": -1.0}, "learning_rate is -1.0; it must be a finite number above zero"),
    ):
        with pytest.raises(ValueError, match=sentence):
            fit(fresh(), pictures(), elbo, **options)


def test_the_bar_shows_the_loss_on_stderr_and_nothing_on_stdout(capfd):
    train(fresh(), pictures(), elbo, epochs=40, batch=16)
    out, err = capfd.readouterr()
    assert out == "" and "loss=" in err and "epoch" in err
    fit(fresh(), pictures(), elbo)
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_the_same_code_trains_on_a_gpu(tmp_path):
    x, path = pictures(), tmp_path / "run.pt"
    on_gpu, on_cpu = fresh(), fresh()
    fit(on_gpu, x, InterruptAt(12), device=training.best_device(), checkpoint=path)
    history = fit(on_gpu, x, elbo, device=training.best_device(), checkpoint=path)
    assert history.epochs == 6 and next(on_gpu.parameters()).is_cuda
    assert history.train["total"][-1] == pytest.approx(fit(on_cpu, x, elbo).train["total"][-1], abs=0.2)
    with pytest.raises(CourseError, match=r"another device \(cuda, now cpu\)"):
        fit(fresh(), x, elbo, checkpoint=path)


def test_without_a_gpu_the_best_device_is_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert training.best_device() == torch.device("cpu")


def test_a_folder_keeps_a_checkpoint_for_each_choice_of_settings(tmp_path):
    x = pictures()

    def run(**options):
        model = VAE(x.shape[1], 8, 2, generator=torch.Generator().manual_seed(0))
        history = train(model, x, elbo, progress=False, checkpoint=tmp_path / "lesson", **options)
        return history, torch.cat([weight.flatten() for weight in model.parameters()])

    first, weights = run(epochs=3)
    longer, _ = run(epochs=4)
    again, same = run(epochs=3)
    assert (first.epochs, longer.epochs, again.epochs) == (3, 4, 3)
    assert torch.equal(weights, same) and again.train == first.train
    assert len(list((tmp_path / "lesson").glob("*.pt"))) == 2
