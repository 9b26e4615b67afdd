"""Networks: a small generator and discriminator in the style of R3GAN, and those of DCGAN as the baseline.

R3GAN (Huang et al. 2024, arXiv 2501.05441): residual blocks without normalisation, whose last convolutions start at 0.
Sizes are chosen for the runtime and for training on a CPU: 3x3 convolutions at low resolutions. No transposed
convolutions: int8 makes those slower.

Legend: N samples, C channels, H and W pixels, L categories, T the width of a text's embedding, Z latents.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from rushes.errors import MisuseError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from models.scene.params import TrainParams

SLOPE = 0.2
START_PX = 4
WHOLE = 64  # latents of the image as a whole
CONDITION = 64  # width of the condition
MIXED = 256  # width after mixing latents and condition
LOUDNESS = 0.1  # initial scale of the latents of single places
SHARPNESS = 0.01  # softmax temperature of categories by similarity; at 0.05 all categories blended
TEXTS = 0.1  # initial deviation of text weights: the category dominates, the words modify it


def latents_for(size_px: int) -> int:
    """Number of latents of an image: those of the whole image, and one for each place at 4, 8 ... px."""
    resolutions = round(math.log2(size_px / START_PX))
    return WHOLE + sum((START_PX << place) ** 2 for place in range(resolutions))


class Condition(nn.Module):
    """Condition of an image, from a text and optionally a category.

    Without a category, each category is weighted by the similarity of its texts to the given text, so a heading that is
    not in the training set also gets suitable categories.

    Args:
        anchors_lt: Mean embedding of each category's texts, L,T of unit length.
    """

    anchors_lt: torch.Tensor

    def __init__(self, anchors_lt: torch.Tensor) -> None:
        super().__init__()
        count, width = anchors_lt.shape
        self.register_buffer("anchors_lt", anchors_lt)
        self.categories = nn.Linear(count, CONDITION, bias=False)
        self.texts = nn.Linear(width, CONDITION, bias=False)
        nn.init.normal_(self.categories.weight)
        nn.init.normal_(self.texts.weight, std=TEXTS)

    def forward(self, texts_nt: torch.Tensor, categories_nl: torch.Tensor) -> torch.Tensor:
        """Embeddings N,T and categories N,L (one-hot, or zeros where not given) -> N,64."""
        # Weight categories by cosine similarity; used only if no category is given.
        near_nl = torch.softmax(texts_nt @ self.anchors_lt.T / SHARPNESS, dim=1)
        given_n1 = categories_nl.sum(1, keepdim=True).clamp(0.0, 1.0)
        chosen_nl = categories_nl + (1.0 - given_n1) * near_nl
        return self.categories(chosen_nl) + self.texts(texts_nt)  # type: ignore[no-any-return]  # a module's answer


def _conv(inputs: int, outputs: int, gain: float = 1.0, size: int = 3) -> nn.Conv2d:
    conv = nn.Conv2d(inputs, outputs, size, padding=size // 2)
    nn.init.normal_(conv.weight, std=gain * math.sqrt(2.0 / ((1.0 + SLOPE**2) * inputs * size**2)))
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]  # it has one
    return conv


def _linear(inputs: int, outputs: int, gain: float = 1.0) -> nn.Linear:
    linear = nn.Linear(inputs, outputs)
    nn.init.normal_(linear.weight, std=gain / math.sqrt(inputs))
    nn.init.zeros_(linear.bias)
    return linear


def _act(x: torch.Tensor) -> torch.Tensor:
    return functional.leaky_relu(x, SLOPE)


class FixupBlock(nn.Module):
    """Two 3x3 convolutions with a skip connection, initialised as the identity (Zhang et al. 2019, Fixup)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = _conv(width, width), _conv(width, width, gain=0.0)

    def forward(self, x_nchw: torch.Tensor) -> torch.Tensor:
        """N,C,H,W -> N,C,H,W."""
        return x_nchw + self.second(_act(self.first(_act(x_nchw))))  # type: ignore[no-any-return]  # a module's answer


def _blocks(widths: Sequence[int], depths: Sequence[int]) -> nn.ModuleList:
    return nn.ModuleList(
        nn.Sequential(*(FixupBlock(width) for _ in range(depth))) for width, depth in zip(widths, depths, strict=True)
    )


