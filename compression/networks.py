"""The networks of a ladder beside the trained one: students, narrowed ones, and those that know of rounding.

Each is trained once: its weights lie in the folder of its float form, and a training that was stopped goes on.
"""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file

from compression.aware import made_aware
from compression.prune import narrowed, widths_of, with_widths
from compression.rungs import FLOAT, TEACHER, slug
from training.fit import Devices, fit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytorch_lightning import LightningModule
    from torch import nn

    from curation.sampleset import SampleSet
    from models.family import Family, FamilyParams, Tuning

WEIGHTS, WIDTHS, CHECKPOINTS = "weights.safetensors", "widths.json", "checkpoints"
AWARE = "quantisation-aware"


@dataclass(frozen=True)
class Networks:
    """Makes the networks of one training.

    Attributes:
        family: Whose.
        params: Its section of params.yaml.
        samples: What the trained network has learned from.
        shelf: Where the rungs lie.
        devices: Where networks are trained.
    """

    family: Family
    params: FamilyParams
    samples: SampleSet
    shelf: Path
    devices: Devices = field(default_factory=Devices)

    @property
    def names(self) -> list[str]:
        """Those that every ladder of the family has, the trained one first."""
        return [TEACHER, *self._students, *self._narrowed]

    def aware_of(self, name: str) -> str | None:
        """The name of a network tuned to bear rounding; None where the family has no such ones."""
        tuned = self.family.tuning is not None and self.params.compress.quantisation_aware.epochs
        return f"{name} {AWARE}" if tuned else None

    def get(self, name: str, trained: nn.Module) -> nn.Module:
        """A network by its name, made where its weights are not there yet.

        Args:
            name: One of `names`, or what `aware_of` one of them says.
            trained: The network with the weights that train has found.
        """
        if name == TEACHER:
            return trained
        folder = self.shelf / slug(f"{name}, {FLOAT}")
        if (folder / WEIGHTS).is_file():
            return self._stored(name, trained, folder)
        folder.mkdir(parents=True, exist_ok=True)
        network = self._made(name, trained, folder).eval()
        (folder / WIDTHS).write_text(json.dumps(widths_of(network), indent=2) + "\n", encoding="utf-8")
        state = {key: value.contiguous() for key, value in network.state_dict().items()}
        save_file(state, folder / f"{WEIGHTS}.part")
        (folder / f"{WEIGHTS}.part").replace(folder / WEIGHTS)  # whole, or not there
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
        return network

    @property
    def _students(self) -> dict[str, Any]:
        distillation = self.family.distillation
        return dict(distillation.students(self.params)) if distillation else {}

    @property
    def _narrowed(self) -> dict[str, float]:
        shares = self.params.compress.prune.shares if self.family.tuning else ()
        return {f"{TEACHER} pruned by {share:.0%}": share for share in shares}

    def _of_section(self, section: Any) -> nn.Module:  # noqa: ANN401  # each family has its own
        return self.family.network(self.family.module(self.samples.info, section))

    def _stored(self, name: str, trained: nn.Module, folder: Path) -> nn.Module:
        own = name.removesuffix(f" {AWARE}")
        like = self._of_section(self._students[own]) if own in self._students else trained
        network = with_widths(like, json.loads((folder / WIDTHS).read_text(encoding="utf-8")))
        network.load_state_dict(load_file(folder / WEIGHTS))
        return network.eval()

    def _made(self, name: str, trained: nn.Module, folder: Path) -> nn.Module:
        if name in self._students:
            return self._trained(self._students[name], trained, folder / CHECKPOINTS)
        if name in self._narrowed:
            return self._narrow(self._narrowed[name], trained, folder)
        return self._made_aware(name, trained, folder)

    def _narrow(self, share: float, trained: nn.Module, folder: Path) -> nn.Module:
        tuning, prune = self._tuning, self.params.compress.prune
        section = tuning.recipe(self.params, prune.epochs, prune.rate)

        def tune(network: nn.Module, number: int) -> None:
            self._trained(section, trained, folder / CHECKPOINTS / str(number), network)

        return narrowed(trained, share, tuning, self.samples, prune, tune)

    def _made_aware(self, name: str, trained: nn.Module, folder: Path) -> nn.Module:
        # It is stored by now: rounding is only looked at where int8 has cost it too much.
        plain = self.get(name.removesuffix(f" {AWARE}"), trained)
        aware = self.params.compress.quantisation_aware
        section = self._tuning.recipe(self.params, aware.epochs, aware.rate)

        def tune(network: nn.Module) -> None:
            self._trained(section, trained, folder / CHECKPOINTS, network)

        return made_aware(copy.deepcopy(plain), tune)

    @property
    def _tuning(self) -> Tuning:
        if self.family.tuning is None:
            message = f"the family {self.family.name} does not say how its networks are trained on"
            raise ValueError(message)
        return self.family.tuning

    def _trained(
        self,
        section: Any,  # noqa: ANN401  # each family has its own
        trained: nn.Module,
        checkpoints: Path,
        network: nn.Module | None = None,
    ) -> nn.Module:
        """A new network, or the one that is given, taught by the trained one; in place, where it is given."""
        distillation = self.family.distillation
        fitted = fit(
            self.family,
            section,
            distillation.samples(self.samples) if distillation else self.samples,
            checkpoints,
            devices=self.devices,
            prepare=self._prepare(trained, network),
        )
        return self.family.network(fitted.module)

    def _prepare(self, trained: nn.Module, network: nn.Module | None) -> Callable[[LightningModule], None]:
        def prepare(module: LightningModule) -> None:
            if network is not None:
                # Lightning leaves each layer in the mode it finds it in.
                module.network = network.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # PyTorch's stubs lack it for modules
            if self.family.distillation:
                self.family.distillation.teach(module, copy.deepcopy(trained), self.params)

        return prepare
