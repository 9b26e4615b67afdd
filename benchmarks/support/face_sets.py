"""Sets of faces as in the product: ingest, clean, balanced copies, in a benchmark's own folder."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tqdm import tqdm

from benchmarks.support.command import quiet
from benchmarks.support.figures import report
from common.packages import PackageError
from curation.errors import DataError
from curation.image.clean import clean
from curation.ingest import ingest
from curation.params import load_collection
from curation.store.sample_set import SampleSet
from models.components.load import load_params

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    import pandas as pd

    from benchmarks.support.figures import Figure
    from common.assets import Asset
    from curation.params import CollectionParams
    from models.expression.params import ExpressionParams
    from models.family import Family

SPLIT = "test"
# A smoke run: networks of a few thousand weights.
SMALL = {"widths": (8, 16), "depths": (1, 1), "batch_size": 16, "norm_samples": 16}
QUICK_MINUTES = 0.02
PARAMS = Path(__file__).parents[2] / "params.yaml"


@dataclass(frozen=True)
class Sets:
    """The clean set, and the training set: train with its copies, and a tenth of train for early stopping."""

    clean: SampleSet
    made: SampleSet


def below(folder: Path, name: str, **depends: Any) -> Path:  # noqa: ANN401  # any JSON value
    """A folder for results of exactly these values: a second run with the same ones finds it, and another does not."""
    values = json.dumps(depends, sort_keys=True, default=str)
    return folder / f"{name}-{hashlib.sha256(values.encode()).hexdigest()[:12]}"


def no_asset(asset: Asset) -> bytes:
    """Replaces assets: a benchmark's bundles have graphs only."""
    raise AssertionError(asset.name)


def make_sets(
    data: Path,
    votes: Path | None,
    name: str,
    collection: CollectionParams,
    family: Family,
    augment: Any,  # noqa: ANN401  # each family has its own
    folder: Path,
) -> Sets:
    """Ingests pictures, cleans them and writes the training set, if that is not done yet.

    Args:
        data: A folder, or an archive of one.
        votes: A CSV of votes on the pictures.
        name: Of the collection.
        collection: Its labels and cleaning params.
        family: The family of the set.
        augment: The section of its params.
        folder: Of all results.

    Raises:
        DataError: The pictures cannot be trained on; the message has the reason.
    """
    sets = Sets(SampleSet(folder / "clean"), SampleSet(folder / "set"))
    if not (sets.made.folder / "set.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        unpacked = folder / "unpacked"
        result = ingest(_folder_of(data, unpacked), folder, name, collection, source="given", votes=votes)
        if result.problem:
            raise DataError(result.problem, result.remedy)
        clean(folder, name, collection, sets.clean.folder)
        family.augment(sets.clean, augment, sets.made.folder, no_asset)
        shutil.rmtree(unpacked, ignore_errors=True)
    _print_counts(sets)
    return sets


def _folder_of(data: Path, unpacked: Path) -> Path:
    if data.is_dir() or not tarfile.is_tarfile(data):
        return data
    top = unpacked.resolve()
    with tarfile.open(data) as archive:
        for member in tqdm(archive, desc="unpack", unit="file", disable=None, leave=False):
            place, file = (top / member.name).resolve(), archive.extractfile(member) if member.isfile() else None
            if file is not None and place.is_relative_to(top):  # links and paths that lead outside are not pictures
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(file.read())
    return unpacked


def _print_counts(sets: Sets) -> None:
    counts = {split: len(sets.made.kept(split)) for split in ("train", "validation")}
    whole, kept = len(sets.clean.whole.kept(SPLIT)), len(sets.clean.kept(SPLIT))
    voted = int(sets.made.kept("train")["votes"].notna().sum())
    counted = (
        f"learned from {counts['train']:,} (copies included, {voted:,} by votes), stopped by {counts['validation']:,}"
    )
    print(
        f"# pictures: {counted}; figures are of {whole:,}, of which clean keeps {kept:,}", file=sys.stderr, flush=True
    )


def collected(family: Family) -> tuple[str, ExpressionParams, CollectionParams]:
    """The name of the family's collection in params.yaml, the family's section, and the collection's."""
    name, params = load_params(PARAMS, family)
    return name, cast("ExpressionParams", params), load_collection(PARAMS, name)


def right(rows: pd.DataFrame) -> float:
    """Accuracy."""
    return float((rows["label"] == rows["predicted"]).mean())


def add_arguments(parser: argparse.ArgumentParser, minutes: float) -> None:
    """The arguments of every benchmark that trains on faces; each has its own `minutes`."""
    parser.add_argument("--data", type=Path, required=True, help="FER2013's train and validation, a folder or archive")
    parser.add_argument("--minutes", type=float, default=minutes, help="of each training, by this machine's clock")
    parser.add_argument("--seed", type=int, default=0, help="of first weights, order and augmentation")
    parser.add_argument("--keep", type=Path, help="a folder for sets, weights and candidates: what was stopped goes "
                        "on, what is done is not done again; take another for other code")  # fmt: skip


def check_arguments(parser: argparse.ArgumentParser, choices: argparse.Namespace, *files: Path | None) -> None:
    """Ends the run if a file is missing or no time is given."""
    for path in (choices.data, *files):
        if path is not None and not path.exists():
            parser.error(f"{path} does not exist")
    if not choices.minutes > 0:
        parser.error(f"--minutes {choices.minutes:g} leaves no time to train in")


def run(
    parser: argparse.ArgumentParser,
    choices: argparse.Namespace,
    measure: Callable[[argparse.Namespace, Path], Sequence[Figure]],
) -> int:
    """Measures in the given folder, or in a temporary one, and prints; 1 if a goal is missed."""
    if choices.quick:
        choices.minutes = QUICK_MINUTES
    quiet()
    with tempfile.TemporaryDirectory() as scratch, contextlib.redirect_stdout(sys.stderr):  # epochs' lines, no figures
        try:
            figures = measure(choices, choices.keep or Path(scratch))
        except (DataError, PackageError) as error:
            parser.error(f"{error}. {getattr(error, 'remedy', '')}")
    return report(figures)
