"""The training loop of the course: plain, for every model whose objective is a number per picture to be raised.

`train` goes over the data in random order and raises the mean of `objective(model, batch, generator).total` with
Adam. With a `checkpoint` file it can be interrupted at any moment and goes on where the last epoch ended, to the very
same weights as if nothing had happened.
"""

import copy
import functools
import io
import math
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from .errors import CourseError
from .home import writable


class History(NamedTuple):
    """Means over the pictures, epoch by epoch, in nats: `train["total"]`, and the objective's terms by their names.

    The training numbers are averages over an epoch, while the model learns; the held-out ones are taken at its end,
    with the same noise at every epoch. `planned` is how many epochs were asked for.
    """

    planned: int
    train: dict[str, list[float]]
    held_out: dict[str, list[float]]

    @property
    def epochs(self) -> int:
        """How many epochs are complete."""
        return len(self.train.get("total", ()))


def one_cycle(done: float) -> float:
    """Return the factor of the learning rate when the part `done`, 0 to 1, of the training is over.

    A straight rise over the first tenth, then half a cosine down to zero (after Smith and Topin 2017).
    """
    return done / 0.1 if done < 0.1 else 0.5 * (1 + math.cos(math.pi * (done - 0.1) / 0.9))


def train(
    model: nn.Module,
    x: Tensor,
    objective: Callable,
    *,
    epochs: int,
    held_out: Tensor | None = None,
    batch: int = 64,
    learning_rate: float = 1e-2,
    seed: int = 0,
    device: torch.device | str = "cpu",
    checkpoint: str | Path | None = None,
    every: int = 10,
    progress: bool = True,
) -> History:
    """Train `model` on the pictures x, shape (n, inputs), and return the history; the model is left in `eval` mode.

    `objective(model, batch, generator)` returns a record of terms, shapes (n,), with their `total`. The order of the
    pictures and all noise come from `seed`. With `checkpoint`, the state is written to that file every `every` epochs
    and at the end; if the file is there already, training goes on from it. A name without a suffix is a folder, with a
    file for each choice of settings: after a change training starts afresh, and what was there is still there.

    An interrupt (Ctrl-C, or the stop button) is not an error: the model goes back to the end of the last complete
    epoch, the checkpoint is written, and the history so far is returned.
    Raises CourseError, and touches no file, if the checkpoint is damaged or was made with other settings or data;
    FloatingPointError, the model back at its last complete epoch, if the objective stops being a finite number.
    """
    for name, value in {"epochs": epochs, "batch": batch, "every": every}.items():
        if value < 1:
            raise ValueError(f"{name} is {value}; it must be at least 1.")
    if not 0 < learning_rate < math.inf:
        raise ValueError(f"learning_rate is {learning_rate}; it must be a finite number above zero.")
    model.to(device)
    x = model.checked(x)
    held_out = None if held_out is None else model.checked(held_out)
    generator = torch.Generator(x.device).manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate, fused=True)
    settings = {"model": str(model), "objective": _name(objective), "data": _fingerprint(x), "epochs": epochs}
    settings |= {"batch": batch, "learning_rate": learning_rate, "seed": seed, "device": x.device.type}
    run = _Run(model, optimizer, generator, History(epochs, {}, {}), settings)
    if checkpoint is not None:
        run.open(Path(checkpoint).expanduser())

    try:
        with tqdm(total=epochs, initial=run.history.epochs, unit="epoch", disable=not progress) as bar:
            for epoch in range(run.history.epochs, epochs):
                model.train()
                sums: dict[str, Tensor] = {}
                batches = torch.randperm(len(x), generator=generator, device=x.device).split(batch)
                for step, rows in enumerate(batches):
                    optimizer.param_groups[0]["lr"] = learning_rate * one_cycle(
                        (epoch + step / len(batches)) / epochs
                    )
                    terms = objective(model, x[rows], generator)
                    loss = -terms.total.mean()
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    for name, value in _named(terms):
                        sums[name] = sums.get(name, 0) + value.detach().sum()
                run.complete(
                    {name: float(value) / len(x) for name, value in sums.items()}, held_out, objective
                )
                bar.set_postfix(loss=f"{-run.history.train['total'][-1]:.2f}", refresh=False)
                bar.update()
                if run.history.epochs % every == 0:
                    run.save()
    except KeyboardInterrupt:
        run.go_back()
        tqdm.write(f"Stopped after epoch {run.history.epochs} of {epochs}; the model is as it was then.")
    except FloatingPointError:
        run.go_back()
        raise
    finally:
        model.eval()
        run.save()
    return run.history


