"""History of runs: one file a run in STATE/runs, so that past runs can be listed and compared.

A run is identified by its start, such as 20261128-041500; any unambiguous part of it will do, and so will `last`,
`last-nightly` and `last-trial`. The newest RUNS_KEPT are kept.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, field_validator

from common.commands import python
from common.renamed_keys import with_current_paths
from flows.nightly import params
from models.renamed_params import RENAMED_PARAMS
from report.data.run import NightlyRun
from rushes.bundle.manifest import CERTIFICATE
from rushes.errors import NOTHING_FITS, UserError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from flows.nightly.run import Run

RUNS_KEPT = 500  # about 10 kB each
STATUS_OK, STATUS_NOT_FOUND = 0, 3


class NoSuchRunError(UserError):
    """Raised if a name matches no run, or more than one; exit status 3."""

    default_exit_status = NOTHING_FITS


class PastRun(BaseModel):
    """A run that has ended.

    Attributes:
        nightly: Its record, stage by stage.
        params: All its params, flattened: `expression.train.epochs`.
        metrics: Metrics of the compressed model of each evaluated family, on the test split, from its certificate.
        decisions: Decisions of `register`, by family, as in build/F/decision.json.
        out: Folder of its report and, for a trial, of its logs.
    """

    model_config = ConfigDict(extra="ignore")

    nightly: NightlyRun = Field(validation_alias=AliasChoices("nightly", "night"))  # as earlier versions wrote it
    params: dict[str, Any] = {}
    metrics: dict[str, dict[str, float]] = {}
    decisions: dict[str, dict[str, Any]] = {}
    out: str = ""

    @field_validator("params")
    @classmethod
    def _with_current_paths(cls, params: dict[str, Any]) -> dict[str, Any]:
        """A run before a key was renamed is compared by the new name."""
        return with_current_paths(params, RENAMED_PARAMS)

    @property
    def name(self) -> str:
        """Its start time, as in the name of its file."""
        return f"{self.nightly.started:%Y%m%d-%H%M%S}"

    @property
    def outcome(self) -> str:
        """`done`, `failed`, or `nothing fits` if no candidate meets its budget."""
        return "nothing fits" if self.nightly.unfit else "failed" if self.nightly.failed else "done"


def past_run(run: Run) -> PastRun:
    """The run in its stored form."""
    families = run.nightly.families
    metrics = {name: found for name in families if run.nightly.decided(name) and (found := _metrics(run.tree, name))}
    return PastRun(
        nightly=run.nightly,
        params=params.flatten(run.values),
        metrics=metrics,
        decisions={name: decision.model_dump(mode="json") for name, decision in run.decisions.items()},
        out=str(run.out),
    )


def _metrics(tree: Path, family: str) -> dict[str, float]:
    path = tree / "build" / family / "bundle" / CERTIFICATE
    with suppress(OSError, ValueError, KeyError, TypeError):
        return dict(json.loads(path.read_text(encoding="utf-8"))["metrics"]["compressed"])
    return {}


def keep(past: PastRun, state: Path) -> Path:
    """Writes STATE/runs/NAME.json, and removes the oldest beyond RUNS_KEPT."""
    folder = state / "runs"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{past.name}.json"
    part = path.with_suffix(".part")
    part.write_text(past.model_dump_json(indent=1) + "\n", encoding="utf-8")
    part.replace(path)
    for old in _files(state)[RUNS_KEPT:]:
        old.unlink(missing_ok=True)
    return path


def past_runs(state: Path) -> list[PastRun]:
    """All stored runs, the newest first; a file that cannot be read is skipped."""
    found = []
    for path in _files(state):
        with suppress(OSError, ValidationError):
            found.append(PastRun.model_validate_json(path.read_text(encoding="utf-8")))
    return found


def find_run(state: Path, name: str) -> PastRun:
    """The run of a name: its start, a part of it, `last`, `last-nightly` or `last-trial`.

    Raises:
        NoSuchRunError: The name matches none, or several.
    """
    runs = past_runs(state)
    wanted = {
        "last": runs,
        **{f"last-{mode}": [run for run in runs if run.nightly.mode == mode] for mode in ("nightly", "trial")},
    }
    found = wanted[name][:1] if name in wanted else [run for run in runs if name in run.name]
    if len(found) == 1:
        return found[0]
    if found:
        message = f"{name!r} matches {len(found)} runs: {', '.join(run.name for run in found[:5])}"
        raise NoSuchRunError(message, "give more of the name; or use `last`, `last-nightly` or `last-trial`")
    known = ", ".join(run.name for run in runs[:5]) or "none has ended here yet"
    message = f"no run matches {name!r}; the newest: {known}"
    raise NoSuchRunError(message, f"{python()} -m flows runs" if runs else "make nightly")


def _files(state: Path) -> list[Path]:
    return sorted((state / "runs").glob("*.json"), reverse=True)


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Differences between two flat mappings: name -> (before, after), None if missing."""
    names = [*before, *(name for name in after if name not in before)]
    pairs = {name: (before.get(name), after.get(name)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
