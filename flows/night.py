"""One night, told without Prefect: what follows what, and what happens on failure.

    fetch -> ingest -> version -> record -> one act a DVC stage -> register@F -> report

Every act runs through `do`, which the flow hands in: there an act is a Prefect task, retried where that helps; in a
test it is a plain call. What is decided stands here, how it is run stands there.
"""

from __future__ import annotations

import json
import os
import shlex
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from flows import data, disk, environment, failures, params
from flows.console import say, tell
from flows.failures import ActError
from flows.servers import MLFLOW
from registry import pipeline, record, versions
from report.night import Failure, Night, StageRun, State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from flows.session import Session
    from registry.pipeline import Change, StageNode
    from registry.record import Record

Outcome = tuple[Literal["ran", "skipped"], str]  # and why

T = TypeVar("T")

RECORD_MESSAGE = "The tree of a night"
TRIAL_MESSAGE = "The tree of a trial"
FIRST_ACTS = ("fetch", "ingest", "version", "record", "worktree")
THROUGH = ("ran", "skipped")


class Do(Protocol):
    """Runs an act, again where its failure is transient; raises ActError when it has failed for good."""

    def __call__(self, name: str, work: Callable[[], Outcome]) -> Outcome:
        """The outcome of the act."""
        ...


@dataclass(frozen=True)
class Order:
    """What was asked for: the families (none: all), what to change in the params, whether a trial may be promoted."""

    families: tuple[str, ...] = ()
    patch: Mapping[str, Any] = field(default_factory=dict)
    promote: bool = False

    @property
    def trial(self) -> bool:
        """With other params it is a trial: it runs in a tree of its own."""
        return bool(self.patch)

    @property
    def mode(self) -> Literal["nightly", "trial"]:
        """As a Night has it."""
        return "trial" if self.trial else "nightly"

    def command(self) -> str:
        """What a person types to have it again."""
        words = [f"--families {family}" for family in self.families]
        words += [
            f"--set {shlex.quote(f'{path}={json.dumps(value)}')}" for path, value in params.flatten(self.patch).items()
        ]
        words += ["--promote"] if self.promote else []
        return " ".join([f"{environment.python()} -m flows nightly", *words]) if words else "make nightly"


