"""What a model must do for the points of assignment A5: baselines, honest models and strong ones on one scale.

    python tests/benchmarks/capstone_scale.py [--seeds 3] [--strong] [--threads 2]

Every model is handed over as a student hands over his, as plain numbers of five digits, and measured by
`vaecourse.capstone.measure` on 1000 creatures that it has not seen. The points are those of the assignment's properties.
`--strong` also trains the two models that take minutes.
"""

import argparse
import time
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from vaecourse import capstone
from vaecourse.assignments.creatures_vae import GOALS, PIXELS, points_of
from vaecourse.creatures import creatures


def mlp(*sizes: int, activation=nn.ReLU) -> nn.Sequential:
    layers = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), activation())]
    return nn.Sequential(*layers[:-1])


def plain(network: nn.Sequential) -> list:
    """A network as a student hands it over: [weights, bias, activation] for each layer, five digits a number."""
    layers = []
    for part in network:
        if isinstance(part, nn.Linear):
            rounded = [
                np.array([float(f"{v:.5g}") for v in p.detach().flatten().tolist()]).reshape(p.shape).tolist()
                for p in (part.weight, part.bias)
            ]
            layers.append([*rounded, "identity"])
        else:
            layers[-1][2] = type(part).__name__.lower()
    return layers


def trained(
    n=5000, hidden=(256,), latent=10, epochs=30, beta=1.0, batch=100, rate=4e-3, pixel_mean=False, seed=0
):
    """Train a VAE; `beta` weighs the KL, `pixel_mean` makes the well-known slip of averaging over the pixels."""
    torch.manual_seed(seed)
    x = torch.from_numpy(creatures(n, np.random.default_rng(seed)).images)
    encoder, decoder = mlp(PIXELS, *hidden, 2 * latent), mlp(latent, *reversed(hidden), PIXELS)
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * -(-n // batch))
    for _ in range(epochs):
        for rows in torch.randperm(n).split(batch):
            m, s = encoder(x[rows]).chunk(2, dim=1)
            a = decoder(m + torch.exp(s / 2) * torch.randn_like(s))
            reconstruction = (F.softplus(a) - x[rows] * a).sum(1)
            if pixel_mean:
                reconstruction = reconstruction / PIXELS
            loss = (reconstruction + beta * 0.5 * (s.exp() - 1 - s + m**2).sum(1)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return [plain(encoder), plain(decoder)]


def constant(bias, latent=2):
    """A model that draws the same picture for every code, and says nothing about any picture."""
    encoder = [[np.zeros((2 * latent, PIXELS)).tolist(), [0.0] * 2 * latent, "identity"]]
    return [encoder, [[np.zeros((PIXELS, latent)).tolist(), np.asarray(bias).tolist(), "identity"]]]


def logit(p):
    p = np.clip(p, 1e-4, 1 - 1e-4)
    return np.log(p / (1 - p))


def pca(latent=10, seed=0):
    """The code is that of PCA, in units of its spread and with the noise that PCA leaves; a line decodes it."""
    x = creatures(5000, np.random.default_rng(seed)).images.astype(float)
    mean = x.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov((x - mean).T))
    axes, spread = vectors[:, ::-1][:, :latent], np.sqrt(values[::-1][:latent])
    left = values[::-1][latent:].mean()
    # probabilistic PCA (Tipping and Bishop 1999): m = (λ − σ²)½/λ · Uᵀ(x − mean), variance σ²/λ
    scale = np.sqrt(spread**2 - left) / spread**2
    weights = np.vstack([(axes * scale).T, np.zeros((latent, PIXELS))])
    bias = np.concatenate([-(axes * scale).T @ mean, np.log(left / spread**2)])
    torch.manual_seed(seed)
    decoder = mlp(latent, PIXELS)
    optimizer = torch.optim.Adam(decoder.parameters(), lr=1e-2)
    pictures = torch.from_numpy(x).float()
    m = torch.from_numpy(x @ weights[:latent].T + bias[:latent]).float()
    sd = torch.from_numpy(np.exp(bias[latent:] / 2)).float()
    for _ in range(20):
        for rows in torch.randperm(len(x)).split(100):
            a = decoder(m[rows] + sd * torch.randn(len(rows), latent))
            loss = (F.softplus(a) - pictures[rows] * a).sum(1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return [[[weights.tolist(), bias.tolist(), "identity"]], plain(decoder)]


def models(seeds: int, strong: bool):
    mean = creatures(5000, np.random.default_rng(0)).images.mean(axis=0)
    one = creatures(1, np.random.default_rng(0)).images[0]
    yield "independent pixels", lambda: constant(logit(mean))
    yield "one creature, always", lambda: constant(logit(one))
    yield "PCA code, linear decoder", pca
    yield "linear VAE", lambda: trained(hidden=())
    yield "AE (no KL term)", lambda: trained(beta=0.0)
    yield "collapsed (mean over pixels)", lambda: trained(pixel_mean=True)
    yield "KL without its half (β = 2)", lambda: trained(beta=2.0)
    yield "two dimensions", lambda: trained(latent=2)
    yield "stopped after 3 epochs", lambda: trained(epochs=3)
    for seed in range(seeds):
        yield f"small, 128 hidden, seed {seed}", lambda seed=seed: trained(hidden=(128,), seed=seed)
    for seed in range(seeds):
        yield f"like the solution, seed {seed}", lambda seed=seed: trained(n=10000, epochs=50, seed=seed)
    yield "two hidden layers of 256", lambda: trained(n=10000, hidden=(256, 256), epochs=50)
    if strong:
        yield "20000 creatures, 512 hidden", lambda: trained(n=20000, hidden=(512,), epochs=60)
        yield "20000 creatures, two of 400", lambda: trained(n=20000, hidden=(400, 400), epochs=60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--strong", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(
        f"| model | −ELBO | KL | distance | coverage | mean R² (least) | in use | points of {1 + len(GOALS)} | CPU seconds |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name, make in models(options.seeds, options.strong):
        started = time.process_time()
        handed = make()
        seconds = time.process_time() - started
        scores = capstone.measure(capstone.read_model(handed, PIXELS), np.random.default_rng(2026))
        print(
            f"| {name} | {scores.negative_elbo:.1f} | {scores.kl:.1f} | {scores.distance:.2f} | "
            f"{scores.coverage:.2f} | {scores.mean_r2:.2f} ({min(scores.r2):.2f}) | {scores.in_use} | "
            f"{points_of(scores)} | {seconds:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
