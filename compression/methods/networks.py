"""Networks of a compression search besides the trained one: students, pruned ones, and quantisation-aware ones.

Each is trained once. Its weights lie in the folder of its float candidate, and a training that was stopped goes on.
"""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file

from common.atomic import replacing
from compression.methods.prune import narrowed, widths_of, with_widths
from compression.methods.quantisation_aware import made_aware
from compression.search.candidates import AWARE, FLOAT, TEACHER, folder_name
from compression.search.sealed_json import DamagedFileError, read_sealed, write_sealed
from training.fit import Devices, fit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytorch_lightning import LightningModule
    from torch import nn

    from curation.store.sample_set import SampleSet
    from models.family import Family, FamilyParams, FineTuning

WEIGHTS, WIDTHS, CHECKPOINTS = "weights.safetensors", "widths.json", "checkpoints"
# Fields of a section `compress` that list the candidates, and fields of quantisation: no training depends on them.
LISTED = {
    "students",
    "starter_students",
    "student_epochs",
    "prune",
    "quantisation_aware",
    "calibrations",
    "float_layers",
}
QUANTISING = {"calibration_samples", "seed"}
KEY = 8  # characters of a hash


@dataclass(frozen=True)
class Networks:
    """Makes the networks of one training.

    Attributes:
        family: Whose.
        params: Its section of params.yaml.
        samples: What the trained network has learned from.
        cache: Folder of the candidates.
        devices: Where networks are trained.
    """

    family: Family
    params: FamilyParams
    samples: SampleSet
    cache: Path
    devices: Devices = field(default_factory=Devices)

    @property
    def names(self) -> list[str]:
        """Names of the networks that every search of the family has, the trained one first."""
        return [TEACHER, *self._students, *self._narrowed]

    def folder(self, network: str, quantisation: str = FLOAT) -> Path:
        """Folder of a candidate, named after its network and a hash of what its weights depend on.

        So another student, or another way of calibrating, has nothing else made again.

        Args:
            network: One of `names`, or `aware_of` one of them.
            quantisation: As in the candidate's name.
        """
        made_by = self._made_by(network)
        if quantisation != FLOAT:
            # Where layers stay float, the first of the ways of calibrating is used.
            named = {"calibrations": self._values({"calibrations"}).get("calibrations", [])[:1]}
            made_by |= self._values(QUANTISING) | (named if "layers" in quantisation else {})
        key = hashlib.sha256(json.dumps(made_by, sort_keys=True, default=str).encode()).hexdigest()[:KEY]
        return self.cache / f"{folder_name(f'{network}, {quantisation}')}-{key}"

    def _made_by(self, network: str) -> dict[str, Any]:
        """Everything that the weights of a network depend on, beside the training that names the cache."""
        if network == TEACHER:
            return {}
        if network.endswith(AWARE):
            plain = self._made_by(network.removesuffix(f" {AWARE}"))
            return plain | self._taught | self._values({"quantisation_aware"})
        if network in self._students:
            return self._taught | {"student": self._students[network].model_dump()}
        prune = self.params.compress.prune.model_dump(exclude={"shares"})
        return self._taught | {"prune": prune, "share": self._narrowed[network]}

    @property
    def _taught(self) -> dict[str, Any]:
        """Parameters by which a network learns from the trained one."""
        return self._values(set(type(self.params.compress).model_fields) - LISTED - QUANTISING)

    def _values(self, names: set[str]) -> dict[str, Any]:
        """Values of fields of the section `compress`."""
        found: dict[str, Any] = self.params.compress.model_dump(mode="json", include=names)
        return found

    def aware_of(self, name: str) -> str | None:
        """Name of a network fine-tuned with rounding in it; None where the family has no such ones."""
        tuned = self.family.fine_tuning is not None and self.params.compress.quantisation_aware.epochs
        return f"{name} {AWARE}" if tuned else None

    def get(self, name: str, trained: nn.Module) -> nn.Module:
        """A network by its name, made where its weights are not there yet.

        Args:
            name: One of `names`, or `aware_of` one of them.
            trained: The network with the weights that train has found.
        """
        if name == TEACHER:
            return trained
        folder = self.folder(name)
        try:
            return self._stored(name, trained, folder)
        except FileNotFoundError:
            pass
        except DamagedFileError as error:
            report_damaged(error)
        folder.mkdir(parents=True, exist_ok=True)
        network = self._made(name, trained, folder).eval()
        with replacing(folder / WEIGHTS) as partial:
            save_file({key: value.contiguous() for key, value in network.state_dict().items()}, partial)
        write_sealed(folder / WIDTHS, widths_of(network), (WEIGHTS,))
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
        return network

    @property
    def _students(self) -> dict[str, Any]:
        distillation = self.family.distillation
        return dict(distillation.students(self.params)) if distillation else {}

    @property
    def _narrowed(self) -> dict[str, float]:
        shares = self.params.compress.prune.shares if self.family.fine_tuning else ()
        return {f"{TEACHER} pruned by {100 * share:g}%": share for share in shares}

    def _stored(self, name: str, trained: nn.Module, folder: Path) -> nn.Module:
        widths = read_sealed(folder / WIDTHS)
        own = name.removesuffix(f" {AWARE}")
        like = trained
        if own in self._students:
            like = self.family.network(self.family.module(self.samples.info, self._students[own]))
        network = with_widths(like, widths)
        network.load_state_dict(load_file(folder / WEIGHTS))
        return network.eval()

    def _made(self, name: str, trained: nn.Module, folder: Path) -> nn.Module:
        if name in self._students:
            return self._trained(name, self._students[name], trained, folder / CHECKPOINTS)
        if name in self._narrowed:
            return self._narrow(name, trained, folder)
        return self._made_aware(name, trained, folder)

    def _narrow(self, name: str, trained: nn.Module, folder: Path) -> nn.Module:
        fine_tuning, prune, share = self._fine_tuning, self.params.compress.prune, self._narrowed[name]
        section = fine_tuning.config(self.params, prune.epochs, prune.learning_rate_share)
        rate_param = f"{self.family.name}.compress.prune.learning_rate_share"

        def tune(network: nn.Module, number: int) -> None:
            self._trained(name, section, trained, folder / CHECKPOINTS / str(number), network, rate_param)

        return narrowed(trained, share, fine_tuning, self.samples, prune, tune)

    def _made_aware(self, name: str, trained: nn.Module, folder: Path) -> nn.Module:
        # It is stored by now: a network is only made aware of rounding where int8 costs it too much.
        plain = self.get(name.removesuffix(f" {AWARE}"), trained)
        aware = self.params.compress.quantisation_aware
        section = self._fine_tuning.config(self.params, aware.epochs, aware.learning_rate_share)
        rate_param = f"{self.family.name}.compress.quantisation_aware.learning_rate_share"

        def tune(network: nn.Module) -> None:
            self._trained(name, section, trained, folder / CHECKPOINTS, network, rate_param)

        return made_aware(copy.deepcopy(plain), tune)

    @property
    def _student_rate_param(self) -> str:
        own = "compress.student_rate" if "student_rate" in type(self.params.compress).model_fields else ""
        return f"{self.family.name}.{own or 'train.learning_rate'}"

    @property
    def _fine_tuning(self) -> FineTuning:
        if self.family.fine_tuning is None:
            message = f"the family {self.family.name} has no fine-tuning"
            raise ValueError(message)
        return self.family.fine_tuning

    def _trained(
        self,
        name: str,
        section: Any,  # noqa: ANN401  # each family has its own
        trained: nn.Module,
        checkpoints: Path,
        network: nn.Module | None = None,
        rate_param: str = "",
    ) -> nn.Module:
        """A new network, or the given one in place, taught by the trained one."""
        distillation = self.family.distillation
        fitted = fit(
            self.family,
            section,
            distillation.samples(self.samples) if distillation else self.samples,
            checkpoints,
            devices=self.devices,
            prepare=self._prepare(trained, network),
            rate_param=rate_param or self._student_rate_param,
            title=f"{name}: ",
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


def report_damaged(error: Exception) -> None:
    """Writes a line to the stage's log."""
    sys.stdout.write(f"kept from an earlier run: {error}; it is made again\n")
    sys.stdout.flush()