@dataclass
class Run:
    """A night under way.

    Attributes:
        session: The lock and the servers.
        order: What was asked for.
        do: How an act is run.
        values: The params, those of the order laid over them.
        tree: Where the stages run: the checkout, or the worktree of a trial.
        night: What has happened so far.
        decisions: Of registry.register, by family.
        kept: The record of the tree.
    """

    session: Session
    order: Order
    do: Do
    values: dict[str, Any]
    tree: Path
    night: Night
    decisions: dict[str, Any] = field(default_factory=dict)
    kept: Record | None = None

    @property
    def root(self) -> Path:
        """The checkout."""
        return self.session.root

    @property
    def out(self) -> Path:
        """Where the report goes: build/report, or a trial's own folder, since its tree does not stay."""
        if not self.order.trial:
            return self.root / "build" / "report"
        return self.root / "build" / "trials" / f"{self.night.started:%Y%m%d-%H%M%S}"

    def log(self, node: StageNode) -> Path:
        """Where a stage's output is kept: build/expression/train.log, build/clean/faces.log."""
        name = f"{node.stage}/{node.item}.log" if node.family is None else f"{node.item}/{node.stage}.log"
        return (self.out if self.order.trial else self.root / "build") / name

    def shown(self, path: Path) -> str:
        """A path as a person in the checkout types it."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)


def prepare(session: Session, order: Order, do: Do) -> Run:
    """Checks what was asked for before anything starts.

    Raises:
        ParamsError: A param or a family does not exist, or a value has another type.
    """
    values = params.lay(params.read_params(session.root), order.patch)
    night = Night(
        started=datetime.now(UTC).astimezone(),
        mode=order.mode,
        families=params.choose(values, order.families),
        overrides=params.flatten(order.patch),
    )
    return Run(session, order, do, values, session.root, night)


def conduct(run: Run) -> Night:
    """The whole night. What fails stands in the Night that it returns; only an interrupt gets out, written down too."""
    try:
        with ExitStack() as stack:
            with suppress(ActError):  # told in the night already
                _set_the_stage(run, stack)
                _play(run)
            _finish(run)
    except BaseException as error:
        _interrupted(run, error)
        raise
    return run.night


def _set_the_stage(run: Run, stack: ExitStack) -> None:
    _quiet(run, "servers", lambda: run.session.open([MLFLOW]))
    _act(run, "fetch", lambda: _fetch(run))
    if not run.order.trial:
        _try(run, "ingest", lambda: _ingest(run))  # what is wrong with the inbox keeps no family from its night
    _act(run, "version", lambda: _version(run))
    _act(run, "record", lambda: _record(run))
    if run.order.trial:
        _act(run, "worktree", lambda: _worktree(run, stack))


def _quiet(run: Run, name: str, work: Callable[[], T]) -> T:
    """What a night needs and nobody wants a row for, unless it fails.

    Raises:
        ActError: It failed.
    """
    try:
        return work()
    except Exception as error:
        failed = failures.act_error(name, error, run.session.state / "logs")
        _Act(name).fail(run, failed)
        raise failed from error


def _fetch(run: Run) -> Outcome:
    state = versions.state(run.root, run.session.settings)
    if state.problem:
        raise failures.user_error(state.problem, state.remedy, "fetch")
    need = disk.estimate(run.root, run.values, run.night.families, starter=state.wants_starter)
    disk.check(need, run.root)
    assets = data.fetch_assets(run.root, run.session.state)
    if state.wants_starter:
        return "ran", data.render_starter(run.root, run.session.state, run.values)
    if not state.present:
        versions.pull(run.root, run.session.settings)
        return "ran", f"pulled version {state.md5[:12]} of the data"
    return ("ran", "fetched the assets") if assets else ("skipped", "data and assets are here")


def _ingest(run: Run) -> Outcome:
    results = data.take_inbox(run.root, run.values)
    for result in results:
        say(result.summary())
    for result in results:
        if result.problem:
            problem = f"{result.collection}/{result.source}: {result.problem}"
            raise failures.user_error(problem, result.remedy, "ingest")
    words = [result.summary().splitlines()[0] for result in results]
    return ("ran", "; ".join(words)) if results else ("skipped", "nothing in inbox/")


def _version(run: Run) -> Outcome:
    settings = run.session.settings
    before = versions.state(run.root, settings).md5
    data.extend_splits(run.root, run.values, run.night.families)
    run.night.starter = versions.only_starter(run.root)
    run.night.data_md5 = versions.commit(run.root, settings, starter=run.night.starter)
    short = run.night.data_md5[:12]
    return ("skipped", f"still {short}") if before == run.night.data_md5 else ("ran", f"now {short}")


def _record(run: Run) -> Outcome:
    run.kept = record.record(run.root, RECORD_MESSAGE)
    run.night.record = run.kept.commit
    return "ran", f"{run.kept.commit[:12]}{', with changes that are not committed' if run.kept.dirty else ''}"


def _worktree(run: Run, stack: ExitStack) -> Outcome:
    """A tree of its own for a trial: that of the record, with the other params; the checkout's stay as they are."""
    path = run.session.state / "trials" / run.out.name
    tree = stack.enter_context(record.worktree(run.root, run.night.record, path))
    (tree / params.NAME).write_text(params.dump(run.values), encoding="utf-8")
    if (run.root / "settings.toml").is_file():
        (tree / "settings.toml").write_bytes((run.root / "settings.toml").read_bytes())
    versions.pull(tree, run.session.settings)
    run.kept = record.record(tree, TRIAL_MESSAGE)
    run.tree, run.night.record = tree, run.kept.commit
    return "ran", f"{run.kept.commit[:12]} with {', '.join(f'{k}={v}' for k, v in run.night.overrides.items())}"


def _play(run: Run) -> None:
    """The stages in their order, and each family's registration as soon as its last stage is through."""
    nodes = _quiet(run, "stages", lambda: pipeline.stages(run.tree, run.night.families))
    changes = _quiet(run, "stages", lambda: pipeline.statuses(run.tree, nodes))
    states: dict[str, str] = {}
    for number, node in enumerate(nodes, 1):
        # What DVC said at the start holds as long as nothing upstream has run since.
        stale = any(states.get(name) == "ran" for name in node.upstream)
        change = None if stale else changes.get(node.name)
        states[node.name] = _stage(run, node, change, states, f"[{number}/{len(nodes)}]")
        for family in run.night.families:
            own = [other.name for other in nodes if other.family == family]
            if own and own[-1] == node.name:
                _settle(run, family, [name for name in own if states[name] not in THROUGH])


def _stage(run: Run, node: StageNode, change: Change | None, states: Mapping[str, str], number: str) -> str:
    missing = [name for name in node.upstream if name in states and states[name] not in THROUGH]
    if missing:
        return _pass_over(run, node.name, node.family, missing[0])
    return _try(run, node.name, lambda: _reproduce(run, node, change, number), node.family)


def _pass_over(run: Run, name: str, family: str | None, missing: str) -> str:
    _Act(name, family).note(run, "not reached", f"{missing} did not get through")
    return "not reached"


def _reproduce(run: Run, node: StageNode, known: Change | None, number: str) -> Outcome:
    change = known or pipeline.status(run.tree, node)
    if not change.any:
        return "skipped", change.text
    failures.forget(run.tree, node)
    log = run.log(node)
    log.parent.mkdir(parents=True, exist_ok=True)
    say(f"{number} {node.name}: {change.text} ...")
    status = pipeline.reproduce(run.tree, node, os.environ, log, (run.session.lock.fd,))
    if status:
        raise failures.stage_error(run.tree, node, status, log)
    return "ran", change.text


