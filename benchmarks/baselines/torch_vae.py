"""A variational autoencoder in PyTorch, as a user would write it, in a process of its own.

    python torch_vae.py IN.npz OUT.npz

Encoder and decoder also see an embedding of every grouping, and time and place where there are any; with no groups it
is the plain one. IN: X (n, p; NaN where missing), groups (n, k) codes from 0 on, side (n, s), train, test, and
``settings``: n_components, n_epochs, batch_size, seed. OUT: the reconstruction of the test rows, seconds of epochs.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch
from torch import nn

WIDTHS = (128, 64)
EMBEDDING = 8
LEARNING_RATE = 3e-3
_KEPT = 0.95  # of the groups; the others train the embedding of the unknown


class ConditionalVAE(nn.Module):
    """p-128-64-2d and d-64-128-p, silu; a noise variance for every feature."""

    def __init__(self, p: int, d: int, n_levels: list[int], n_side: int) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(count + 1, EMBEDDING) for count in n_levels)
        extra = EMBEDDING * len(n_levels) + n_side
        first, second = WIDTHS
        self.encoder = nn.Sequential(
            nn.Linear(2 * p + extra, first),
            nn.SiLU(),
            nn.Linear(first, second),
            nn.SiLU(),
            nn.Linear(second, 2 * d),
        )
        self.decoder = nn.Sequential(
            nn.Linear(d + extra, second), nn.SiLU(), nn.Linear(second, first), nn.SiLU(), nn.Linear(first, p)
        )
        self.log_noise = nn.Parameter(torch.zeros(p))

    def beside(self, codes, side):
        return torch.cat(
            [*(table(code) for table, code in zip(self.embeddings, codes.T, strict=True)), side], dim=1
        )

    def encode(self, x, mask, beside):
        mean, log_variance = self.encoder(torch.cat([x, mask, beside], dim=1)).chunk(2, dim=1)
        return mean, log_variance.clamp(-12, 4)

    def decode(self, u, beside):
        return self.decoder(torch.cat([u, beside], dim=1))

    def loss(self, x, mask, codes, side):
        beside = self.beside(codes, side)
        mean, log_variance = self.encode(x, mask, beside)
        u = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        error = (x - self.decode(u, beside)) ** 2 * torch.exp(-self.log_noise) + self.log_noise
        divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(dim=1)
        return (0.5 * (error * mask).sum(dim=1) + divergence).mean()


def train(model, x, mask, codes, side, n_epochs: int, batch_size: int) -> list[float]:
    """Adam with cosine decay; seconds of each epoch."""
    n = len(x)
    batch_size = min(batch_size, n)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_epochs * (n // batch_size))
    seconds = []
    for _ in range(n_epochs):
        began = time.perf_counter()
        order = torch.randperm(n)
        for start in range(0, n - batch_size + 1, batch_size):
            rows = order[start : start + batch_size]
            seen = codes[rows] * (torch.rand(codes[rows].shape) < _KEPT)
            optimizer.zero_grad()
            loss = model.loss(x[rows], mask[rows], seen, side[rows])
            loss.backward()
            optimizer.step()
            decay.step()
        seconds.append(time.perf_counter() - began)
    return seconds


def main() -> None:
    with np.load(sys.argv[1]) as stored:
        X, groups, side, train_rows, test_rows, settings = (
            stored[name] for name in ("X", "groups", "side", "train", "test", "settings")
        )
    d, n_epochs, batch_size, seed = (int(value) for value in settings)
    torch.manual_seed(seed)
    centre, spread = np.nanmean(X[train_rows], axis=0), np.nanstd(X[train_rows], axis=0)
    inside = (X - centre) / spread
    mask = torch.tensor(np.isfinite(inside), dtype=torch.float32)
    x = torch.tensor(np.nan_to_num(inside), dtype=torch.float32)
    known = [np.isin(column, column[train_rows]) for column in groups.T]
    codes = np.stack([np.where(ok, column + 1, 0) for ok, column in zip(known, groups.T, strict=True)], axis=1) \
        if groups.shape[1] else np.zeros((len(X), 0), dtype=np.int64)  # fmt: skip
    codes, side = torch.tensor(codes), torch.tensor(side, dtype=torch.float32)
    levels = [int(column.max()) + 1 for column in groups.T]
    model = ConditionalVAE(X.shape[1], d, levels, side.shape[1])
    rows = torch.tensor(train_rows)
    seconds = train(model, x[rows], mask[rows], codes[rows], side[rows], n_epochs, batch_size)
    with torch.no_grad():
        rows = torch.tensor(test_rows)
        beside = model.beside(codes[rows], side[rows])
        found = model.decode(model.encode(x[rows], mask[rows], beside)[0], beside).numpy()
    np.savez(sys.argv[2], found=centre + spread * found, seconds=seconds)


if __name__ == "__main__":
    main()
