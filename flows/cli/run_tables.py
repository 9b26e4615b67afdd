"""`flows runs` and `flows compare`: past runs as tables for the terminal, or as JSON for programs."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

from flows.cli import console
from flows.nightly.run_history import STATUS_NOT_FOUND, STATUS_OK, changed, find_run, past_runs
from models.components.figures import figure_name
from models.components.sections import sections
from registry.subprocesses import git
from report.formatting import NONE, figure_text
from report.text.messages import failure_text, seconds_text
from rushes.suggest import did_you_mean

if TYPE_CHECKING:
    from pathlib import Path

    from flows.nightly.run_history import PastRun

FILES_SHOWN = 20


def print_runs(state: Path, limit: int, families: list[str], *, as_json: bool = False) -> int:
    """Prints the newest runs.

    Args:
        state: The state folder.
        limit: Maximum number of runs.
        families: Only runs of one of these; empty: all.
        as_json: One JSON object a line instead of a table.

    Returns:
        0, or 3 if there is none.
    """
    runs = [run for run in past_runs(state) if not families or set(families) & set(run.nightly.families)][:limit]
    if as_json:
        print("\n".join(run.model_dump_json() for run in runs))  # noqa: T201 - the output of a command
    elif runs:
        print(_runs_table(runs))  # noqa: T201 - the output of a command
    else:
        which = f" of {', '.join(families)}" if families else ""
        near = "".join(did_you_mean(name, sections()) for name in families if name not in sections())
        print(f"no run{which} has ended here yet{'.' + near if near else ': make nightly'}")  # noqa: T201 - as above
    return STATUS_OK if runs else STATUS_NOT_FOUND


def _runs_table(runs: list[PastRun]) -> str:
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("run", "kind", "outcome", "time", "results"):
        table.add_column(name, no_wrap=name != "results")
    for run in runs:
        lines = _results(run)
        table.add_row(run.name, run.nightly.mode, run.outcome, seconds_text(run.nightly.seconds), "\n".join(lines))
    return _text(table)


def _results(run: PastRun) -> list[str]:
    """One line a family; for a failed run its first failure, for a trial its changed params."""
    lines = [f"{path}={json.dumps(value)}" for path, value in run.nightly.overrides.items()]
    lines += [failure_text(failure).splitlines()[0] for failure in run.nightly.failures[:1]]
    for family, decision in run.decisions.items():
        name, score = decision["objective"]["name"], decision["compressed"]
        version = f"v{decision['version']}" if decision["version"] is not None else "no version"
        mark = ", promoted" if decision["promoted"] else ""
        lines.append(f"{family} {version}{mark}: {figure_name(name)} {figure_text(score)}")
    return lines or ["nothing was decided"]


def print_comparison(root: Path, state: Path, before: str, after: str, *, as_json: bool = False) -> int:
    """Prints what differs between two runs: data, code, params, versions and metrics.

    Returns:
        0.

    Raises:
        NoSuchRunError: A name matches no run, or several.
    """
    old, new = find_run(state, before), find_run(state, after)
    differences = compare_runs(root, old, new)
    if as_json:
        about = {"before": old.name, "after": new.name}
        print(json.dumps(about | differences, ensure_ascii=False, indent=1))  # noqa: T201 - the output of a command
    else:
        print(_comparison_text(old, new, differences))  # noqa: T201 - the output of a command
    return STATUS_OK


def compare_runs(root: Path, old: PastRun, new: PastRun) -> dict[str, dict[str, tuple[Any, Any]]]:
    """Differences of two runs: `data`, `code`, `params`, `versions` and `metrics`, each name -> (before, after).

    Code is compared by file between the two records; the values are the abbreviated ids of the file's content. Metrics
    are of the test split; if the data differ, the test splits may differ too, and the metrics must not be subtracted.
    """
    return {
        "data": changed({"version": old.nightly.data_md5[:12]}, {"version": new.nightly.data_md5[:12]}),
        "code": _changed_code(root, old.nightly.record, new.nightly.record),
        "params": changed(old.params, new.params),
        "versions": changed(_versions(old), _versions(new)),
        "metrics": changed(_metrics(old), _metrics(new)),
    }


def _versions(run: PastRun) -> dict[str, Any]:
    return {family: decision["version"] for family, decision in run.decisions.items()}


def _metrics(run: PastRun) -> dict[str, float]:
    return {f"{family} {name}": value for family, known in run.metrics.items() for name, value in known.items()}


def _changed_code(root: Path, old: str, new: str) -> dict[str, tuple[Any, Any]]:
    if not old or not new or old == new:
        return {}
    # params and the data version are compared separately; dvc.lock follows from the stages.
    others = [":(exclude)params.yaml", ":(exclude)datasets.dvc", ":(exclude)dvc.lock"]
    done = git(root, "diff", "--raw", "--abbrev=8", "-z", old, new, "--", ".", *others)
    if done.returncode:
        return {"?": (f"git no longer has the record {old[:12]} or {new[:12]}", None)}
    words = done.stdout.decode("utf-8", "replace").split("\0")
    pairs = zip(words[::2], words[1::2], strict=False)
    return {path: _ids(about) for about, path in pairs}


def _ids(about: str) -> tuple[str | None, str | None]:
    """The two ids in `:100644 100644 bcd1234 0123456 M`; None where the file was added or deleted."""
    before, after = about.split()[2:4]
    return (before if before.strip("0") else None), (after if after.strip("0") else None)


def _comparison_text(old: PastRun, new: PastRun, differences: dict[str, dict[str, tuple[Any, Any]]]) -> str:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("")
    table.add_column(f"{old.name}\n{old.nightly.mode}, {old.outcome}", overflow="fold")
    table.add_column(f"{new.name}\n{new.nightly.mode}, {new.outcome}", overflow="fold")
    for group, rows in differences.items():
        shown = list(rows.items())[:FILES_SHOWN] if group == "code" else list(rows.items())
        for name, (before, after) in shown:
            table.add_row(f"{group}: {name}", _shown(before), _shown(after))
        if len(rows) > len(shown):
            table.add_row(f"{group}: {len(rows) - len(shown)} more files", "", "")
    same = [group for group, rows in differences.items() if not rows]
    lines = [_text(table)] if len(same) < len(differences) else []
    lines += [f"the same: {', '.join(same)}"] if same else []
    if differences["data"] and differences["metrics"]:
        lines.append("The data differ, so the test splits may: do not subtract one metric from the other.")
    lines += _diff_hint(old, new, differences)
    return "\n".join(lines)


def _diff_hint(old: PastRun, new: PastRun, differences: dict[str, dict[str, tuple[Any, Any]]]) -> list[str]:
    if not differences["code"]:
        return []
    return [f"the code, line by line: git diff {old.nightly.record[:12]} {new.nightly.record[:12]}"]


def _shown(value: object) -> str:
    return NONE if value is None else figure_text(value) if isinstance(value, float) else str(value)


def _text(table: Table) -> str:
    text = io.StringIO()
    Console(file=text, width=console.width(), color_system=None).print(table)
    return text.getvalue().strip("\n")
