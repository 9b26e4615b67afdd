"""Tasks of a run; their order, and the handling of failures, are in flows/nightly/plan.py.

Each takes the run in progress and returns `ran` or `skipped` with the reason. The caller converts exceptions to
failures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.cli.console import print_line
from flows.nightly import data_tasks, disk, failures, params
from flows.servers.definitions import MLFLOW
from models.params_file import NAME
from registry.dvc import versions
from registry.git import snapshot as records
from rushes.errors import UserError

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    from flows.nightly.run import Outcome, Run

NAMES = 3  # of changed files in a line
RECORD_MESSAGE = "The tree of a run"
TRIAL_MESSAGE = "The tree of a trial"


def fetch(run: Run) -> Outcome:
    """Fetches data and assets, or the starter if there are no data; checks the disk first."""
    state = versions.state(run.root, run.session.settings)
    if state.problem:
        raise failures.user_error(state.problem, state.remedy, "fetch")
    wanted = run.root, run.values, run.nightly.families
    # A starter version made for fewer families lacks data for the others; some media keep a starter beside real data.
    is_beside = not (state.starter and not state.remote)
    if not is_beside:
        names = data_tasks.starters(*wanted, lacking=state.present)
    else:
        names = data_tasks.starters_beside(*wanted) if state.present else []
    need = disk.estimate(run.root, run.values, run.nightly.families, starters=names)
    disk.check(need, run.root)
    assets = data_tasks.fetch_assets(run.root, run.session.state)
    if names:
        try:
            return "ran", data_tasks.make_starters(run.root, run.session.state, run.values, names)
        except UserError as error:
            if not is_beside:
                raise
            print_line(f"this run has no starter beside your {' and '.join(names)}: {error}; {error.remedy}")
    if not state.present:
        versions.pull(run.root, run.session.settings)
        return "ran", f"pulled version {state.md5[:12]} of the data"
    return ("ran", "fetched the assets") if assets else ("skipped", "data and assets are here")


def ingest(run: Run) -> Outcome:
    """Ingests the content of inbox/."""
    for name in data_tasks.unknown_collections(run.root, run.values):
        there = ", ".join(f"inbox/{collection}/" for collection in run.values["collections"])
        print_line(f"inbox/{name} stays where it is: no collection has that name; there are {there}")
    data_tasks.await_copies(run.root, run.values)
    results = data_tasks.take_inbox(run.root, run.values)
    for result in results:
        print_line(result.summary())
    for result in results:
        if result.problem:
            problem = f"{result.collection}/{result.source}: {result.problem}"
            raise failures.user_error(problem, result.remedy, "ingest")
    words = [result.summary().splitlines()[0] for result in results]
    if not any(result.added or result.already or result.refused for result in results):
        return "skipped", "; ".join(words) or "nothing in inbox/"
    return "ran", "; ".join(words)


def version(run: Run) -> Outcome:
    """Extends the splits, and commits the version of the data for training."""
    settings = run.session.settings
    before = versions.state(run.root, settings).md5
    data_tasks.extend_splits(run.root, run.values, run.fed)
    run.nightly.starter = versions.only_starter(run.root)
    run.nightly.data_md5 = versions.commit(run.root, settings, starter=run.nightly.starter, log=print_line)
    short = run.nightly.data_md5[:12]
    return ("skipped", f"still {short}") if before == run.nightly.data_md5 else ("ran", f"now {short}")


def record(run: Run) -> Outcome:
    """Commits the tree that runs."""
    run.kept = records.record(run.root, RECORD_MESSAGE)
    run.nightly.record = run.kept.commit
    return "ran", f"{run.kept.commit[:12]}{_uncommitted(run.kept)}"


def _uncommitted(kept: records.Record) -> str:
    names = ", ".join(kept.changed[:NAMES]) + (f" and {len(kept.changed) - NAMES} more" * (len(kept.changed) > NAMES))
    return f", with uncommitted changes: {names}" if kept.changed else ""


def worktree(run: Run, stack: ExitStack) -> Outcome:
    """Creates a tree for a trial: that of the record, with the other params; the checkout stays unchanged."""
    path = run.session.state / "trials" / run.out.name
    tree = stack.enter_context(records.worktree(run.root, run.nightly.record, path))
    fill(run, tree)
    run.kept = records.record(tree, TRIAL_MESSAGE)
    run.tree, run.nightly.record = tree, run.kept.commit
    changes = [f"{path}={value}" for path, value in run.nightly.overrides.items()]
    return "ran", f"{run.kept.commit[:12]} with {', '.join([*(['--quick'] if run.request.quick else []), *changes])}"


def fill(run: Run, tree: Path) -> None:
    """Gives a worktree what git does not hold: the params of the run, the settings and the data."""
    (tree / NAME).write_text(params.dump(run.values), encoding="utf-8")
    if (run.root / "settings.toml").is_file():
        (tree / "settings.toml").write_bytes((run.root / "settings.toml").read_bytes())
    versions.pull(tree, run.session.settings)


def register(run: Run, family: str) -> Outcome:
    """Registers the result of a family's stages, and decides on its promotion."""
    run.session.ready(MLFLOW)
    from models.families import by_name  # noqa: PLC0415 - PyTorch, only when needed
    from registry.promotion.register import register as enter  # noqa: PLC0415 - MLflow, only when needed

    assert run.kept is not None  # noqa: S101 - no stage runs before the record
    message = TRIAL_MESSAGE if run.request.trial else RECORD_MESSAGE
    run.kept = records.completed(run.tree, run.kept, message)
    run.nightly.record = run.kept.commit
    promote = run.request.promote or not run.request.trial
    decision = enter(
        run.tree,
        by_name(family),
        record=run.kept,
        promote=promote,
        trial=run.request.trial,
        settings=run.session.settings,
        pages=run.session.lasting_url(MLFLOW),
    )
    run.decisions[family] = decision
    path = run.tree / "build" / family / "decision.json"
    path.write_text(decision.model_dump_json(indent=2) + "\n", encoding="utf-8")
    moved = decision.registered or decision.promoted
    return ("ran" if moved else "skipped"), decision.reasons[0] if decision.reasons else f"version {decision.version}"


def report(run: Run) -> Outcome:
    """Builds the report page."""
    from report.page.build import build  # noqa: PLC0415 - matplotlib

    page = build(run.tree, run.out, run.nightly, last=run.root / "build" / "report" / "last.json")
    return "ran", run.shown(page)