class Generator(nn.Module):
    """Generator of an image from latents and a condition.

    The image is the sum of the contributions of all resolutions (Karras et al. 2020, StyleGAN2). Features are upsampled
    by nearest neighbour and a convolution, images bilinearly, so the last doubling adds no detail. After 150
    CPU-seconds on photographs the kernel distance was 0.54; it was 1.12 with bilinear features, which cause ribbons,
    and 1.42 with sub-pixels in the last step, which cause a grid of noise.

    Each place has its own latent (Karras et al. 2019, StyleGAN). Without them all detail derives from 64 numbers and is
    at the same places in every image; the distance was 0.63 without them and 0.46 with them.

    Colours are unbounded: a tanh that saturates at black has no gradient, so black holes would be permanent.

    Args:
        condition: Module that computes the condition from text and category.
        widths: Channels at 4, 8, 16 ... px; an image is twice as large as the last resolution.
        depths: Number of blocks at each resolution.
        noise_px: Finest resolution whose places have their own latents; latents of finer resolutions are ignored.
    """

    def __init__(self, condition: Condition, widths: Sequence[int], depths: Sequence[int], noise_px: int) -> None:
        super().__init__()
        self.condition, self.widths = condition, tuple(widths)
        self.sides = [START_PX << place for place in range(len(widths))]
        self.mix = _linear(WHOLE + CONDITION, MIXED)
        self.start = _linear(MIXED, widths[0] * START_PX**2, gain=math.sqrt(2.0))
        self.blocks = _blocks(widths, depths)
        # Channels are reduced before upsampling, which is cheaper at half the size.
        self.narrow = nn.ModuleList(_conv(before, after, size=1) for before, after in pairwise(widths))
        self.ups = nn.ModuleList(_conv(width, width) for width in widths[1:])
        loud = [width for width, side in zip(widths, self.sides, strict=True) if side <= noise_px]
        self.loudness = nn.ParameterList(nn.Parameter(torch.full((1, width, 1, 1), LOUDNESS)) for width in loud)
        self.colours = nn.ModuleList(_colours(width) for width in widths)

    def forward(self, latents_nz: torch.Tensor, texts_nt: torch.Tensor, categories_nl: torch.Tensor) -> torch.Tensor:
        """N,Z and N,T and N,L -> images N,3,H,W, black -1 and white 1; some values are slightly outside."""
        return self.with_features(latents_nz, texts_nt, categories_nl)[0]

    def with_features(
        self, latents_nz: torch.Tensor, texts_nt: torch.Tensor, categories_nl: torch.Tensor
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Images, and the features N,C,H,W of each resolution whose contributions they sum up, for distillation."""
        asked_nc = self.condition(texts_nt, categories_nl)
        # Mix global latents with the condition into the 4x4 start; the other latents are one map per resolution.
        whole_nz, *places = torch.split(latents_nz, [WHOLE, *(side**2 for side in self.sides)], 1)
        mixed = _act(self.mix(torch.cat([whole_nz, asked_nc], 1)))
        x = self.start(mixed).view(-1, self.widths[0], START_PX, START_PX).contiguous(memory_format=torch.channels_last)
        picture, features = x.new_zeros(()), []
        for place, block in enumerate(self.blocks):
            # Add the per-place latents, apply the residual blocks, and add this resolution's contribution to the image.
            if place < len(self.loudness):
                x = x + self.loudness[place] * places[place].view(-1, 1, self.sides[place], self.sides[place])
            x = _act(block(x))
            features.append(x)
            picture = picture + self.colours[place](x)
            picture = functional.interpolate(picture, scale_factor=2.0, mode="bilinear", align_corners=False)
            if place < len(self.ups):
                x = self.ups[place](functional.interpolate(self.narrow[place](x), scale_factor=2.0, mode="nearest"))
        return picture, features


def _colours(width: int) -> nn.Conv2d:
    conv = nn.Conv2d(width, 3, 1)
    nn.init.normal_(conv.weight, std=0.5 * math.sqrt(2.0 / width))
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]  # it has one
    return conv


class Discriminator(nn.Module):
    """Discriminator of images under a condition, with a realness score; without normalisation.

    Args:
        condition: Module that computes the condition from text and category.
        widths: Channels from half of the image's size down to 4 px.
        depths: Number of blocks at each resolution.
    """

    def __init__(self, condition: Condition, widths: Sequence[int], depths: Sequence[int]) -> None:
        super().__init__()
        self.condition = condition
        self.stem = _conv(12, widths[0])
        self.blocks = _blocks(widths, depths)
        self.downs = nn.ModuleList(_conv(before, after) for before, after in pairwise(widths))
        self.features = _linear(widths[-1] * START_PX**2, 2 * CONDITION, gain=math.sqrt(2.0))
        self.real = _linear(2 * CONDITION, 1)
        self.asked = _linear(CONDITION, 2 * CONDITION, gain=1.0 / math.sqrt(2 * CONDITION))

    def forward(self, pictures_nchw: torch.Tensor, texts_nt: torch.Tensor, categories_nl: torch.Tensor) -> torch.Tensor:
        """N,3,H,W in -1..1 -> N; the condition by projection (Miyato and Koyama 2018)."""
        x = self.stem(functional.pixel_unshuffle(pictures_nchw, 2))
        for place, block in enumerate(self.blocks):
            x = block(x)
            if place < len(self.downs):
                x = self.downs[place](functional.avg_pool2d(_act(x), 2))
        found = _act(self.features(_act(x).flatten(1)))
        asked = self.asked(self.condition(texts_nt, categories_nl))
        return self.real(found)[:, 0] + (asked * found).sum(1)  # type: ignore[no-any-return]  # a module's answer


class ClassicGenerator(nn.Module):
    """DCGAN's generator (Radford et al. 2016): transposed convolutions, batch norm; condition beside the latents."""

    def __init__(self, condition: Condition, widths: Sequence[int]) -> None:
        super().__init__()
        self.condition = condition
        layers: list[nn.Module] = [nn.ConvTranspose2d(WHOLE + CONDITION, widths[0], 4, 1, 0, bias=False)]
        for before, after in pairwise(widths):
            layers += [*_normed(before), nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False)]
        layers += [*_normed(widths[-1]), nn.ConvTranspose2d(widths[-1], 3, 4, 2, 1)]
        self.layers = nn.Sequential(*layers)
        _classic_start(self.layers)

    def forward(self, latents_nz: torch.Tensor, texts_nt: torch.Tensor, categories_nl: torch.Tensor) -> torch.Tensor:
        """N,Z and N,T and N,L -> images N,3,H,W in -1..1."""
        asked_nc = self.condition(texts_nt, categories_nl)
        # Latents of single places are used only by the other generator.
        x = torch.cat([latents_nz[:, :WHOLE], asked_nc], 1)[:, :, None, None]
        return torch.tanh(self.layers(x.contiguous(memory_format=torch.channels_last)))


