"""What a smaller generator is taught by the trained one: its pictures, and its features on the way to them.

The trained generator can be asked for the very picture that a student has drawn, from the same latents, text and
category (Aguinaldo et al. 2019, arXiv 1902.00159). Every pixel is known then. A discriminator is for what is not known,
how real pictures are spread; here it would have nothing to guess, so there is none, and no real picture is looked at.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, cast

import torch
from torch import nn
from torch.nn import functional

from models.scene.metrics.distance import pyramid
from models.scene.network import START_PX

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from models.scene.network import Generator

    Given = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # latents N,Z, texts N,T and categories N,L
    Cut = torch.Tensor | slice

BETAS = (0.9, 0.99)  # of Adam: with a goal that stands still a first moment helps
ALL = slice(None)


class Lesson(nn.Module):
    """The trained generator beside a student, and what their features are compared by.

    A student has fewer channels, so at each resolution a learned 1x1 convolution leads from its features to the
    teacher's (FitNets, Romero et al. 2015, arXiv 1412.6550; for generators Li et al. 2020, arXiv 2003.08936). These
    projections are trained and stored with the student, but are not part of its network. The teacher runs, and nothing
    of it is trained, averaged or stored.

    Args:
        teacher: The trained generator, in float.
        kept: Which of its channels the student has begun with, by resolution; what the projections begin as.
        feature_weight: Of the features beside the pictures.
    """

    def __init__(self, teacher: Generator, kept: Sequence[torch.Tensor], feature_weight: float) -> None:
        super().__init__()
        # In a list, so that nothing of it is a part of this module.
        self._teachers = [teacher.eval().requires_grad_(requires_grad=False)]
        self.feature_weight = feature_weight
        self.projections = nn.ModuleList(_leading_back(*pair) for pair in zip(kept, teacher.widths, strict=True))

    def forward(self, student: Generator, given: Given) -> torch.Tensor:
        """How far a student is from its teacher where both are given the same; a mean over N."""
        with torch.no_grad():
            shown_nchw, shown = self._teachers[0].to(given[0].device).with_features(*given)
        drawn_nchw, own = student.with_features(*given)
        return pictures_apart(drawn_nchw.float(), shown_nchw.float()) + self.feature_weight * self._missed(own, shown)

    def _missed(self, own: Sequence[torch.Tensor], shown: Sequence[torch.Tensor]) -> torch.Tensor:
        """The share of the teacher's features that the student's do not lead to, the mean over resolutions."""
        triples = zip(self.projections, own, shown, strict=True)
        return torch.stack([missed(lead(mine).float(), taught.float()) for lead, mine, taught in triples]).mean()


def _leading_back(channels: torch.Tensor, width: int) -> nn.Conv2d:
    """Each channel to where it came from, among `width`."""
    lead = nn.Conv2d(len(channels), width, 1)
    nn.init.zeros_(lead.bias)  # type: ignore[arg-type]  # it has one
    lead.weight.data.copy_(functional.one_hot(channels, width).T[:, :, None, None])
    return lead


def pictures_apart(drawn_nchw: torch.Tensor, shown_nchw: torch.Tensor) -> torch.Tensor:
    """The mean absolute difference of two drawings, levels of a Laplacian pyramid counting alike; white to black is 2.

    As in Bojanowski et al. 2018 (arXiv 1707.05776). After 256 steps of a student of half the widths on the starter film
    its peak signal-to-noise ratio against the teacher was 23.7 dB so and 23.5 by plain pixels, and it had drawn 81 and
    77 % of the teacher's finest detail.
    """
    return torch.stack([level.abs().mean() for level in pyramid(drawn_nchw - shown_nchw)]).mean()


def missed(led_nchw: torch.Tensor, shown_nchw: torch.Tensor) -> torch.Tensor:
    """The squared difference as a share of what is shown: 0 for the same, 1 for nothing, at whatever loudness."""
    return functional.mse_loss(led_nchw, shown_nchw) / shown_nchw.square().mean().clamp_min(1e-6)


def strongest(teacher: Generator, widths: Sequence[int]) -> list[torch.Tensor]:
    """Which channels of each resolution a smaller generator should begin with, in order.

    Those whose weights are largest (Li et al. 2017, arXiv 1608.08710), on the way in times on the way out: what one of
    these makes louder and the other quieter again does not count.
    """
    ways_in = [teacher.start.weight.reshape(teacher.widths[0], -1), *_weights(teacher.ups)]
    ways_out = _weights(teacher.colours)
    for place, weight in enumerate(_weights(teacher.narrow)):
        ways_out[place] = torch.cat([ways_out[place], weight])
    strengths = [
        into.flatten(1).norm(dim=1) * out.transpose(0, 1).flatten(1).norm(dim=1)
        for into, out in zip(ways_in, ways_out, strict=True)
    ]
    pairs = zip(strengths, widths, strict=True)
    # The teacher lies where the student before this one was trained, and may be on a GPU.
    return [strength.topk(width).indices.sort().values.cpu() for strength, width in pairs]


def _weights(convolutions: nn.ModuleList) -> list[torch.Tensor]:
    return [cast("nn.Conv2d", conv).weight for conv in convolutions]


def begin_as_part(student: Generator, teacher: Generator, kept: Sequence[torch.Tensor]) -> None:
    """Gives a student those channels of its teacher as its first weights, and all that has the same size in both.

    After 256 steps it was at 23.7 dB so, and at 20.5 from random weights, which left it half of the finest detail.
    """
    places = torch.arange(START_PX**2)
    starts = (kept[0][:, None] * len(places) + places).flatten()
    cuts: dict[str, tuple[Cut, Cut]] = {"start.weight": (starts, ALL), "start.bias": (starts, ALL)}
    for place, channels in enumerate(kept):
        cuts |= {f"blocks.{place}": (channels, channels)}
        cuts |= {f"{name}.{place}": (ALL, channels) for name in ("colours", "loudness")}
    for place, (before, after) in enumerate(pairwise(kept)):
        cuts |= {f"narrow.{place}": (after, before), f"ups.{place}": (after, after)}
    student.load_state_dict({name: _cut(weight, name, cuts) for name, weight in teacher.state_dict().items()})


def _cut(weight: torch.Tensor, name: str, cuts: Mapping[str, tuple[Cut, Cut]]) -> torch.Tensor:
    """Of a layer's outputs and inputs those that are left; the whole of it where nothing is said of it."""
    rows, columns = cuts.get(".".join(name.split(".")[:2]), (ALL, ALL))
    return weight[rows][:, columns] if weight.ndim > 1 else weight[rows]
