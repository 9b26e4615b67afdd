"""Climbing the ladder: every form of a trained family made, judged on validation, and the pick laid out.

A rung is made once for the same training, params and code: its files and figures stay on a shelf below the state
folder, so a climb that was stopped goes on, and another budget asks for nothing new.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.torch import load_file, save_file
from tqdm import tqdm

from compression.candidate import PARITY, compress, reference, seal
from compression.machine import machine
from compression.rungs import FLOAT, TEACHER, Ladder, OverBudgetError, Rung
from rushes.bundle import read_bundle
from rushes.latency import interleaved_percentiles_ms
from training.fit import Devices, fit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import torch
    from pytorch_lightning import LightningModule

    from curation.sampleset import SampleSet
    from models.family import Calibration, Family, FamilyParams, Read

JUDGED, LATENCIES = "judged.json", "latencies.json"
WEIGHTS = "weights.safetensors"
RUNS = 200  # of each graph, for the 95th percentile
SHELVES = 3  # trainings whose rungs are kept


@dataclass(frozen=True)
class Climb:
    """All that a climb needs.

    Attributes:
        family: Whose.
        params: Its section of params.yaml.
        samples: What it has learned from: train and validation.
        clean: The clean set, whose validation split judges; its test split stays shut.
        read: Brings the bytes of an asset.
        shelf: Where rungs of this training lie.
        devices: Where students are trained.
    """

    family: Family
    params: FamilyParams
    samples: SampleSet
    clean: SampleSet
    read: Read
    shelf: Path
    devices: Devices = field(default_factory=Devices)

    def ladder(self, trained: torch.nn.Module) -> Ladder:
        """Makes and judges every rung that is not there yet, and measures all of them in turns.

        Args:
            trained: The network with the weights that train has found.
        """
        judged = list(self._rungs(trained))
        latencies_ms = self._latencies_ms({name: source for name, source, _ in judged})
        rungs = tuple(
            Rung(name=name, latency_ms=latencies_ms[name], folder=slug(name), **figures) for name, _, figures in judged
        )
        return Ladder(self.family.objective.name, machine(), rungs)

    def _latencies_ms(self, sources: dict[str, str]) -> dict[str, float]:
        """The 95th percentile of each rung, all measured in turns; those of before where all rungs are the same.

        Another measurement might pick another of two that are nearly as fast, and the same training would be
        registered twice.
        """
        path = self.shelf / LATENCIES
        digests = {name: read_bundle(self.shelf / slug(name)).digest for name in sources}
        with suppress(OSError, ValueError, KeyError):
            known = json.loads(path.read_text(encoding="utf-8"))
            if known["machine"] == machine() and known["digests"] == digests:
                return {name: float(known["ms"][name]) for name in sources}
        feeds = {name: _first_sample(self.shelf / slug(source)) for name, source in sources.items()}
        paths = {name: read_bundle(self.shelf / slug(name)).path("graph") for name in sources}
        spread = interleaved_percentiles_ms(paths, feeds, threads=(1,), runs=RUNS)
        found = {name: spread[name]["1"]["p95"] for name in sources}
        path.write_text(json.dumps({"machine": machine(), "digests": digests, "ms": found}), encoding="utf-8")
        return found

    def install(self, ladder: Ladder, candidate: Path, source: Path) -> Rung:
        """Lays the pick out as the candidate, and beside it the float graphs and answers that it came from.

        Raises:
            OverBudgetError: No rung holds the budget.
        """
        pick = ladder.pick(self.params.budget)
        if pick is None:
            raise OverBudgetError(self.family.name, ladder, self.params.budget)
        network = pick.name.rpartition(", ")[0]
        shutil.copytree(self.shelf / pick.folder, candidate, ignore=shutil.ignore_patterns(JUDGED, PARITY, WEIGHTS))
        shutil.copytree(
            self.shelf / slug(f"{network}, {FLOAT}"), source, ignore=shutil.ignore_patterns(JUDGED, WEIGHTS)
        )
        return pick

    def _rungs(self, trained: torch.nn.Module) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Name, name of the float rung of the same network, and figures of each."""
        distillation = self.family.distillation
        students = dict(distillation.students(self.params)) if distillation else {}
        forms = [(network, form) for network in (TEACHER, *students) for form in (FLOAT, *self._ways())]
        for network, form in tqdm(forms, desc=f"ladder: {self.family.name}", unit="rung", disable=None, leave=False):
            name, source = f"{network}, {form}", f"{network}, {FLOAT}"
            figures = _figures(self.shelf / slug(name))
            if figures is None:
                start = time.monotonic()
                learned = trained if network == TEACHER else self._student(network, students[network], trained)
                self._make(learned, self.shelf / slug(source), self.shelf / slug(name), self._ways().get(form))
                figures = self._judge(self.shelf / slug(name), start)
            yield name, source, figures

    def _ways(self) -> dict[str, Calibration]:
        """The ways of quantising, by what a rung calls them."""
        if self.family.quantisation == "dynamic":
            return {"dynamic int8": "minmax"}
        ways: tuple[Calibration, ...] = getattr(self.params.compress, "calibrations", ("minmax",))
        return {f"static int8 {way}": way for way in ways}

    def _make(self, learned: torch.nn.Module, source: Path, folder: Path, way: Calibration | None) -> None:
        """One rung: the float graphs of a network, or in `way` quantised ones."""
        family, params = self.family, self.params.compress
        shutil.rmtree(folder, ignore_errors=True)
        if way is None:
            reference(family, learned, self.samples, params, folder, self.read)
        else:
            graphs = family.graphs(learned, self.samples)
            compress(family, self.samples, params, graphs, source, folder, way)
            seal(family, self.samples, graphs, self.read, folder)

    def _student(self, name: str, params: Any, trained: torch.nn.Module) -> torch.nn.Module:  # noqa: ANN401  # each family has its own
        """A student, trained where its weights are not there yet."""
        weights = self.shelf / slug(name) / WEIGHTS
        if weights.is_file():
            network = self.family.network(self.family.module(self.samples.info, params))
            network.load_state_dict(load_file(weights))
            return network.eval()

        def teach(student: LightningModule) -> None:
            self.family.distillation.teach(student, trained, self.params)  # type: ignore[union-attr]  # there are students

        fitted = fit(
            self.family, params, self.samples, weights.parent / "checkpoints", devices=self.devices, prepare=teach
        )
        network = self.family.network(fitted.module).eval()
        save_file({key: value.contiguous() for key, value in network.state_dict().items()}, weights)
        shutil.rmtree(weights.parent / "checkpoints", ignore_errors=True)
        return network

    def _judge(self, folder: Path, start: float) -> dict[str, Any]:
        """The figures of a rung by the validation split; written, so that they are made once."""
        bundle = read_bundle(folder)
        rows = self.family.score(bundle, self.clean, "validation", self.read).rows
        figures = {
            "objective": self.family.objective(rows),
            "size_bytes": sum(bundle.manifest.files[name].size_bytes for name in bundle.graphs),
            "seconds": round(time.monotonic() - start, 1),
        }
        (folder / JUDGED).write_text(json.dumps(figures), encoding="utf-8")
        return figures


def _figures(folder: Path) -> dict[str, Any] | None:
    """Those of a rung that was made and judged before, where its files are as they were."""
    try:
        figures: dict[str, Any] = json.loads((folder / JUDGED).read_text(encoding="utf-8"))
        read_bundle(folder)
    except (OSError, ValueError):  # BundleError is one: what is damaged is made anew
        return None
    return figures


def _first_sample(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / PARITY) as stored:
        return {name[3:]: stored[name][:1] for name in stored if name.startswith("in:")}


def slug(name: str) -> str:
    """The folder of a rung: `student 16-32, static int8 minmax` is `student-16-32-static-int8-minmax`."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())


def tidy(shelves: Path) -> None:
    """Keeps the shelves of the last trainings, and takes the others away."""
    found = sorted((path for path in shelves.glob("*") if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for path in found[:-SHELVES]:
        shutil.rmtree(path, ignore_errors=True)