class ClassicDiscriminator(nn.Module):
    """DCGAN's discriminator: strided convolutions, batch norm; the condition as extra planes (Reed et al. 2016)."""

    def __init__(self, condition: Condition, widths: Sequence[int]) -> None:
        super().__init__()
        self.condition = condition
        layers: list[nn.Module] = [nn.Conv2d(3 + PLANES, widths[0], 4, 2, 1), nn.LeakyReLU(SLOPE)]
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(SLOPE)]
        layers += [nn.Conv2d(widths[-1], 1, START_PX)]
        self.asked = nn.Linear(CONDITION, PLANES)
        self.layers = nn.Sequential(*layers)
        _classic_start(self.layers)

    def forward(self, pictures_nchw: torch.Tensor, texts_nt: torch.Tensor, categories_nl: torch.Tensor) -> torch.Tensor:
        """N,3,H,W in -1..1 -> N."""
        asked = self.asked(self.condition(texts_nt, categories_nl))
        planes = asked[:, :, None, None].expand(-1, -1, *pictures_nchw.shape[2:])
        x = torch.cat([pictures_nchw, planes], 1).contiguous(memory_format=torch.channels_last)
        return self.layers(x).flatten()  # type: ignore[no-any-return]  # a module's answer


PLANES = 8


def _normed(width: int) -> tuple[nn.Module, nn.Module]:
    return nn.BatchNorm2d(width), nn.ReLU()


def _classic_start(layers: nn.Module) -> None:
    for layer in layers.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, std=0.02)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, 0.02)


def size_of(network: nn.Module) -> int:
    """Number of weights of a network."""
    return sum(parameter.numel() for parameter in network.parameters())


def build(info: Mapping[str, Any], params: TrainParams) -> tuple[nn.Module, nn.Module]:
    """Builds the generator and its discriminator for a set.

    Raises:
        MisuseError: The widths do not match the set's image size.
    """
    anchors_lt = torch.tensor(info["anchors"], dtype=torch.float32)
    steps = round(math.log2(info["size_px"] / START_PX))
    for name, widths, depths in (
        ("", params.widths, params.depths),
        ("critic_", params.critic_widths, params.critic_depths),
    ):
        if len(widths) != steps or len(depths) != steps or START_PX * 2**steps != info["size_px"]:
            message = (
                f"pictures of {info['size_px']} px need {steps} numbers in scene.train.{name}widths and "
                f"{name}depths, not {len(widths)} and {len(depths)}; sizes are 4 times a power of two"
            )
            remedy = f"change them in params.yaml, or size_px of the collection, now {info['size_px']}"
            raise MisuseError(message, remedy)
    generator = Generator(Condition(anchors_lt), params.widths, params.depths, params.noise_px)
    if params.network == "dcgan":
        return _classic(anchors_lt, steps, size_of(generator))
    return generator, Discriminator(Condition(anchors_lt), params.critic_widths, params.critic_depths)


def _classic(anchors_lt: torch.Tensor, steps: int, size: int) -> tuple[nn.Module, nn.Module]:
    """DCGAN's networks, with about as many weights in the generator as in ours; each width is half the previous one."""

    def generator(base: int) -> ClassicGenerator:
        return ClassicGenerator(Condition(anchors_lt), [base * 2**place for place in reversed(range(steps))])

    base = min(range(2, 129), key=lambda width: abs(size_of(generator(width)) - size))
    return generator(base), ClassicDiscriminator(Condition(anchors_lt), [base * 2**place for place in range(steps)])


class ExportWrapper(nn.Module):
    """Export wrapper: the generator with its post-processing, in the form used by the runtime."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, latents_nz: torch.Tensor, texts_nt: torch.Tensor, categories_nl: torch.Tensor) -> torch.Tensor:
        """N,Z and N,T and N,L -> images uint8 N,H,W,3."""
        pictures_nchw = self.network(latents_nz, texts_nt, categories_nl)
        levels_nchw = torch.clamp(torch.round(pictures_nchw * 127.5 + 127.5), 0.0, 255.0)
        return levels_nchw.permute(0, 2, 3, 1).to(torch.uint8)
