"""A quick look: does a change run from end to end? A part of the data, one epoch, no students, nothing registered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flows.nightly import params

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# By the path below a family; what a family does not have is left out. Whatever a person sets goes before it.
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
    # One epoch says nothing of what a network can do, nor of what int8 costs it.
    "budget.max_objective_drop": 1e9,
    "budget.max_latency_ms": None,
    "budget.max_bytes": None,
}

# What is trained after a network, and for how long.
FOLLOWING = ("compress.student_epochs", "compress.prune.epochs", "compress.quantisation_aware.epochs")


def quick_patch(values: Mapping[str, Any], families: Iterable[str], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The patch of a quick look, with what a person has set laid over it.

    Args:
        values: The params.
        families: Those that are asked for.
        wanted: The patch of `--set`.
    """
    known = set(params.spelt_paths(values))
    paths = {f"{family}.{path}": value for family in families for path, value in QUICK.items()}
    return params.nested({path: value for path, value in paths.items() if path in known} | params.flatten(wanted))


def with_bounded_students(values: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """A patch that shortens training shortens what follows it too: no student learns for longer than its teacher did.

    Without it a trial of one epoch would spend most of its time on a student of many. What a person has set stays.

    Args:
        values: The params before the patch.
        patch: Of `--set`.
    """
    flat = params.flatten(patch)
    before = params.flatten(values)
    for path, epochs in list(flat.items()):
        family, _, name = path.partition(".")
        for other in FOLLOWING if name == "train.epochs" else ():
            if before.get(f"{family}.{other}", 0) > epochs:
                flat.setdefault(f"{family}.{other}", epochs)
    return params.nested(flat)
