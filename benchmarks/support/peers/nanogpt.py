"""The peer of the script benchmark: a small transformer with nanoGPT's published config for a CPU.

Reimplements github.com/karpathy/nanoGPT (MIT), config/train_shakespeare_char.py with the changes of its README
for a machine without a GPU: block 64, batch 12, 4 layers, 4 heads, width 128, 2,000 steps, no dropout; AdamW 1e-3
to 1e-4 along a cosine after 100 steps of warm-up, betas 0.9 and 0.99, weight decay 0.1, gradients clipped at 1.

Legend: N samples, T characters, C width, V vocabulary.
"""

from __future__ import annotations

import math
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

BLOCK, BATCH, LAYERS, HEADS, WIDTH = 64, 12, 4, 4, 128
STEPS, WARMUP, RATE, LAST_RATE = 2000, 100, 1e-3, 1e-4


class Block(nn.Module):
    """Causal attention, then a position-wise feed-forward layer; both with residual connections."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH, bias=False) for _ in range(2))
        self.attend, self.joined = nn.Linear(WIDTH, 3 * WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
        self.wide, self.narrow = nn.Linear(WIDTH, 4 * WIDTH, bias=False), nn.Linear(4 * WIDTH, WIDTH, bias=False)

    def forward(self, x_ntc: torch.Tensor) -> torch.Tensor:
        """N,T,C -> N,T,C."""
        count, steps, _ = x_ntc.shape
        parts = self.attend(self.norms[0](x_ntc)).view(count, steps, 3, HEADS, WIDTH // HEADS)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x_ntc = x_ntc + self.joined(seen.transpose(1, 2).reshape(count, steps, WIDTH))
        return x_ntc + self.narrow(functional.gelu(self.wide(self.norms[1](x_ntc))))  # type: ignore[no-any-return]  # of a module


class Transformer(nn.Module):
    """Ids N,T -> logits N,T,V; input embedding and output layer share their weights."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.characters, self.places = nn.Embedding(vocabulary, WIDTH), nn.Embedding(BLOCK, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(WIDTH, bias=False)
        for name, weight in self.named_parameters():
            if weight.ndim > 1:
                deep = name.endswith(("joined.weight", "narrow.weight"))
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * LAYERS) if deep else 0.02)

    def forward(self, ids_nt: torch.Tensor) -> torch.Tensor:
        """N,T -> N,T,V."""
        x_ntc = self.characters(ids_nt) + self.places(torch.arange(ids_nt.shape[1]))
        return functional.linear(self.norm(self.blocks(x_ntc)), self.characters.weight)


class Peer:
    """Training of the peer, step by step.

    Args:
        train: The ids of the text.
        vocabulary: V.
        seed: Of weights and samples.
        steps: Total number of steps.
    """

    def __init__(self, train: np.ndarray, vocabulary: int, seed: int, steps: int = STEPS) -> None:
        torch.manual_seed(seed)
        self.network, self.steps = Transformer(vocabulary), steps
        self.random = np.random.default_rng(seed)
        self.train, self.spent, self.step = torch.from_numpy(train.astype(np.int64)), 0.0, 0
        weights = list(self.network.parameters())
        groups = [
            {"params": [weight for weight in weights if weight.ndim > 1], "weight_decay": 0.1},
            {"params": [weight for weight in weights if weight.ndim == 1], "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.99), fused=True)

    @property
    def done(self) -> float:
        """The finished share of its training."""
        return self.step / self.steps

    def go_on(self) -> None:
        """Makes one step; `spent` grows by its CPU-seconds."""
        start = time.process_time()
        warm, share = WARMUP * self.steps / STEPS, self.done
        falling = LAST_RATE + 0.5 * (1.0 + math.cos(math.pi * share)) * (RATE - LAST_RATE)
        for group in self.optimiser.param_groups:
            group["lr"] = min(falling, RATE * (self.step + 1) / (warm + 1))
        starts = torch.from_numpy(self.random.integers(0, len(self.train) - BLOCK, BATCH))
        ids_nt = self.train[starts[:, None] + torch.arange(BLOCK + 1)]
        logits_ntv = self.network(ids_nt[:, :-1])
        loss = functional.cross_entropy(logits_ntv.flatten(0, 1), ids_nt[:, 1:].flatten())
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # of PyTorch
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        self.spent += time.process_time() - start

    def loss(self, text: np.ndarray) -> float:
        """Nats per character over the non-overlapping windows of 64."""
        ids = torch.from_numpy(text.astype(np.int64))
        count = (len(ids) - 1) // BLOCK
        windows_nt, targets_nt = ids[: count * BLOCK].view(count, BLOCK), ids[1 : count * BLOCK + 1].view(count, BLOCK)
        with torch.no_grad():
            losses = [
                float(functional.cross_entropy(self.network(some).flatten(0, 1), then.flatten(), reduction="sum"))
                for some, then in zip(torch.split(windows_nt, 64), torch.split(targets_nt, 64), strict=True)
            ]
        return sum(losses) / (count * BLOCK)
