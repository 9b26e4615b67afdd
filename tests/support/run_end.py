"""The state of the checkout and registry after a nightly run, as far as two runs must agree on it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import yaml

from tests.support.repos import git

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

End = dict[str, object]

DRAFTS = (".part", ".partial", ".tmp")
MEASURED = ("bundle", "scores", "search")  # outs with latencies, which differ between runs
TIMES = ("latency_ms", "seconds")  # of a candidate
VERSIONS = "select name, version, source is not null from model_versions order by name, version"
DIGESTS = "select name, version, value from model_version_tags where key = 'rushes.digest' order by name, version"
ALIASES = "select name, alias, version from registered_model_aliases order by name, alias"
MLFLOW_OPEN = "select run_uuid, name from runs where status in ('RUNNING', 'SCHEDULED')"
PREFECT_OPEN = "select name, state_type from {} where state_type in ('RUNNING', 'PENDING', 'CANCELLING')"


def end_of(root: Path) -> End:
    """Reads it from the files of a checkout whose servers have stopped."""
    state = root / ".state"
    mlflow, prefect = state / "mlflow/mlflow.db", state / "prefect/prefect.db"
    return {
        "datasets.dvc": (root / "datasets.dvc").read_text(),
        "outs": _outs(root),
        "search": _candidates(root),
        "tags": git(root, "tag").split(),
        "git": sorted(git(root, "status", "--porcelain").splitlines()),
        "inbox": sorted(str(path.relative_to(root)) for path in (root / "inbox").rglob("*") if path.is_file()),
        "drafts": _drafts(root),
        "worktrees": len(git(root, "worktree", "list").splitlines()),
        "versions": ask(mlflow, VERSIONS),
        "digests": ask(mlflow, DIGESTS),
        "aliases": ask(mlflow, ALIASES),
        "open in MLflow": ask(mlflow, MLFLOW_OPEN),
        "open in Prefect": [
            *ask(prefect, PREFECT_OPEN.format("flow_run")),
            *ask(prefect, PREFECT_OPEN.format("task_run")),
        ],
    }


def differences(wanted: End, found: End) -> list[str]:
    """The differences, one per line."""
    return [f"{name}: {found[name]} instead of {wanted[name]}" for name in wanted if found[name] != wanted[name]]


def ask(database: Path, question: str) -> Sequence[tuple[object, ...]]:
    """Rows of an SQLite file that is not open in a server."""
    if not database.is_file():
        return [("no", database.name)]
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute(question).fetchall()


def _outs(root: Path) -> dict[str, object]:
    path = root / "dvc.lock"
    if not path.is_file():
        return {}
    stages = yaml.safe_load(path.read_text())["stages"]
    return {
        f"{name} {out['path']}": "measured" if out["path"].endswith(MEASURED) else out["md5"]
        for name, stage in sorted(stages.items())
        for out in stage.get("outs", [])
    }


def _candidates(root: Path) -> list[dict[str, object]]:
    """The candidates of the search, without their measurements."""
    path = root / "build/expression/search/search.json"
    candidates = json.loads(path.read_text())["candidates"] if path.is_file() else []
    return [{name: value for name, value in candidate.items() if name not in TIMES} for candidate in candidates]


def _drafts(root: Path) -> list[str]:
    """Temporary files, renamed into place once complete: none may stay. Those of git and DVC are not included."""
    found = [path.relative_to(root) for ending in DRAFTS for path in root.rglob(f"*{ending}")]
    return sorted(str(path) for path in found if path.parts[0] not in (".git", ".dvc"))
