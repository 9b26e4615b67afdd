"""Quick mode: runs a change from end to end on a part of the data, with one epoch, no students, no registration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flows.nightly import params
from models.params_file import spelt_paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# By path below a family; params that a family lacks are skipped. Values from the command line take precedence.
QUICK: dict[str, Any] = {
    "augment.max_copies": 0,
    "augment.crops": 0,
    "train.epochs": 1,
    "train.epoch_samples": 512,
    "train.epoch_characters": 50_000,
    "compress.calibration_samples": 32,
    "compress.students": [],
    "compress.float_layers": [],
    "compress.prune.shares": [],
    "compress.quantisation_aware.epochs": 0,
    # One epoch shows neither the quality of a network nor its loss in int8.
    "budget.max_objective_drop": 1e9,
    "budget.max_latency_ms": None,
    "budget.max_bytes": None,
}

# Trainings after the network itself, and their lengths.
FOLLOWING = ("compress.student_epochs", "compress.prune.epochs", "compress.quantisation_aware.epochs")


def quick_patch(values: Mapping[str, Any], families: Iterable[str], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The patch of quick mode, overridden by the patch of the command line."""
    known = set(spelt_paths(values))
    paths = {f"{family}.{path}": value for family in families for path, value in QUICK.items()}
    return params.nested({path: value for path, value in paths.items() if path in known} | params.flatten(wanted))


def with_bounded_students(values: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """A patch in which a shortened training also shortens what follows: no student trains longer than its teacher.

    Otherwise a trial of one epoch would spend most of its time on a student with many. Values from the command line
    stay.
    """
    flat = params.flatten(patch)
    before = params.flatten(values)
    for path, epochs in list(flat.items()):
        family, _, name = path.partition(".")
        for other in FOLLOWING if name == "train.epochs" else ():
            if before.get(f"{family}.{other}", 0) > epochs:
                flat.setdefault(f"{family}.{other}", epochs)
    return params.nested(flat)
