"""Training loops of the three families written by hand: the set on the device, fused optimisers, no Lightning.

They run in the product's profile, with its networks, precision and average, and time the same steps as its clock.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from models.scene.losses import critic_loss, disturbed, relativistic
from models.scene.module import scaled
from models.script.data import documents_of, lanes
from training.gpu.probe import WARM_UP
from training.gpu.profile import GpuProfile, compile_training, make_contiguous

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from curation.store.sample_set import SampleSet
    from models.expression.module import ExpressionModule
    from models.scene.module import SceneModule
    from models.script.module import ScriptModule

DECAY = 0.995


@dataclass(frozen=True)
class Conditions:
    """Device, precision and profile of a loop, and the number of its timed steps."""

    device: torch.device
    precision: str
    profile: GpuProfile
    steps: int

    def ready(self, network: torch.nn.Module) -> torch.nn.Module:
        """The network on the device, in the profile."""
        network.to(self.device).train()
        if not self.profile.channels_last:
            make_contiguous(network)
        if self.profile.compile or self.profile.cuda_graphs:
            compile_training(network, cuda_graphs=self.profile.cuda_graphs)
        return network

    @contextmanager
    def step(self) -> Iterator[None]:
        """Within: the passes of one step."""
        if self.profile.cuda_graphs:
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]  # torch's own
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16-mixed"):
            yield

    def timed_ms(self, step: Callable[[int], None]) -> float:
        """Milliseconds of a step."""
        for number in range(WARM_UP + self.steps):
            if number == WARM_UP:
                self._wait()
                start = time.perf_counter()
            step(number)
        self._wait()
        return 1e3 * (time.perf_counter() - start) / self.steps

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()


class Average:
    """Moving average of weights, all in one call."""

    def __init__(self, network: torch.nn.Module) -> None:
        self.own: list[torch.Tensor] = [*network.parameters()]
        self.kept = [weight.detach().clone() for weight in self.own]

    def add(self) -> None:
        """Adds the weights of a step."""
        with torch.no_grad():
            torch._foreach_lerp_(self.kept, self.own, 1.0 - DECAY)


class Rows:
    """Rows of the next batch; the order is drawn on the device once a pass."""

    def __init__(self, count: int, size: int, device: torch.device) -> None:
        self.count, self.size, self.device = count, size, device
        self.left_n = torch.empty(0, dtype=torch.int64, device=device)

    def next(self) -> torch.Tensor:
        """So many rows."""
        if len(self.left_n) < self.size:
            self.left_n = torch.randperm(self.count, device=self.device)
        rows_n, self.left_n = self.left_n[: self.size], self.left_n[self.size :]
        return rows_n


def faces_ms(module: ExpressionModule, samples: SampleSet, conditions: Conditions) -> float:
    """Milliseconds of a step of the classifier, augmentation included."""
    params, device = module.params, conditions.device
    network, random = conditions.ready(module.network), torch.Generator(device)
    pictures_nhwc, targets_nl = on_device(samples, device)
    matrices = [weight for weight in network.parameters() if weight.ndim > 1]
    vectors = [weight for weight in network.parameters() if weight.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": matrices, "weight_decay": params.weight_decay}, {"params": vectors}]
    optimiser = torch.optim.SGD(groups, lr=params.learning_rate, momentum=0.9, nesterov=True, fused=True)
    rows, average = Rows(len(pictures_nhwc), params.batch_size, device), Average(network)

    def step(_number: int) -> None:
        rows_n = rows.next()
        batch_nhwc, labels_nl, losses = pictures_nhwc[rows_n], targets_nl[rows_n], []
        with conditions.step():
            for chunk in range(0, params.batch_size, params.norm_samples):
                part = slice(chunk, chunk + params.norm_samples)
                x_nchw = module.augmented(batch_nhwc[part], random)
                logits_nl = network(x_nchw.contiguous(memory_format=torch.channels_last)).float()
                smoothing = params.label_smoothing
                losses.append(functional.cross_entropy(logits_nl, labels_nl[part], label_smoothing=smoothing))
            loss = torch.stack(losses).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own
        optimiser.step()
        average.add()

    return conditions.timed_ms(step)


def places_ms(module: SceneModule, samples: SampleSet, conditions: Conditions) -> float:
    """Milliseconds of a step of the generator and its discriminator."""
    params, device = module.params, conditions.device
    generator, critic = conditions.ready(module.network), conditions.ready(module.critic)
    random, average = torch.Generator(device), Average(generator)
    pictures_nhwc, targets_nl = on_device(samples, device)
    texts_nkt = torch.from_numpy(np.load(samples.folder / "text-train.npy")).to(device)
    betas = (0.0, params.beta2)
    of_critic, of_generator = (
        torch.optim.Adam(network.parameters(), lr=params.learning_rate, betas=betas, fused=True)
        for network in (critic, generator)
    )
    rows, share = Rows(len(pictures_nhwc), params.batch_size, device), round(params.penalty_share * params.batch_size)

    def drawn(rows_n: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Real and drawn pictures under the same augmentation, texts and categories."""
        count, given_nl = len(rows_n), targets_nl[rows_n]
        noise_nt = torch.randn(count, texts_nkt.shape[2], generator=random, device=device)
        texts_nt = texts_nkt[rows_n, 0].float() + params.text_noise * noise_nt / texts_nkt.shape[2] ** 0.5
        texts_nt = functional.normalize(texts_nt, dim=1)
        latents_nz = torch.randn(count, module.latents, generator=random, device=device)
        kept_n1 = torch.rand(count, 1, generator=random, device=device) >= params.category_dropped
        drawn_nchw = generator(latents_nz, texts_nt, given_nl * kept_n1).float()
        both = disturbed(torch.cat([scaled(pictures_nhwc[rows_n]), drawn_nchw]), params, random)
        real_nchw, drawn_nchw = both.contiguous(memory_format=torch.channels_last).chunk(2)
        return real_nchw, drawn_nchw, texts_nt, given_nl

    def critic_turn(rows_n: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            real_nchw, drawn_nchw, texts_nt, given_nl = drawn(rows_n)
        noise_nchw = params.penalty_noise * torch.randn(
            2 * share, *real_nchw.shape[1:], generator=random, device=device
        )
        parts = [slice(None), slice(None), slice(share), slice(share)]
        asked = [torch.cat([of[part] for part in parts]) for of in (texts_nt, given_nl)]
        return critic_loss(
            lambda x_nchw: critic(x_nchw, *asked).float(), real_nchw, drawn_nchw, params.gamma, noise_nchw, share
        )

    def generator_turn(rows_n: torch.Tensor) -> torch.Tensor:
        real_nchw, drawn_nchw, texts_nt, given_nl = drawn(rows_n)
        with torch.no_grad():
            real_n = critic(real_nchw, texts_nt, given_nl).float()
        return relativistic(critic(drawn_nchw, texts_nt, given_nl).float(), real_n)

    def step(_number: int) -> None:
        rows_n = rows.next()
        with conditions.step():
            for turn, optimiser in ((critic_turn, of_critic), (generator_turn, of_generator)):
                critic.requires_grad_(requires_grad=turn is critic_turn)
                optimiser.zero_grad(set_to_none=True)
                turn(rows_n).backward()  # type: ignore[no-untyped-call]  # torch's own
                optimiser.step()
        average.add()

    return conditions.timed_ms(step)


def texts_ms(module: ScriptModule, samples: SampleSet, conditions: Conditions) -> float:
    """Milliseconds of a step of the LSTM, with its state carried on."""
    params, device = module.params, conditions.device
    network = conditions.ready(module.network)
    lanes_nl = torch.from_numpy(lanes(np.concatenate(documents_of(samples, "train")), params.batch_size)).to(device)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=params.learning_rate, betas=(0.9, params.beta2), weight_decay=params.weight_decay,
        fused=True,
    )  # fmt: skip
    average, length = Average(network), params.sequence_length
    pieces = (lanes_nl.shape[1] - 1) // length
    state = module.network.start(params.batch_size, device)

    def step(number: int) -> None:
        nonlocal state
        start = number % pieces * length
        with conditions.step():
            logits_ntv, (hidden, cell) = network(lanes_nl[:, start : start + length], state)
            wanted_m = lanes_nl[:, start + 1 : start + 1 + length].flatten()
            loss = functional.cross_entropy(logits_ntv.float().flatten(0, 1), wanted_m)
        kept_n = (torch.rand(params.batch_size, device=device) >= params.state_dropped)[None, :, None]
        state = hidden.detach() * kept_n, cell.detach() * kept_n
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own
        torch.nn.utils.clip_grad_norm_(network.parameters(), params.clip)
        optimiser.step()
        average.add()

    return conditions.timed_ms(step)


def on_device(samples: SampleSet, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures and targets of the training split."""
    pictures_nhwc = torch.from_numpy(np.array(samples.array("train"))).to(device)
    return pictures_nhwc, torch.from_numpy(samples.targets("train")).to(device)
