"""Lightning module: generator and discriminator in turns, with manual optimisation; the networks are passed in."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

import torch
from pytorch_lightning import LightningModule

from models.components.randomness import generator_for
from models.scene.distil import BETAS
from models.scene.losses import (
    classic_critic_loss,
    classic_generator_loss,
    critic_loss,
    disturbed,
    relativistic,
)
from models.scene.metrics.distance import sliced_wasserstein

if TYPE_CHECKING:
    from collections.abc import Callable

    from models.components.batches import Batch
    from models.scene.distil import Lesson
    from models.scene.params import TrainParams

LOG_EVERY = 50
CRITIC, GENERATOR = "critic", "generator"
WARMUP_STEPS = 50
CLASSIC_RATE, CLASSIC_BETAS = 2e-4, (0.5, 0.999)  # of DCGAN, as published
LEAST_DRAWN = 256  # images in a batch of validation
GRID = 8  # images along a side of the progress grid


class ChunkConditions:
    """Conditions of a chunk: texts, the categories given to the generator (or zeros), and the true categories."""

    def __init__(self, texts_nt: torch.Tensor, given_nl: torch.Tensor, categories_nl: torch.Tensor) -> None:
        self.texts_nt, self.given_nl, self.categories_nl = texts_nt, given_nl, categories_nl


class SceneModule(LightningModule):
    """Trains a generator against a discriminator; the only metric is the distance on validation.

    Args:
        network: Latents, texts and categories -> images in -1..1.
        critic: Images, texts and categories -> realness scores.
        params: Training params.
        anchors_lt: A text embedding for each category, L,T, for the progress images.
        latents: Number of latents of an image.
    """

    anchors_lt: torch.Tensor

    def __init__(
        self,
        network: torch.nn.Module,
        critic: torch.nn.Module,
        params: TrainParams,
        anchors_lt: torch.Tensor,
        latents: int,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # of four dimensions
        self.critic = critic.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # of four dimensions
        self.params, self.latents = params, latents
        self.lesson: Lesson | None = None
        self.register_buffer("anchors_lt", anchors_lt, persistent=False)

    def learn_from(self, lesson: Lesson) -> None:
        """Makes the generator a student, which is trained with its lesson and without a discriminator.

        Call it before restoring a checkpoint, which also contains the projections of the lesson.
        """
        self.lesson, self.critic = lesson, torch.nn.Identity()

    @property
    def classic(self) -> bool:
        """True for the baseline."""
        return self.params.network == "dcgan"

    def share_done(self, step: int) -> float:
        """Completed share of the training, 0 to 1, at a step of this epoch."""
        return (self.current_epoch + step / max(1, self.trainer.num_training_batches)) / self.params.epochs

    def training_step(self, batch: Batch, _batch_idx: int = 0) -> torch.Tensor:
        """One step of the discriminator and one of the generator, each over this process's share of the batch.

        A student has no discriminator, so there is only the step of the generator.

        Losses are computed per chunk, each with its own seed, so that any number of processes with the same global
        batch computes the same gradients. Both losses use only first derivatives, so distributed data parallel averages
        all of them.
        """
        turns, done = self._turns(), self.share_done(batch.step)
        optimisers = cast("list[Any]", self.optimizers() if len(turns) > 1 else [self.optimizers()])
        self._set_rates(
            optimisers, done, self.trainer.global_step // len(turns)
        )  # it counts the steps of every optimiser
        losses = {}
        for optimiser, (name, loss_of) in zip(optimisers, turns.items(), strict=True):
            # Keep the other network fixed, and compute no gradients for it.
            self.critic.requires_grad_(requires_grad=name == CRITIC)
            optimiser.zero_grad(set_to_none=True)
            chunks = len(batch.pictures_nhwc) // self.params.norm_samples
            loss = torch.stack([loss_of(batch, i, done) for i in range(chunks)]).mean()
            self.manual_backward(loss)
            optimiser.step()
            losses[name] = loss.detach()
        self.critic.requires_grad_(requires_grad=True)
        if batch.step % LOG_EVERY == 0:  # self.log costs a step about a millisecond of Python
            self.log_dict({f"train/{name}_loss": loss for name, loss in losses.items()})
        return losses[GENERATOR]

    def _turns(self) -> dict[str, Callable[[Batch, int, float], torch.Tensor]]:
        """Losses of a step, by name of the network, in the order of the optimisers."""
        if self.lesson is not None:
            return {GENERATOR: self._taught_loss}
        return {CRITIC: self._critic_loss, GENERATOR: self._drawn_loss}

    def _set_rates(self, optimisers: list[Any], done: float, step: int) -> None:
        if self.classic:
            return
        rate = self.params.learning_rate * self._falling(self.params.final_learning_rate_share, done)
        for optimiser in optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate * min(1.0, (step + 1) / WARMUP_STEPS)

    @staticmethod
    def _falling(end: float, done: float) -> float:
        """Cosine decay from 1 to `end`."""
        return end + (1.0 - end) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))

    def _critic_loss(self, batch: Batch, chunk: int, done: float) -> torch.Tensor:
        # Draw images for the same conditions as the real ones; the generator gets no gradient here.
        random, real_nchw, asked = self._chunk(batch, chunk, "critic")
        with torch.no_grad():
            drawn_nchw = self.draw(asked, random)
        if self.classic:
            return classic_critic_loss(self._judged(real_nchw, asked), self._judged(drawn_nchw, asked))
        # Augment both, then score real, drawn and noisy images in one pass.
        real_nchw, drawn_nchw = self._disturbed(real_nchw, drawn_nchw, random)
        share = max(1, round(self.params.penalty_share * len(real_nchw)))
        shape = (2 * share, *real_nchw.shape[1:])
        noise_nchw = self.params.penalty_noise * torch.randn(shape, generator=random, device=self.device)

        def judge(pictures_nchw: torch.Tensor) -> torch.Tensor:
            parts = [slice(None), slice(None), slice(share), slice(share)]
            texts, categories = (
                torch.cat([of[part] for part in parts]) for of in (asked.texts_nt, asked.categories_nl)
            )
            return self.critic(pictures_nchw, texts, categories).float()  # type: ignore[no-any-return]  # a module's answer

        gamma = self.params.gamma * self._falling(0.1, done)
        return critic_loss(judge, real_nchw, drawn_nchw, gamma, noise_nchw, share)

    def _drawn_loss(self, batch: Batch, chunk: int, _done: float) -> torch.Tensor:
        random, real_nchw, asked = self._chunk(batch, chunk, "generator")
        drawn_nchw = self.draw(asked, random)
        if self.classic:
            return classic_generator_loss(self._judged(drawn_nchw, asked))
        # Relativistic loss: drawn images should score higher than the real ones of the same conditions.
        real_nchw, drawn_nchw = self._disturbed(real_nchw, drawn_nchw, random)
        with torch.no_grad():
            real_n = self._judged(real_nchw, asked)
        return relativistic(self._judged(drawn_nchw, asked), real_n)

    def _taught_loss(self, batch: Batch, chunk: int, _done: float) -> torch.Tensor:
        """Difference between the drawings of a chunk and the teacher's drawings from the same latents."""
        random, _real_nchw, asked = self._chunk(batch, chunk, "generator")
        given = (self._latents(asked, random), asked.texts_nt, asked.given_nl)
        return self.lesson(self.network, given)  # type: ignore[misc, no-any-return]  # there is one; a module's answer

    def _disturbed(
        self, real_nchw: torch.Tensor, drawn_nchw: torch.Tensor, random: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        both = disturbed(torch.cat([real_nchw, drawn_nchw]), self.params, random)
        real_nchw, drawn_nchw = both.contiguous(memory_format=torch.channels_last).chunk(2)
        return real_nchw, drawn_nchw

    def _judged(self, pictures_nchw: torch.Tensor, asked: ChunkConditions) -> torch.Tensor:
        return self.critic(pictures_nchw, asked.texts_nt, asked.categories_nl).float()  # type: ignore[no-any-return]  # a module's answer

    def draw(self, asked: ChunkConditions, random: torch.Generator) -> torch.Tensor:
        """Draws an image for each condition, N,3,H,W in -1..1."""
        return self.network(self._latents(asked, random), asked.texts_nt, asked.given_nl).float()  # type: ignore[no-any-return]  # a module's answer

    def _latents(self, asked: ChunkConditions, random: torch.Generator) -> torch.Tensor:
        return torch.randn(len(asked.texts_nt), self.latents, generator=random, device=self.device)

    def _chunk(self, batch: Batch, chunk: int, turn: str) -> tuple[torch.Generator, torch.Tensor, ChunkConditions]:
        """Random generator of a chunk and turn, its real images, and the conditions of the drawings."""
        size = self.params.norm_samples
        mine = slice(chunk * size, (chunk + 1) * size)
        place = (self.params.seed, self.current_epoch, batch.step, batch.first_chunk + chunk, turn)
        random = generator_for(self.device, *place)
        real_nchw = scaled(batch.pictures_nhwc[mine])
        if self.params.flip:
            turned_n = torch.rand(size, generator=random, device=self.device) < 0.5  # noqa: PLR2004  # half of them
            real_nchw = torch.where(turned_n[:, None, None, None], real_nchw.flip(3), real_nchw)
        return random, real_nchw, self._asked(batch, mine, random)

    def _asked(self, batch: Batch, mine: slice, random: torch.Generator) -> ChunkConditions:
        """Conditions: a text of each sample with noise (Zhang et al. 2017), and its category, dropped for some."""
        texts_nkt, categories_nl = batch.extra[mine].float(), batch.targets_nl[mine]  # type: ignore[index]  # texts are there
        count, choices, width = texts_nkt.shape
        # Choose a text at random, add noise to it, and project it back to the unit sphere.
        chosen_n = torch.randint(choices, (count,), generator=random, device=self.device)
        # Add noise of about unit length, scaled by `text_noise`.
        noise_nt = torch.randn(count, width, generator=random, device=self.device) * (width**-0.5)
        texts_nt = texts_nkt[torch.arange(count, device=self.device), chosen_n] + self.params.text_noise * noise_nt
        # Drop the category of a random share of the samples.
        given_n1 = torch.rand(count, 1, generator=random, device=self.device) >= self.params.category_dropped
        texts_nt = torch.nn.functional.normalize(texts_nt, dim=1)
        return ChunkConditions(texts_nt, categories_nl * given_n1, categories_nl)

    def validation_step(self, batch: Batch, batch_idx: int = 0) -> None:
        """Adds a batch to val/distance: the distance of drawn images from the real ones of the same conditions."""
        random = generator_for(self.device, self.params.seed, batch_idx, "validation")
        # Use each of a few images for several drawings; otherwise chance in the latents would decide the best epoch.
        rows_m = torch.arange(max(LEAST_DRAWN, len(batch.pictures_nhwc)), device=self.device) % len(batch.pictures_nhwc)
        texts_mt, categories_ml = batch.extra[rows_m, 0].float(), batch.targets_nl[rows_m]  # type: ignore[index]  # texts are there
        drawn_nchw = self.draw(ChunkConditions(texts_mt, categories_ml, categories_ml), random)
        distance = sliced_wasserstein(scaled(batch.pictures_nhwc)[rows_m], drawn_nchw, random)
        self.log("val/distance", distance, on_epoch=True, batch_size=len(batch.pictures_nhwc), sync_dist=True)

    def progress_pictures(self) -> torch.Tensor:
        """Images from the same latents each time, one category per column, uint8 N,H,W,3."""
        random = generator_for(self.device, self.params.seed, "progress")
        columns = torch.arange(GRID * GRID, device=self.device) % GRID % len(self.anchors_lt)
        texts_nt = self.anchors_lt[columns]
        given_nl = torch.nn.functional.one_hot(columns, len(self.anchors_lt)).float()
        with torch.no_grad():
            drawn_nchw = self.draw(ChunkConditions(texts_nt, given_nl, given_nl), random)
        return ((drawn_nchw + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)

    def configure_optimizers(self) -> Any:  # noqa: ANN401  # one of the many types that Lightning accepts
        """Adam without first moment; DCGAN's settings for the baseline. The fused version takes a third of the time."""
        rate, betas = self.params.learning_rate, (0.0, self.params.beta2)
        if self.classic:
            rate, betas = CLASSIC_RATE, CLASSIC_BETAS
        parts = [list(part.parameters()) for part in (self.critic, self.network)]
        if self.lesson is not None:
            parts, betas = [[*self.network.parameters(), *self.lesson.parameters()]], BETAS
        return [torch.optim.Adam(part, lr=rate, betas=betas, fused=True) for part in parts]


def scaled(pictures_nhwc: torch.Tensor) -> torch.Tensor:
    """Scales images uint8 N,H,W,3 to float N,3,H,W in -1..1, in channels-last memory format."""
    return (pictures_nhwc.permute(0, 3, 1, 2).float() / 127.5 - 1.0).contiguous(memory_format=torch.channels_last)
