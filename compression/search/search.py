"""Climbing the ladder: every form of a trained family made, judged on validation, and the pick laid out.

A rung is made once for the same training, code and recipe of its own: its files and figures stay on a shelf below the
state folder, so a climb that was stopped goes on, and another budget or one more student asks for nothing old.

Every rung that params.yaml lists is made: a dozen, most of which cost seconds. There is nothing to search among so few,
so no optimiser is asked (optuna would be the one); whoever wants more of them lists more.
"""

from __future__ import annotations

import math
import shutil
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd
from tqdm import tqdm

from compression.measure.machine import machine
from compression.measure.outputs import ANSWERS, PARITY, one_sample, write_answers
from compression.methods.networks import CHECKPOINTS, WEIGHTS, WIDTHS, Networks, report_damaged
from compression.search.candidate import Form, compress, reference, seal
from compression.search.candidates import AWARE, FLOAT, ROUNDED, TEACHER, Ladder, OverBudgetError, Rung
from compression.search.sealed_json import DamagedFileError, read_sealed, write_sealed
from compression.search.uncertainty import few_groups, standard_error
from rushes.bundle.manifest import MANIFEST, BundleError, read_bundle
from rushes.inference.latency import interleaved_percentiles_ms
from training.divergence import DivergedError, NotFiniteError, not_finite_probability
from training.fit import Devices
from training.time_left import span

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import torch

    from curation.store.sample_set import SampleSet
    from models.family import Family, FamilyParams, Read, StaticCompress

JUDGED, LATENCIES, ROWS = "judged.json", "latencies.json", "rows.parquet"
OWN = (JUDGED, PARITY, ANSWERS, ROWS)  # what a rung's folder keeps beside the bundle
LEARNED = (WEIGHTS, WIDTHS, CHECKPOINTS)  # what a network's folder keeps beside its float form
RUNS = 200  # of each graph, for the 95th percentile
SHELVES = 3  # trainings whose rungs are kept


