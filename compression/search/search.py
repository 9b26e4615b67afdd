"""Compression search: makes every candidate of a trained family, judges it on validation, and lays out the pick.

A candidate is made once for the same training, code and params of its own. Its files and figures stay in a cache below
the state folder, so a search that was stopped goes on, and another budget or one more student remakes nothing.

Every candidate that params.yaml lists is made: a dozen, most of which cost seconds. So few need no optimiser (optuna
would be the one); for more candidates, list more.
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
from compression.measure.outputs import OUTPUTS, PARITY, one_sample, write_outputs
from compression.methods.networks import CHECKPOINTS, WEIGHTS, WIDTHS, Networks, report_damaged
from compression.search.candidate import Quantisation, compress, reference, seal
from compression.search.candidates import (
    AWARE,
    FLOAT,
    ROUNDED,
    TEACHER,
    MeasuredCandidate,
    OverBudgetError,
    SearchResult,
)
from compression.search.sealed_json import DamagedFileError, read_sealed, write_sealed
from compression.search.uncertainty import few_groups, standard_error
from rushes.bundle.manifest import MANIFEST, BundleError, read_bundle
from rushes.inference.latency import interleaved_percentiles_ms
from training.fit import Devices
from training.monitoring.divergence import DivergedError, NotFiniteError, not_finite_probability
from training.monitoring.time_left import span

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import torch

    from common.assets import Read
    from curation.store.sample_set import SampleSet
    from models.family import Family, FamilyParams, StaticCompress

JUDGED, LATENCIES, ROWS = "judged.json", "latencies.json", "rows.parquet"
OWN = (JUDGED, PARITY, OUTPUTS, ROWS)  # what a candidate's folder keeps beside the bundle
LEARNED = (WEIGHTS, WIDTHS, CHECKPOINTS)  # what a network's folder keeps beside its float graphs
RUNS = 200  # of each graph, for the 95th percentile
KEPT_TRAININGS = 3  # trainings whose candidates are kept


@dataclass(frozen=True)
class JudgedCandidate:
    """A candidate in the cache: made and judged, its latency not measured yet.

    Attributes:
        name: Network and quantisation, as in `MeasuredCandidate`.
        folder: Folder of its files.
        source: Folder of the float candidate of the same network.
        digest: Of its bundle.
        figures: objective, standard_error, size_bytes, seconds, note.
    """

    name: str
    folder: Path
    source: Path
    digest: str
    figures: dict[str, Any]


@dataclass(frozen=True)
class CompressionSearch:
    """The search over the candidates of one training.

    Attributes:
        family: Whose.
        params: Its section of params.yaml.
        samples: What it has learned from: train and validation.
        clean: The clean set, whose validation split judges; its test split stays shut.
        read: Brings the bytes of an asset.
        cache: Folder of the candidates of this training.
        devices: Where students are trained.
    """

    family: Family
    params: FamilyParams
    samples: SampleSet
    clean: SampleSet
    read: Read
    cache: Path
    devices: Devices = field(default_factory=Devices)

    def run(self, trained: torch.nn.Module) -> SearchResult:
        """Makes and judges every candidate that is not there yet, and measures all of them in turns.

        Args:
            trained: The network with the weights that train has found.
        """
        failed: dict[str, str] = {}
        judged = list(self._candidates(trained, failed))
        known_ms = self._known_ms(judged)
        result = self._measured(judged, known_ms or self._latencies_ms(judged), failed)
        if known_ms and result.pick(self.params.budget) is None:  # perhaps the machine was busy that time
            result = self._measured(judged, self._latencies_ms(judged), failed)
        return result

    def _measured(
        self, judged: list[JudgedCandidate], latencies_ms: dict[str, float], failed: dict[str, str]
    ) -> SearchResult:
        candidates = tuple(
            MeasuredCandidate(name=one.name, latency_ms=latencies_ms[one.name], folder=one.folder.name, **one.figures)
            for one in judged
        )
        return SearchResult(self.family.objective.name, machine(), candidates, failed)

    def _known_ms(self, judged: list[JudgedCandidate]) -> dict[str, float] | None:
        """The milliseconds of before, where all candidates and the machine are the same.

        Another measurement might pick another of two that are nearly as fast, and the same training would be
        registered twice.
        """
        with suppress(OSError, DamagedFileError):  # then they are measured again
            known = read_sealed(self.cache / LATENCIES)
            if known["machine"] == machine() and known["digests"] == {one.name: one.digest for one in judged}:
                return {one.name: float(known["ms"][one.name]) for one in judged}
        return None

    def _latencies_ms(self, judged: list[JudgedCandidate]) -> dict[str, float]:
        """The 95th percentile of each candidate, all measured in turns."""
        feeds = {one.name: one_sample(one.source) for one in judged}
        paths = {one.name: read_bundle(one.folder).path("graph") for one in judged}
        spread = interleaved_percentiles_ms(paths, feeds, threads=(1,), runs=RUNS)
        found = {name: part["1"]["p95"] for name, part in spread.items()}
        known = {"machine": machine(), "digests": {one.name: one.digest for one in judged}, "ms": found}
        write_sealed(self.cache / LATENCIES, known)
        return found

    def install(self, result: SearchResult, candidate: Path, source: Path) -> MeasuredCandidate:
        """Lays the pick out in build/F/candidate, and the float graphs and outputs that it was made from beside it.

        Raises:
            OverBudgetError: No candidate holds the budget.
        """
        pick = result.pick(self.params.budget)
        if pick is None:
            raise OverBudgetError(self.family.name, result, self.params.budget)
        network = pick.name.rpartition(", ")[0]
        cached = self.cache / pick.folder
        for folder in (candidate, source):  # of a run before, where DVC has not taken it away
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(cached, candidate, ignore=shutil.ignore_patterns(*OWN, *LEARNED))
        shutil.copytree(self._networks.folder(network), source, ignore=shutil.ignore_patterns(JUDGED, ROWS, *LEARNED))
        shutil.copyfile(cached / OUTPUTS, source / OUTPUTS)
        return pick

    def _candidates(self, trained: torch.nn.Module, failed: dict[str, str]) -> Iterator[JudgedCandidate]:
        """Each candidate, made or found; networks whose training diverged go into `failed`, with the reason."""
        names, floor = self._networks.names, None
        of_each = 1 + len(self._quantisations())
        done, total, began_s = 0, of_each * len(names), time.monotonic()
        with tqdm(
            desc=f"compression search: {self.family.name}", total=total, unit="candidate", disable=None, leave=False
        ) as bar:
            while names:
                network = names.pop(0)
                least = {}
                try:
                    for one in self._candidates_of(network, trained):
                        least[one.name] = one.figures["objective"] - one.figures["standard_error"]
                        done += 1
                        bar.update()
                        _report_candidate(one.name, done, total, time.monotonic() - began_s)
                        yield one
                except DivergedError as error:  # the others stand as they are
                    failed[network] = f"{error}: {error.remedy}"
                    continue
                if floor is None:
                    floor = least[f"{TEACHER}, {FLOAT}"] - self.params.budget.max_objective_drop - ROUNDED
                aware = self._networks.aware_of(network)
                if aware and AWARE not in network and _rounding_costs(least, floor):
                    names.insert(0, aware)
                    bar.total = total = total + of_each

    def _candidates_of(self, network: str, trained: torch.nn.Module) -> Iterator[JudgedCandidate]:
        """Each candidate of a network with its figures; one that is not there yet is made."""
        source = self._networks.folder(network)
        for name, quantisation in {FLOAT: None, **self._quantisations()}.items():
            folder = self._networks.folder(network, name)
            figures = _figures(folder)
            if figures is None:
                start = time.monotonic()
                note = self._make(self._networks.get(network, trained), source, folder, quantisation)
                figures = self._judge(folder, source, start, note)
            yield JudgedCandidate(f"{network}, {name}", folder, source, read_bundle(folder).digest, figures)

    @property
    def _networks(self) -> Networks:
        return Networks(self.family, self.params, self.samples, self.cache, self.devices)

    def _quantisations(self) -> dict[str, Quantisation]:
        """The ways of quantising, by their part in a candidate's name."""
        if self.family.quantisation == "dynamic":
            return {"dynamic int8": Quantisation()}
        compress: StaticCompress = self.params.compress
        ways = {f"static int8 {way}": Quantisation(way) for way in compress.calibrations}
        first, kept = compress.calibrations[0], compress.float_layers
        return ways | {f"static int8 save {count} layers": Quantisation(first, count) for count in kept}

    def _make(self, network: torch.nn.Module, source: Path, folder: Path, quantisation: Quantisation | None) -> str:
        """Writes a candidate, the float graphs of a network or quantised ones, and returns its note."""
        family, params = self.family, self.params.compress
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.name not in LEARNED:
                path.unlink()
        if quantisation is None:
            reference(family, network, self.samples, params, folder, self.read)
            return ""
        graphs = family.graphs(network, self.samples)
        stayed = compress(family, self.samples, params, graphs, source, folder, quantisation)
        seal(family, self.samples, graphs, self.read, folder)
        return f"float: {', '.join(stayed)}" if stayed else ""

    def _judge(self, folder: Path, source: Path, start: float, note: str) -> dict[str, Any]:
        """The figures of a candidate by the validation split, written so that they are computed once."""
        bundle = read_bundle(folder)
        write_outputs(bundle, source)
        rows = self.family.score(bundle, self.clean, "validation", self.read).rows
        rows.to_parquet(folder / ROWS)
        teachers = pd.read_parquet(self._networks.folder(TEACHER) / ROWS)  # of the first candidate that is judged
        if (folder == self._networks.folder(TEACHER)) and (line := few_groups(rows)):
            sys.stdout.write(f"{line}\n")
        objective = math.nan if not_finite_probability(rows) else self.family.objective(rows)
        if folder == self._networks.folder(TEACHER):
            self._check_teacher(objective)
        figures = {
            "objective": objective,
            "standard_error": standard_error(self.family.objective, teachers, rows),
            "size_bytes": sum(bundle.manifest.files[name].size_bytes for name in bundle.graphs),
            "seconds": round(time.monotonic() - start, 1),
            "note": note,
        }
        own = (PARITY,) if (folder / PARITY).is_file() else ()  # only float candidates have one
        write_sealed(folder / JUDGED, figures, (OUTPUTS, ROWS, MANIFEST, *own))
        return figures

    def _check_teacher(self, objective: float) -> None:
        """Refuses a trained network that gives NaN: every candidate would miss a budget that cannot be widened enough.

        Raises:
            NotFiniteError: Its objective is NaN or infinite.
        """
        if not math.isfinite(objective):
            what = f"{self.family.objective.name} of the trained network on the validation split"
            remedy = f"the network gives NaN: lower {self.family.name}.train.learning_rate in params.yaml"
            raise NotFiniteError(what, f"{remedy}, or look at build/{self.family.name}/train/history.csv")


