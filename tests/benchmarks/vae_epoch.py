"""Seconds per epoch of the course's training loop against the usual one, interleaved in one run, and their ratio.

    python tests/benchmarks/vae_epoch.py [--pictures 12800] [--rounds 7] [--threads 2]

Both train a 784-400-20 VAE with batches of 128 in float32 on the same pictures (MNIST where `vaecourse.data` has it,
else noise: the work is the same). The usual way is that of pytorch/examples (`vae/main.py`): a DataLoader over a
TensorDataset, sigmoid and `binary_cross_entropy`, the KL by its textbook formula, plain Adam. Ours is
`vaecourse.training.train` as a lesson calls it, with its checks and its history.
"""

import argparse
import statistics
import time

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from vaecourse import data
from vaecourse.training import train
from vaecourse.vae import VAE, elbo


class Usual(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.mean, self.log_variance = (
            nn.Linear(784, 400),
            nn.Linear(400, 20),
            nn.Linear(400, 20),
        )
        self.back, self.out = nn.Linear(20, 400), nn.Linear(400, 784)

    def forward(self, x):
        h = F.relu(self.hidden(x))
        mean, log_variance = self.mean(h), self.log_variance(h)
        std = torch.exp(0.5 * log_variance)
        z = mean + torch.randn_like(std) * std
        return torch.sigmoid(self.out(F.relu(self.back(z)))), mean, log_variance


def usual_epoch(model, optimizer, loader) -> None:
    total = 0.0
    for (x,) in loader:
        optimizer.zero_grad()
        decoded, mean, log_variance = model(x)
        reconstruction = F.binary_cross_entropy(decoded, x, reduction="sum")
        kl = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
        loss = reconstruction + kl
        loss.backward()
        total += loss.item()
        optimizer.step()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=12800)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    try:
        x = torch.from_numpy(data.mnist().train[: options.pictures])
    except data.DataUnavailable:
        x = torch.rand(options.pictures, 784, generator=torch.Generator().manual_seed(0))

    usual = Usual()
    optimizer = torch.optim.Adam(usual.parameters(), lr=1e-3)
    loader = DataLoader(TensorDataset(x), batch_size=128, shuffle=True)
    ours = VAE(784, 400, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float32)
    seconds = {"usual": [], "ours": []}
    for round_ in range(options.rounds + 1):  # the first warms up
        start = time.perf_counter()
        usual_epoch(usual, optimizer, loader)
        middle = time.perf_counter()
        train(ours, x, elbo, epochs=1, batch=128, learning_rate=1e-3, seed=round_, progress=False)
        end = time.perf_counter()
        if round_:
            seconds["usual"].append(middle - start)
            seconds["ours"].append(end - middle)

    for name, values in seconds.items():
        print(f"{name:6} median {statistics.median(values):6.3f} s/epoch   best {min(values):6.3f}")
    ratio = statistics.median(a / b for a, b in zip(seconds["usual"], seconds["ours"], strict=True))
    print(f"ratio  median {ratio:.2f} (usual / ours, {len(x)} pictures, {options.threads} threads)")


if __name__ == "__main__":
    main()