@dataclass(frozen=True)
class Made:
    """A rung as it lies on the shelf, not measured yet.

    Attributes:
        name: As the ladder calls it.
        folder: Where its files lie.
        source: Where the float form of the same network lies.
        digest: Of its bundle.
        figures: objective, doubt, size_bytes, seconds, note.
    """

    name: str
    folder: Path
    source: Path
    digest: str
    figures: dict[str, Any]


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
        failed: dict[str, str] = {}
        made = list(self._rungs(trained, failed))
        known_ms = self._known_ms(made)
        ladder = self._measured(made, known_ms or self._latencies_ms(made), failed)
        if known_ms and ladder.pick(self.params.budget) is None:  # perhaps the machine was busy that time
            ladder = self._measured(made, self._latencies_ms(made), failed)
        return ladder

    def _measured(self, made: list[Made], latencies_ms: dict[str, float], failed: dict[str, str]) -> Ladder:
        rungs = tuple(
            Rung(name=one.name, latency_ms=latencies_ms[one.name], folder=one.folder.name, **one.figures)
            for one in made
        )
        return Ladder(self.family.objective.name, machine(), rungs, failed)

    def _known_ms(self, made: list[Made]) -> dict[str, float] | None:
        """The milliseconds of before, where all rungs and the machine are the same.

        Another measurement might pick another of two that are nearly as fast, and the same training would be
        registered twice.
        """
        with suppress(OSError, DamagedFileError):  # then they are measured again
            known = read_sealed(self.shelf / LATENCIES)
            if known["machine"] == machine() and known["digests"] == {one.name: one.digest for one in made}:
                return {one.name: float(known["ms"][one.name]) for one in made}
        return None

    def _latencies_ms(self, made: list[Made]) -> dict[str, float]:
        """The 95th percentile of each rung, all measured in turns."""
        feeds = {one.name: one_sample(one.source) for one in made}
        paths = {one.name: read_bundle(one.folder).path("graph") for one in made}
        spread = interleaved_percentiles_ms(paths, feeds, threads=(1,), runs=RUNS)
        found = {name: part["1"]["p95"] for name, part in spread.items()}
        known = {"machine": machine(), "digests": {one.name: one.digest for one in made}, "ms": found}
        write_sealed(self.shelf / LATENCIES, known)
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
        shelved = self.shelf / pick.folder
        for folder in (candidate, source):  # of a run before, where DVC has not taken it away
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(shelved, candidate, ignore=shutil.ignore_patterns(*OWN, *LEARNED))
        shutil.copytree(self._networks.folder(network), source, ignore=shutil.ignore_patterns(JUDGED, ROWS, *LEARNED))
        shutil.copyfile(shelved / ANSWERS, source / ANSWERS)
        return pick

    def _rungs(self, trained: torch.nn.Module, failed: dict[str, str]) -> Iterator[Made]:
        """Each form, made or found; networks whose training has diverged go into `failed`, with the reason."""
        names, floor = self._networks.names, None
        forms = 1 + len(self._ways())
        done, total, began_s = 0, forms * len(names), time.monotonic()
        with tqdm(desc=f"ladder: {self.family.name}", total=total, unit="rung", disable=None, leave=False) as bar:
            while names:
                network = names.pop(0)
                made = {}
                try:
                    for one in self._forms_of(network, trained):
                        made[one.name] = one.figures["objective"] - one.figures["doubt"]
                        done += 1
                        bar.update()
                        _report_rung(one.name, done, total, time.monotonic() - began_s)
                        yield one
                except DivergedError as error:  # the others stand as they are
                    failed[network] = f"{error}: {error.remedy}"
                    continue
                if floor is None:
                    floor = made[f"{TEACHER}, {FLOAT}"] - self.params.budget.max_objective_drop - ROUNDED
                aware = self._networks.aware_of(network)
                if aware and AWARE not in network and _rounding_costs(made, floor):
                    names.insert(0, aware)
                    bar.total = total = total + forms

    def _forms_of(self, network: str, trained: torch.nn.Module) -> Iterator[Made]:
        """Each form of a network with its figures; what is not there yet is made."""
        source = self._networks.folder(network)
        for name, form in {FLOAT: None, **self._ways()}.items():
            folder = self._networks.folder(network, name)
            figures = _figures(folder)
            if figures is None:
                start = time.monotonic()
                note = self._make(self._networks.get(network, trained), source, folder, form)
                figures = self._judge(folder, source, start, note)
            yield Made(f"{network}, {name}", folder, source, read_bundle(folder).digest, figures)

    @property
    def _networks(self) -> Networks:
        return Networks(self.family, self.params, self.samples, self.shelf, self.devices)

    def _ways(self) -> dict[str, Form]:
        """The ways of quantising, by what a rung calls them."""
        if self.family.quantisation == "dynamic":
            return {"dynamic int8": Form()}
        compress: StaticCompress = self.params.compress
        ways = {f"static int8 {way}": Form(way) for way in compress.calibrations}
        first, kept = compress.calibrations[0], compress.float_layers
        return ways | {f"static int8 save {count} layers": Form(first, count) for count in kept}

    def _make(self, network: torch.nn.Module, source: Path, folder: Path, form: Form | None) -> str:
        """One rung: the float graphs of a network, or in `form` quantised ones; what is to be known of it."""
        family, params = self.family, self.params.compress
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.name not in LEARNED:
                path.unlink()
        if form is None:
            reference(family, network, self.samples, params, folder, self.read)
            return ""
        graphs = family.graphs(network, self.samples)
        stayed = compress(family, self.samples, params, graphs, source, folder, form)
        seal(family, self.samples, graphs, self.read, folder)
        return f"float: {', '.join(stayed)}" if stayed else ""

    def _judge(self, folder: Path, source: Path, start: float, note: str) -> dict[str, Any]:
        """The figures of a rung by the validation split; written, so that they are made once."""
        bundle = read_bundle(folder)
        write_answers(bundle, source)
        rows = self.family.score(bundle, self.clean, "validation", self.read).rows
        rows.to_parquet(folder / ROWS)
        teachers = pd.read_parquet(self._networks.folder(TEACHER) / ROWS)  # of the first rung that is judged
        if (folder == self._networks.folder(TEACHER)) and (line := few_groups(rows)):
            sys.stdout.write(f"{line}\n")
        objective = math.nan if not_finite_probability(rows) else self.family.objective(rows)
        if folder == self._networks.folder(TEACHER):
            self._check_teacher(objective)
        figures = {
            "objective": objective,
            "doubt": standard_error(self.family.objective, teachers, rows),
            "size_bytes": sum(bundle.manifest.files[name].size_bytes for name in bundle.graphs),
            "seconds": round(time.monotonic() - start, 1),
            "note": note,
        }
        own = (PARITY,) if (folder / PARITY).is_file() else ()  # a float form's alone
        write_sealed(folder / JUDGED, figures, (ANSWERS, ROWS, MANIFEST, *own))
        return figures

    def _check_teacher(self, objective: float) -> None:
        """Refuses a trained network that gives NaN: every rung would miss a budget that cannot be widened enough.

        Raises:
            NotFiniteError: Its objective is NaN or infinite.
        """
        if not math.isfinite(objective):
            what = f"{self.family.objective.name} of the trained network on the validation split"
            remedy = f"the network gives NaN: lower {self.family.name}.train.learning_rate in params.yaml"
            raise NotFiniteError(what, f"{remedy}, or look at build/{self.family.name}/train/history.csv")


def _report_rung(name: str, done: int, total: int, taken_s: float) -> None:
    """A line for the stage's log; what is left is not reckoned: one network learns for minutes, another is there."""
    sys.stdout.write(f"rung {done} of {total} after {span(taken_s)}: {name}\n")
    sys.stdout.flush()


def _figures(folder: Path) -> dict[str, Any] | None:
    """Those of a rung that was made and judged before, where its files are as they were."""
    try:
        figures: dict[str, Any] = read_sealed(folder / JUDGED)
        read_bundle(folder)
    except FileNotFoundError:
        return None
    except (OSError, DamagedFileError, BundleError) as error:
        report_damaged(error)
        return None
    return figures


def _rounding_costs(objectives: dict[str, float], floor: float) -> bool:
    """True if a network's float form is good enough, and none of its int8 forms is."""
    good = [name for name, objective in objectives.items() if objective >= floor]
    return len(good) == 1 and good[0].endswith(f", {FLOAT}")


def tidy(shelves: Path) -> None:
    """Keeps the shelves of the last trainings, and takes the others away."""
    found = sorted((path for path in shelves.glob("*") if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for path in found[:-SHELVES]:
        shutil.rmtree(path, ignore_errors=True)