def best_device() -> torch.device:
    """Return the CUDA device where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class _Run:
    """The state of one training: what has to come back, bit for bit, for it to go on."""

    def __init__(self, model, optimizer, generator, history, settings):
        self.model, self.optimizer, self.generator = model, optimizer, generator
        self.history, self.settings = history, settings
        self.path, self.saved = None, None
        self.last = self._state()

    def _state(self) -> dict:
        return copy.deepcopy(
            {
                "settings": self.settings,
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "generator": self.generator.get_state(),
                "train": self.history.train,
                "held_out": self.history.held_out,
            }
        )

    def _restore(self, state: dict) -> None:
        own = copy.deepcopy(state)  # the optimizer keeps the very tensors that it is given, and changes them
        self.model.load_state_dict(own["model"])
        self.optimizer.load_state_dict(own["optimizer"])
        self.generator.set_state(own["generator"])
        self.history = self.history._replace(train=own["train"], held_out=own["held_out"])
        self.last = state

    def go_back(self) -> None:
        self._restore(self.last)

    @torch.no_grad()
    def complete(self, means: dict[str, float], held_out: Tensor | None, objective: Callable) -> None:
        """End an epoch: measure, take the numbers into the history, and keep a copy of everything."""
        measured = {}
        if held_out is not None:
            self.model.eval()
            noise = torch.Generator(held_out.device).manual_seed(self.settings["seed"] + 1)
            measured = {
                name: value.mean().item() for name, value in _named(objective(self.model, held_out, noise))
            }
        if not all(map(math.isfinite, means.values())):
            raise FloatingPointError(
                f"The objective is no longer a finite number in epoch {self.history.epochs + 1}: "
                f"a learning_rate below {self.settings['learning_rate']:g} is the first thing to try."
            )
        for numbers, new in ((self.history.train, means), (self.history.held_out, measured)):
            for name, value in new.items():
                numbers.setdefault(name, []).append(value)
        self.last = self._state()

    def open(self, path: Path) -> None:
        """Go on from the checkpoint `path` if it is there; from now on the state is kept in it."""
        if not path.suffix:
            path = path / f"{zlib.crc32(repr(self.settings).encode()):08x}.pt"
        writable(path.parent, "name a checkpoint in a folder that you can write")
        if path.exists():
            advice = "name another file, or delete this one to start from the beginning"
            try:
                state = torch.load(path, map_location="cpu", weights_only=True)
                settings = state["settings"]
                differing = [name for name in self.settings if settings[name] != self.settings[name]]
            except Exception as error:  # a damaged file fails in as many ways as there are bytes in it
                raise CourseError(
                    f"The checkpoint {path} is damaged and cannot be read: {advice}."
                ) from error
            if differing:
                name = differing[0]
                was = "" if name in ("model", "data") else f" ({settings[name]}, now {self.settings[name]})"
                raise CourseError(f"The checkpoint {path} was made with another {name}{was}: {advice}.")
            self._restore(state)
            self.saved = self.last
        self.path = path

    def save(self) -> None:
        """Write the last complete epoch to the checkpoint; a crash on the way leaves the old file whole."""
        if self.path is None or self.saved is self.last:
            return
        last, buffer = self.last, io.BytesIO()
        torch.save(last, buffer)
        part = self.path.with_name(self.path.name + ".part")
        try:
            part.write_bytes(buffer.getvalue())
            os.replace(part, self.path)
        except OSError as error:
            raise CourseError(f"The checkpoint {self.path} cannot be written ({error.strerror}).") from error
        self.saved = last


def _named(terms) -> list[tuple[str, Tensor]]:
    return [*terms._asdict().items(), ("total", terms.total)]


def _name(objective: Callable) -> str:
    if isinstance(objective, functools.partial):
        return f"{_name(objective.func)}{objective.args}{sorted(objective.keywords.items())}"
    return getattr(objective, "__qualname__", type(objective).__qualname__)


def _fingerprint(x: Tensor) -> str:
    return f"{tuple(x.shape)} {x.dtype} {zlib.crc32(x.cpu().contiguous().numpy()):08x}"