def _report_candidate(name: str, done: int, total: int, taken_s: float) -> None:
    """Writes a line to the stage's log, without the time left: one network learns for minutes, another is there."""
    sys.stdout.write(f"candidate {done} of {total} after {span(taken_s)}: {name}\n")
    sys.stdout.flush()


def _figures(folder: Path) -> dict[str, Any] | None:
    """Those of a candidate that was made and judged before, where its files are as they were.

    None for a folder of an earlier version, which knew the standard error by another name: it is judged again.
    """
    try:
        figures: dict[str, Any] = read_sealed(folder / JUDGED)
        read_bundle(folder)
    except FileNotFoundError:
        return None
    except (OSError, DamagedFileError, BundleError) as error:
        report_damaged(error)
        return None
    return figures if "standard_error" in figures else None


def _rounding_costs(objectives: dict[str, float], floor: float) -> bool:
    """True if a network is good enough in float, and none of its int8 candidates is."""
    good = [name for name, objective in objectives.items() if objective >= floor]
    return len(good) == 1 and good[0].endswith(f", {FLOAT}")


def tidy(caches: Path) -> None:
    """Removes all but the caches of the last trainings."""
    found = sorted((path for path in caches.glob("*") if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for path in found[:-KEPT_TRAININGS]:
        shutil.rmtree(path, ignore_errors=True)
