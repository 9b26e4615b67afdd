"""Candidates of the last training of any family: their objective, samples per second, and bytes.

    python -m benchmarks.candidates --family script [--students '[256]'] [--keep FOLDER] [--quick]
    python -m benchmarks.candidates --family scene [--students '[[96, 48, 32, 16]]']

It runs in a checkout with a trained family, and changes nothing there: its candidates have a folder of their own.

- Every candidate in params.yaml is made as compress makes it, and so are the students requested here; they learn from
  the trained network, for as many epochs.
- The objective is that of the family on the validation split (script: -bits per character; scene: -KID).
- Milliseconds are of one sample (a character, an image, a face) on one thread, all candidates in turns.

Figures go to standard output, one per line, each compared with the trained network in float; every candidate goes to
standard error.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from benchmarks.support.command import new_parser, quiet
from benchmarks.support.figures import Figure, report
from benchmarks.support.timing import medians, percentile, rounds_ms
from compression.measure.outputs import one_sample
from compression.search.candidates import FLOAT, TEACHER
from compression.search.search import CompressionSearch
from curation.store.sample_set import SampleSet
from models.components.load import load_params
from models.families import NAMES, by_name
from registry.assets import read_asset
from rushes.bundle.manifest import read_bundle
from rushes.inference.cpu import processor
from rushes.inference.session import open_graph
from steps.compress import trained

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from compression.search.candidates import MeasuredCandidate, SearchResult
    from models.family import Family, FamilyParams

# Half as wide as the trained network, if params.yaml lists none.
STUDENTS: dict[str, list[Any]] = {"script": [256], "scene": [[96, 48, 32, 16]]}
SMALLER = 1 / 3  # of the bytes in float: int8 takes a quarter, and some layers stay float
COLUMNS = ("candidate", "objective", "drop", "p50 ms", "p95 ms", "a second", "bytes", "made in s")


def searched(family: Family, params: FamilyParams, build: Path, cache: Path) -> SearchResult:
    """Result of a compression search over the training in build/F, its candidates in a cache."""
    collection, _ = load_params(Path("params.yaml"), family)
    samples, clean = SampleSet(build / family.name / "set"), SampleSet(build / "clean" / collection)
    network = trained(family, samples, params, build / family.name / "train")
    cache.mkdir(parents=True, exist_ok=True)
    return CompressionSearch(family, params, samples, clean, read_asset, cache).run(network)


def calls(result: SearchResult, cache: Path) -> dict[str, Callable[[], object]]:
    """One sample of each candidate, on one thread."""
    folders = {one.name: cache / one.folder for one in result.candidates}
    float_of = {name: folders[f"{name.rpartition(', ')[0]}, {FLOAT}"] for name in folders}
    return {
        name: partial(open_graph(read_bundle(folder).path("graph")).run, None, one_sample(float_of[name]))
        for name, folder in folders.items()
    }


def figures_of(result: SearchResult, allowed: float, taken_ms: Mapping[str, list[list[float]]]) -> list[Figure]:
    """Drop, latency and bytes of each network in int8, with the calibration of the smallest drop."""
    teacher, figures = result.teacher, []
    for network in dict.fromkeys(one.name.rpartition(", ")[0] for one in result.candidates):
        quantised = [one for one in result.candidates if one.name.startswith(f"{network}, ") and not one.is_float]
        if not quantised:
            continue
        best = max(quantised, key=lambda one: one.objective)
        lost = max(0.0, teacher.objective - best.objective)
        pair = f"{best.name}/{TEACHER}, {FLOAT}"
        figures += [
            Figure(f"{result.objective} lost, {best.name}, of {allowed:g} allowed", [lost], [allowed], 1, at_most=True),
            Figure(f"ms, {pair}", medians(taken_ms[best.name]), medians(taken_ms[teacher.name]), 1, at_most=True),
            Figure(f"bytes, {pair}", [best.size_bytes], [teacher.size_bytes], SMALLER, at_most=True),
        ]
    return figures


def print_table(result: SearchResult, taken_ms: Mapping[str, list[list[float]]]) -> None:
    """Prints a line for each candidate."""
    print(f"# {result.objective}, validation split; on {processor()}, one thread", file=sys.stderr)
    print("# " + "\t".join(COLUMNS), file=sys.stderr)
    for candidate in result.candidates:
        print("# " + "\t".join(_row(result, candidate, taken_ms[candidate.name])), file=sys.stderr, flush=True)
    for network, why in result.failed.items():
        print(f"# {network}: left out, {why}", file=sys.stderr)


def _row(result: SearchResult, candidate: MeasuredCandidate, taken_ms: list[list[float]]) -> tuple[str, ...]:
    p50_ms, p95_ms = percentile(taken_ms, 50), percentile(taken_ms, 95)
    scores = (f"{candidate.objective:.4f}", f"{result.teacher.objective - candidate.objective:.4f}")
    return (
        candidate.name, *scores, f"{p50_ms:.3f}", f"{p95_ms:.3f}", f"{1e3 / p50_ms:,.0f}", f"{candidate.size_bytes:,}",
        f"{candidate.seconds:,.0f}",
    )  # fmt: skip


def arguments(words: list[str] | None) -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    """The command-line arguments."""
    parser = new_parser("candidates", __doc__)
    parser.add_argument("--family", choices=NAMES, required=True, help="whose compression search")
    parser.add_argument("--students", type=json.loads, help="widths, as in params.yaml; [] for none")
    parser.add_argument("--keep", type=Path, help="a folder for candidates: what is made there is not made again")
    return parser, parser.parse_args(words)


def chosen(params: FamilyParams, name: str, students: list[Any] | None) -> FamilyParams:
    """The params with the requested students, or else those listed, or else the default ones.

    Raises:
        ValidationError: They are not valid widths of such a network.
    """
    wanted = students if students is not None else list(params.compress.students) or STUDENTS.get(name, [])
    compress = type(params.compress).model_validate(params.compress.model_dump() | {"students": wanted})
    return params.model_copy(update={"compress": compress})


def main(words: list[str] | None = None) -> int:
    """Measures and prints."""
    parser, choices = arguments(words)
    quiet()
    family, build = by_name(choices.family), Path("build")
    if not (build / family.name / "train" / "weights.safetensors").is_file():
        parser.error(f"build/{family.name}/train holds no weights: run make nightly first, here")
    try:
        params = chosen(load_params(Path("params.yaml"), family)[1], family.name, choices.students)
    except ValidationError as error:
        parser.error(f"--students: {error.errors()[0]['msg']}")
    with tempfile.TemporaryDirectory() as scratch, contextlib.redirect_stdout(sys.stderr):  # epochs' lines, no figures
        cache = choices.keep or Path(scratch) / "cache"
        result = searched(family, params, build, cache)
        rounds, runs = (2, 3) if choices.quick else (15, 30)
        taken_ms = rounds_ms(calls(result, cache), rounds, runs)
        print_table(result, taken_ms)
        figures = figures_of(result, params.budget.max_objective_drop or 0.0, taken_ms)
    return report(figures)


if __name__ == "__main__":
    sys.exit(main())
