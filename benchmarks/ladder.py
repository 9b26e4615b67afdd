"""What the ladder makes of the last training of any family: its objective, samples a second, and bytes.

    python -m benchmarks.ladder --family script [--students '[256]'] [--keep FOLDER] [--quick]
    python -m benchmarks.ladder --family scene [--students '[[96, 48, 32, 16]]']

It runs in a checkout where a run has trained the family, and changes nothing there: rungs lie in a folder of its own.

- Every rung that params.yaml lists is made as compress makes it, and the students that are asked for here besides; they
  learn from the network that the run has trained, for as many epochs.
- The objective is that of the family on the validation split (script: -bits a character; scene: -KID).
- Milliseconds are of one sample (a sign, a picture, a face) on one thread, all rungs in turns.

Figures go to standard output, one a line, each held against the trained network in float; every rung to standard error.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import sys
import tempfile
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from benchmarks.support.figures import Figure, report
from benchmarks.support.timing import medians, percentile, rounds_ms
from compression.measure.outputs import one_sample
from compression.search.candidates import FLOAT, TEACHER
from compression.search.search import Climb
from curation.store.sample_set import SampleSet
from models.components.load import load_params
from models.families import NAMES, by_name
from registry.assets import read_asset
from rushes.bundle.manifest import read_bundle
from rushes.inference.cpu import processor
from rushes.inference.session import open_graph
from steps.compress import trained

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from compression.search.candidates import Ladder, Rung
    from models.family import Family, FamilyParams

# Half as wide as the recipe's own, where params.yaml lists none.
STUDENTS: dict[str, list[Any]] = {"script": [256], "scene": [[96, 48, 32, 16]]}
SMALLER = 1 / 3  # of the bytes in float: int8 is a quarter of it, and what stays float
COLUMNS = ("rung", "objective", "drop", "p50 ms", "p95 ms", "a second", "bytes", "made in s")


def climbed(family: Family, params: FamilyParams, build: Path, shelf: Path) -> Ladder:
    """The ladder over what train has left in build/F, its rungs on a shelf."""
    collection, _ = load_params(Path("params.yaml"), family)
    samples, clean = SampleSet(build / family.name / "set"), SampleSet(build / "clean" / collection)
    network = trained(family, samples, params, build / family.name / "train")
    shelf.mkdir(parents=True, exist_ok=True)
    return Climb(family, params, samples, clean, read_asset, shelf).ladder(network)


def calls(ladder: Ladder, shelf: Path) -> dict[str, Callable[[], object]]:
    """One sample of each rung, on one thread."""
    folders = {rung.name: shelf / rung.folder for rung in ladder.rungs}
    float_of = {rung.name: folders[f"{rung.name.rpartition(', ')[0]}, {FLOAT}"] for rung in ladder.rungs}
    return {
        name: partial(open_graph(read_bundle(folder).path("graph")).run, None, one_sample(float_of[name]))
        for name, folder in folders.items()
    }


def figures_of(ladder: Ladder, allowed: float, taken_ms: Mapping[str, list[list[float]]]) -> list[Figure]:
    """What int8 of each network loses, takes and weighs; of several ways of calibrating the one that loses least."""
    teacher, figures = ladder.teacher, []
    for network in dict.fromkeys(rung.name.rpartition(", ")[0] for rung in ladder.rungs):
        forms = [one for one in ladder.rungs if one.name.startswith(f"{network}, ") and not one.is_float]
        if not forms:
            continue
        best = max(forms, key=lambda one: one.objective)
        lost = max(0.0, teacher.objective - best.objective)
        told = f"{best.name}/{TEACHER}, {FLOAT}"
        figures += [
            Figure(f"{ladder.objective} lost, {best.name}, of {allowed:g} allowed", [lost], [allowed], 1, at_most=True),
            Figure(f"ms, {told}", medians(taken_ms[best.name]), medians(taken_ms[teacher.name]), 1, at_most=True),
            Figure(f"bytes, {told}", [best.size_bytes], [teacher.size_bytes], SMALLER, at_most=True),
        ]
    return figures


def tell(ladder: Ladder, taken_ms: Mapping[str, list[list[float]]]) -> None:
    """Every rung, a line each."""
    print(f"# {ladder.objective}, validation split; on {processor()}, one thread", file=sys.stderr)
    print("# " + "\t".join(COLUMNS), file=sys.stderr)
    for rung in ladder.rungs:
        print("# " + "\t".join(_row(ladder, rung, taken_ms[rung.name])), file=sys.stderr, flush=True)
    for network, why in ladder.failed.items():
        print(f"# {network}: left out, {why}", file=sys.stderr)


def _row(ladder: Ladder, rung: Rung, taken_ms: list[list[float]]) -> tuple[str, ...]:
    p50_ms, p95_ms = percentile(taken_ms, 50), percentile(taken_ms, 95)
    scores = (f"{rung.objective:.4f}", f"{ladder.teacher.objective - rung.objective:.4f}")
    return (
        rung.name, *scores, f"{p50_ms:.3f}", f"{p95_ms:.3f}", f"{1e3 / p50_ms:,.0f}", f"{rung.size_bytes:,}",
        f"{rung.seconds:,.0f}",
    )  # fmt: skip


def arguments(words: list[str] | None) -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    """The request of a run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ladder", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--family", choices=NAMES, required=True, help="whose ladder")
    parser.add_argument("--students", type=json.loads, help="widths, as in params.yaml; [] for none")
    parser.add_argument("--keep", type=Path, help="a folder for rungs: what is made there is not made again")
    parser.add_argument("--quick", action="store_true", help="a smoke run: few rounds, and its figures mean little")
    return parser, parser.parse_args(words)


def chosen(params: FamilyParams, name: str, students: list[Any] | None) -> FamilyParams:
    """The params with the students that are asked for, or else those listed, or else the usual ones.

    Raises:
        ValidationError: They are not widths of such a network.
    """
    wanted = students if students is not None else list(params.compress.students) or STUDENTS.get(name, [])
    compress = type(params.compress).model_validate(params.compress.model_dump() | {"students": wanted})
    return params.model_copy(update={"compress": compress})


def main(words: list[str] | None = None) -> int:
    """Measures and prints."""
    parser, choices = arguments(words)
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    family, build = by_name(choices.family), Path("build")
    if not (build / family.name / "train" / "weights.safetensors").is_file():
        parser.error(f"build/{family.name}/train holds no weights: run make nightly first, here")
    try:
        params = chosen(load_params(Path("params.yaml"), family)[1], family.name, choices.students)
    except ValidationError as error:
        parser.error(f"--students: {error.errors()[0]['msg']}")
    with tempfile.TemporaryDirectory() as scratch, contextlib.redirect_stdout(sys.stderr):  # a line an epoch, no figure
        shelf = choices.keep or Path(scratch) / "shelf"
        ladder = climbed(family, params, build, shelf)
        rounds, runs = (2, 3) if choices.quick else (15, 30)
        taken_ms = rounds_ms(calls(ladder, shelf), rounds, runs)
        tell(ladder, taken_ms)
        figures = figures_of(ladder, params.budget.max_objective_drop or 0.0, taken_ms)
    return report(figures)


if __name__ == "__main__":
    sys.exit(main())