def _settle(run: Run, family: str, missing: list[str]) -> None:
    name = f"register@{family}"
    if missing:
        _pass_over(run, name, family, missing[0])
    else:
        _try(run, name, lambda: _register(run, family), family)


def _register(run: Run, family: str) -> Outcome:
    run.session.ready(MLFLOW)
    from models.families import by_name  # noqa: PLC0415 - PyTorch, not before it is needed
    from registry.register import register  # noqa: PLC0415 - MLflow, likewise

    assert run.kept is not None  # noqa: S101 - no stage runs before the record
    message = TRIAL_MESSAGE if run.order.trial else RECORD_MESSAGE
    run.kept = record.completed(run.tree, run.kept, message)
    run.night.record = run.kept.commit
    promote = run.order.promote or not run.order.trial
    decision = register(
        run.tree,
        by_name(family),
        record=run.kept,
        promote=promote,
        trial=run.order.trial,
        settings=run.session.settings,
    )
    run.decisions[family] = decision
    path = run.tree / "build" / family / "decision.json"
    path.write_text(decision.model_dump_json(indent=2) + "\n", encoding="utf-8")
    moved = decision.registered or decision.promoted
    return ("ran" if moved else "skipped"), decision.reasons[0] if decision.reasons else f"version {decision.version}"


def _finish(run: Run) -> None:
    """The last words of a night: what was not reached, the champions, the report."""
    reached = {stage.name for stage in run.night.stages}
    left_out = {"ingest"} if run.order.trial else {"worktree"}
    for name in FIRST_ACTS:
        if name not in reached | left_out:
            run.night.stages.append(StageRun(name=name, state="not reached"))
    run.night.urls = run.session.urls()
    run.night.champions = data.champions(run.session, run.night.families)
    clock(run)
    _try(run, "report", lambda: _report(run))
    clock(run)
    write_down(run.night, run.session.state)


def _report(run: Run) -> Outcome:
    from report.page import build  # noqa: PLC0415 - matplotlib

    page = build(run.tree, run.out, run.night, last=run.root / "build" / "report" / "last.json")
    return "ran", run.shown(page)


def clock(run: Run) -> None:
    """Writes down the time."""
    run.night.finished = datetime.now(UTC).astimezone()
    run.night.seconds = time.monotonic() - run.session.began


def write_down(night: Night, state: Path) -> None:
    """For `make status`: STATE/last.json is the last nightly, last-trial.json the last trial."""
    path = state / ("last.json" if night.mode == "nightly" else "last-trial.json")
    part = path.with_suffix(".part")
    part.write_text(night.model_dump_json(indent=1) + "\n", encoding="utf-8")
    part.replace(path)


def _interrupted(run: Run, error: BaseException) -> None:
    """So that `make status` does not speak of the night before."""
    why = f"{type(error).__name__}: {error}" if isinstance(error, Exception) else "it was stopped"
    run.night.failures.insert(0, Failure(stage="night", message=why, again=run.order.command()))
    clock(run)
    with suppress(OSError):
        write_down(run.night, run.session.state)


def worked(night: Night) -> bool:
    """Whether the night did or tried anything but look."""
    return any(stage.state in ("ran", "failed") and stage.stage not in ("record", "report") for stage in night.stages)


@dataclass(frozen=True)
class _Act:
    """One act under way: its name, whose it is, when it began."""

    name: str
    family: str | None = None
    began: float = field(default_factory=time.monotonic)

    def note(self, run: Run, state: State, why: str) -> None:
        """Writes down and tells what became of it."""
        seconds = time.monotonic() - self.began
        run.night.stages.append(StageRun(name=self.name, family=self.family, state=state, why=why, seconds=seconds))
        tell(self.name, state, why, seconds)

    def fail(self, run: Run, error: ActError) -> None:
        """Likewise, of its failure."""
        self.note(run, "failed", error.fault.message)
        failure = Failure(
            family=self.family,
            stage=self.name.partition("@")[0],
            message=error.fault.message,
            remedy=error.fault.remedy,
            log=run.shown(error.log) if error.log else "",
            log_tail=error.tail(),
            resumes=data.resumes(run.session.state, self.name),
            again=run.order.command(),
        )
        run.night.failures.append(failure)


def _try(run: Run, name: str, work: Callable[[], Outcome], family: str | None = None) -> str:
    """Runs one act; its failure is written down, and the night goes on."""
    with suppress(ActError):
        _act(run, name, work, family)
    return run.night.stages[-1].state


def _act(run: Run, name: str, work: Callable[[], Outcome], family: str | None = None) -> None:
    """Runs one act and writes down what became of it.

    Raises:
        ActError: It failed for good.
    """
    act = _Act(name, family)
    try:
        outcome = run.do(name, lambda: _guarded(run, name, work))
    except ActError as error:
        act.fail(run, error)
        raise
    act.note(run, *outcome)


def _guarded(run: Run, name: str, work: Callable[[], Outcome]) -> Outcome:
    try:
        return work()
    except ActError:
        raise
    except Exception as error:
        raise failures.act_error(name, error, run.session.state / "logs") from error
