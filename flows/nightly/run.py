"""State of a run in progress: the request, the results so far, and the execution and recording of one task."""

from __future__ import annotations

import json
import shlex
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from flows.cli.console import print_stage
from flows.nightly import data_tasks, failures, params
from flows.nightly.failures import TaskError
from flows.servers import environment
from report.data.run import Failure, NightlyRun, StageRun, State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from flows.servers.session import Session
    from registry.dvc.pipeline import StageNode
    from registry.git.snapshot import Record

Outcome = tuple[Literal["ran", "skipped"], str]  # and why

T = TypeVar("T")
UNFIT = "Nothing fits"  # the name of the state of a run whose models all miss their budgets


class Do(Protocol):
    """Runs a task, with retries if its failure is transient; raises TaskError when it has finally failed."""

    def __call__(self, name: str, work: Callable[[], Outcome]) -> Outcome:
        """The outcome of the task."""
        ...


@dataclass(frozen=True)
class RunRequest:
    """The request of a run.

    Attributes:
        families: Families to train; none means all.
        patch: Changes to the params.
        promote: True if a trial may be promoted.
        quick: True to only check that it runs; see flows/nightly/quick.py.
    """

    families: tuple[str, ...] = ()
    patch: Mapping[str, Any] = field(default_factory=dict)
    promote: bool = False
    quick: bool = False

    @property
    def trial(self) -> bool:
        """True for a run with other params: it runs in a tree of its own."""
        return bool(self.patch) or self.quick

    @property
    def mode(self) -> Literal["nightly", "trial"]:
        """The mode as in NightlyRun."""
        return "trial" if self.trial else "nightly"

    def command(self) -> str:
        """The command that repeats it."""
        words = [f"--families {family}" for family in self.families]
        words += [
            f"--set {shlex.quote(f'{path}={json.dumps(value)}')}" for path, value in params.flatten(self.patch).items()
        ]
        words += ["--promote"] if self.promote else []
        words += ["--quick"] if self.quick else []
        return " ".join([f"{environment.python()} -m flows nightly", *words]) if words else "make nightly"


@dataclass
class Run:
    """A run in progress.

    Attributes:
        session: The lock and the servers.
        request: The request.
        do: Runs a task.
        values: The params, with those of the request applied.
        tree: Tree of the stages: the checkout, or the worktree of a trial.
        nightly: The results so far.
        decisions: Results of registry.promotion.register, by family.
        kept: The record of the tree.
        without_data: Families whose collections are empty; they are skipped.
    """

    session: Session
    request: RunRequest
    do: Do
    values: dict[str, Any]
    tree: Path
    nightly: NightlyRun
    decisions: dict[str, Any] = field(default_factory=dict)
    kept: Record | None = None
    without_data: set[str] = field(default_factory=set)

    @property
    def fed(self) -> list[str]:
        """Families that have training data."""
        return [family for family in self.nightly.families if family not in self.without_data]

    @property
    def root(self) -> Path:
        """The checkout."""
        return self.session.root

    @property
    def out(self) -> Path:
        """Folder of the report: build/report, or a trial's own, since its tree is temporary."""
        if not self.request.trial:
            return self.root / "build" / "report"
        return self.root / "build" / "trials" / f"{self.nightly.started:%Y%m%d-%H%M%S}"

    def log(self, node: StageNode) -> Path:
        """Log of a stage: build/expression/train.log, build/clean/faces.log."""
        name = f"{node.stage}/{node.item}.log" if node.family is None else f"{node.item}/{node.stage}.log"
        return (self.out if self.request.trial else self.root / "build") / name

    def shown(self, path: Path) -> str:
        """A path as a person in the checkout would type it."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)


def worked(nightly: NightlyRun) -> bool:
    """True if the run did or tried anything beyond checking what to do."""
    return any(stage.state in ("ran", "failed") and stage.stage not in ("record", "report") for stage in nightly.stages)


def clock(run: Run) -> None:
    """Records the time."""
    run.nightly.finished = datetime.now(UTC).astimezone()
    run.nightly.seconds = time.monotonic() - run.session.began


def write_down(nightly: NightlyRun, state: Path) -> None:
    """Writes STATE/last.json for a nightly run, last-trial.json for a trial; read by `make status`."""
    path = state / ("last.json" if nightly.mode == "nightly" else "last-trial.json")
    part = path.with_suffix(".part")
    part.write_text(nightly.model_dump_json(indent=1) + "\n", encoding="utf-8")
    part.replace(path)


def quiet(run: Run, name: str, work: Callable[[], T]) -> T:
    """Runs a task that gets no row in the table unless it fails, with retries.

    Raises:
        TaskError: It failed.
    """
    results: list[T] = []

    def noted() -> Outcome:
        results.append(work())
        return "ran", ""

    try:
        run.do(name, lambda: _guarded(run, name, noted))
    except TaskError as error:
        _TaskInProgress(name).fail(run, error)
        raise
    return results[-1]


@dataclass(frozen=True)
class _TaskInProgress:
    """One task in progress: its name, its family, its start."""

    name: str
    family: str | None = None
    began: float = field(default_factory=time.monotonic)

    def note(self, run: Run, state: State, why: str) -> None:
        """Records and prints its outcome."""
        seconds = time.monotonic() - self.began
        run.nightly.stages.append(StageRun(name=self.name, family=self.family, state=state, why=why, seconds=seconds))
        print_stage(self.name, state, why, seconds)

    def fail(self, run: Run, error: TaskError) -> None:
        """Records and prints its failure."""
        self.note(run, "failed", error.fault.message)
        failure = Failure(
            family=self.family,
            stage=self.name.partition("@")[0],
            message=error.fault.message,
            remedy=error.fault.remedy,
            log=run.shown(error.log) if error.log else "",
            log_tail=error.tail(),
            resumes=data_tasks.resumes(run.tree, run.session.settings, self.name),
            again=run.request.command(),
            unfit=error.fault.kind == "unfit",
        )
        run.nightly.failures.append(failure)


def pass_over(run: Run, name: str, family: str | None, missing: str) -> str:
    """Records a task that was not reached, and the earlier one that is missing."""
    _TaskInProgress(name, family).note(run, "not reached", f"{missing} did not finish")
    return "not reached"


def attempt(run: Run, name: str, work: Callable[[], Outcome], family: str | None = None) -> str:
    """Runs one task; a failure is recorded, and the run continues."""
    with suppress(TaskError):
        run_task(run, name, work, family)
    return run.nightly.stages[-1].state


def run_task(run: Run, name: str, work: Callable[[], Outcome], family: str | None = None) -> None:
    """Runs one task and records its outcome.

    Raises:
        TaskError: It finally failed.
    """
    under_way = _TaskInProgress(name, family)
    try:
        outcome = run.do(name, lambda: _guarded(run, name, work))
    except TaskError as error:
        under_way.fail(run, error)
        raise
    under_way.note(run, *outcome)


def _guarded(run: Run, name: str, work: Callable[[], Outcome]) -> Outcome:
    try:
        return work()
    except TaskError:
        raise
    except Exception as error:
        raise failures.task_error(name, error, run.session.state / "logs") from error
