"""A small network that classifies expressions, fitted to rendered heads, as a substitute for a bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from curation.synthetic_faces.faces import draw_face
from curation.synthetic_faces.head import load_head
from curation.synthetic_faces.puppet import build_model, cast
from curation.synthetic_faces.takes import LABELS
from rushes.expression.classifier import Crop, fit_picture

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SIZE_PX = 48
DRAWN_PX = 112
SEED = 77  # other people than in the test
BATCH = 64
PEAK_RATE = 4e-3
TURN_RAD, SCALE, SHIFT = 0.21, 0.12, 0.1  # of the training copies, at most: 12 degrees, as in params.yaml
NOISE = 0.05


class SmallReader:
    """Nine in ten rendered heads are classified correctly after two minutes on one thread (160 people, 22 epochs)."""

    def __init__(self, wheel: Path, people: int, epochs: int) -> None:
        self.labels: tuple[str, ...] = LABELS
        self.crop, self.size_px = Crop(), SIZE_PX
        torch.manual_seed(SEED)
        self._network = _network()
        _fit(self._network, *_drawn(wheel, people), epochs)

    def classify(self, squares_bgr: Sequence[np.ndarray]) -> np.ndarray:
        """The probabilities of each square, N,L."""
        pictures_nhw = np.stack([fit_picture(square, SIZE_PX, 1)[..., 0] for square in squares_bgr])
        with torch.no_grad():
            logits_nl = self._network(_normal(torch.from_numpy(pictures_nhw)[:, None].float() / 255))
        return np.asarray(logits_nl.softmax(1).numpy())


def _network() -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in ((1, 16), (16, 32), (32, 64)):
        for width in (before, after):
            layers += [nn.Conv2d(width, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        layers.append(nn.MaxPool2d(2))
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(64, len(LABELS))]
    return nn.Sequential(*layers, *head)


def _drawn(wheel: Path, people: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Every expression of so many people: float N,1,H,W of 0 to 1, and the number of each label."""
    model, pictures = build_model(load_head(wheel)), []
    for person in range(people):
        performer = cast(model, SEED, person)
        for number, label in enumerate(LABELS):
            random = np.random.default_rng([SEED, person, number])
            picture_hwc = draw_face(model, performer, label, DRAWN_PX, random)
            small_hwc = cv2.resize(picture_hwc, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA)
            pictures.append(cv2.cvtColor(small_hwc, cv2.COLOR_BGR2GRAY))
    labels_n = torch.arange(len(LABELS)).repeat(people)
    return torch.from_numpy(np.stack(pictures))[:, None].float() / 255, labels_n


def _fit(network: nn.Sequential, pictures_nchw: torch.Tensor, labels_n: torch.Tensor, epochs: int) -> None:
    batches = max(1, len(labels_n) // BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), PEAK_RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_RATE, total_steps=epochs * batches)
    network.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(labels_n)).chunk(batches):
            logits_nl = network(_normal(_moved(pictures_nchw[rows])))
            loss = functional.cross_entropy(logits_nl, labels_n[rows], label_smoothing=0.1)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch's own
            optimiser.step()
            schedule.step()
    network.eval()


def _moved(pictures_nchw: torch.Tensor) -> torch.Tensor:
    """Randomly turned, scaled, moved, mirrored and noisy copies."""
    count = len(pictures_nchw)
    turn, scale, across, down = (2 * torch.rand(4, count) - 1) * torch.tensor([[TURN_RAD], [SCALE], [SHIFT], [SHIFT]])
    mirror, scale = torch.where(torch.rand(count) < 0.5, -1.0, 1.0), 1 + scale  # noqa: PLR2004  # one in two
    rows = (
        [mirror * scale * turn.cos(), -scale * turn.sin(), across],
        [mirror * scale * turn.sin(), scale * turn.cos(), down],
    )
    to_picture_n23 = torch.stack([torch.stack(row, 1) for row in rows], 1)
    grid = functional.affine_grid(to_picture_n23, list(pictures_nchw.shape), align_corners=False)
    moved = functional.grid_sample(pictures_nchw, grid, padding_mode="border", align_corners=False)
    return moved + NOISE * moved.std() * torch.randn_like(moved)


def _normal(pictures_nchw: torch.Tensor) -> torch.Tensor:
    """Of mean 0 and about deviation 1 each: an expression does not depend on light."""
    centred = pictures_nchw - pictures_nchw.mean((2, 3), keepdim=True)
    return centred / (pictures_nchw.std((2, 3), keepdim=True) + 0.05)
