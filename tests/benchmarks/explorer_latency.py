"""The explorers under the hand in a real JupyterLab, beside `interact`: one table.

    python tests/benchmarks/explorer_latency.py [--repeats 3] [--case NAME ...]

Decoders 8-128-64 of an AE and a VAE side by side, 360 held-out digits, one Chromium, one server; `interact` redraws
the VAE's picture with matplotlib in the kernel, as courses do. Nothing is trained: a drag costs the same whatever the
weights are. Gates: p50 <= 17 ms, p95 <= 33 ms, >= 50 frames/s (grid: 50 ms, 140 ms, 30), settled within 50 ms, no
blank frame.
"""

import argparse
import asyncio
import secrets
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import nbformat

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))

from browser.lab import ARGUMENTS, chromium, running_lab  # noqa: E402

from benchmarks.latency import PROBE, Latency, measure, median  # noqa: E402

MODELS = """
import torch
from sklearn.datasets import load_digits
from vaecourse.autoencoder import Autoencoder
from vaecourse.vae import VAE
from vaecourse.widgets.latent_space import LatentExplorer

x, y = load_digits(return_X_y=True)
x, y, g = x[:360] / 16, y[:360], torch.Generator().manual_seed(0)
models = {"AE": Autoencoder(64, 128, 8, generator=g), "VAE": VAE(64, 128, 8, generator=g)}
with torch.no_grad():
    for model in models.values():
        for parameter in model.decoder.parameters():
            parameter *= 4  # as lively as a trained one
        model.encoder[-1].weight *= 4
"""
EXPLORER = "LatentExplorer(models, x, y)"
PICTURES = 'LatentExplorer(models, x, y, pad="pictures", axes=(6, 7))  # and the first slider is dragged'
TRAINING = """
import time
torch.set_num_threads(1)
end, model = time.monotonic() + 600, models["VAE"]
optimizer = torch.optim.Adam(model.parameters())
while time.monotonic() < end:
    optimizer.zero_grad()
    from vaecourse.vae import elbo
    (-elbo(model, torch.tensor(x), g).total.mean()).backward()
    optimizer.step()
"""
INTERACT = """
%matplotlib inline
import ipywidgets
import matplotlib.pyplot as plt

def show(**z):
    with torch.no_grad():
        picture = models["VAE"].decode(torch.tensor([list(z.values())], dtype=torch.float64)).reshape(8, 8)
    plt.figure(figsize=(2, 2))
    plt.imshow(picture, cmap="gray_r", vmin=0, vmax=1)
    plt.axis("off")
    plt.show()

ipywidgets.interact(show, **{f"z{k + 1}": ipywidgets.FloatSlider(min=-3, max=3, step=0.01) for k in range(8)});
"""
ELBO = """
from vaecourse.widgets.variational_inference import ELBOExplorer
ELBOExplorer("coin")
"""
LINE = """
import numpy as np
from vaecourse.widgets.bayesian_inference import BayesExplorer
x = np.linspace(1, 6, 12)
BayesExplorer(x, 0.4 * x - 0.3 + 0.3 * np.sin(9 * x), noise_sd=0.3)
"""
MEAN_FIELD = """
from vaecourse.widgets.mean_field import MeanFieldExplorer
MeanFieldExplorer(steps=4, forward=True)
"""
MIXTURE = """
import numpy as np
from vaecourse.widgets.gaussian_mixture import EMExplorer
rng = np.random.default_rng(0)
centres = rng.uniform(-4, 4, (6, 2))
EMExplorer(centres[np.arange(1000) % 6] + rng.normal(size=(1000, 2)), k=6, step=20)
"""
PAD, SLIDER, SEEN = "canvas[data-handle=pad]", "input[data-handle=slider]", "[data-picture]"
OUTPUT = ".jp-OutputArea-output img"


class Case(NamedTuple):
    name: str
    cells: tuple[str, ...]
    handle: str
    picture: str
    pad: bool = False
    along: str | None = None


CASES = (
    Case("pad", (MODELS, EXPLORER), PAD, SEEN, True),
    Case("slider, one of 8", (MODELS, EXPLORER), SLIDER, SEEN),
    Case("grid of 225, two models", (MODELS, PICTURES), SLIDER, "[data-picture=grid]"),
    Case("pad while the kernel trains", (MODELS, EXPLORER, TRAINING), PAD, SEEN, True),
    Case("slider while the kernel trains", (MODELS, EXPLORER, TRAINING), SLIDER, SEEN),
    Case(
        "EM: a mean, 1000 points, 6 components, step 20",
        (MIXTURE,),
        "canvas[data-handle=nearest]",
        SEEN,
        True,
    ),
    Case("ELBO: the mean of q", (ELBO,), "canvas[data-handle=nearest]", "[data-picture=bar]"),
    Case("Bayesian line: a point", (LINE,), "[data-handle]", SEEN, True),
    Case("Bayesian line: the prior", (LINE,), "[data-handle=middle]", SEEN, True),
    Case("mean field: q", (MEAN_FIELD,), "canvas[data-handle=nearest]", SEEN, True),
    Case("mean field: the correlation", (MEAN_FIELD,), "[data-handle=rho]", SEEN),
    Case("interact + imshow, one of 8", (MODELS, INTERACT), ".noUi-handle", OUTPUT, along=".noUi-base"),
)


async def run(case: Case, browser, url: str, token: str, folder: Path, repeats: int) -> list[Latency]:
    name = f"{secrets.token_hex(4)}.ipynb"
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    cells = [nbformat.v4.new_code_cell(cell.strip()) for cell in case.cells]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / name)
    context = await browser.new_context(viewport={"width": 1400, "height": 1000})
    await context.add_init_script(PROBE)
    page = await context.new_page()
    await page.goto(f"{url}/doc/tree/{name}?token={token}&reset", wait_until="domcontentloaded")
    await page.wait_for_selector(".jp-Notebook .jp-Cell")
    await page.wait_for_function(
        "jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === 'idle'"
    )
    await page.evaluate("void jupyterapp.commands.execute('notebook:run-all-cells')")
    await page.wait_for_selector(case.picture, timeout=90_000)
    await page.wait_for_timeout(2000)
    drags = await measure(page, case.handle, case.picture, along=case.along, pad=case.pad, repeats=repeats)
    await page.evaluate("jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    await context.close()
    return drags


async def main(cases: list[Case], repeats: int) -> None:
    from playwright.async_api import async_playwright

    print(
        "| | p50 ms | p95 ms | frames/s | settled ms | blank | calm drags | other cores |\n|---|" + "---|" * 7
    )
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with running_lab(folder) as (url, token):
            async with async_playwright() as playwright:
                path = chromium() or playwright.chromium.executable_path
                browser = await playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
                for case in cases:
                    drags = await run(case, browser, url, token, folder, repeats)
                    one, calm = median(drags)
                    print(
                        f"| {case.name} | {one.p50:.1f} | {one.p95:.1f} | {one.fps:.1f} | {one.settled:.1f} | "
                        f"{max(drag.blank for drag in drags)} | {calm} of {len(drags)} | {one.others:.2f} |",
                        flush=True,
                    )
                await browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--case", nargs="*", choices=[case.name for case in CASES])
    given = parser.parse_args()
    asyncio.run(main([case for case in CASES if not given.case or case.name in given.case], given.repeats))
