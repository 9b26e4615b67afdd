"""The candidates of the last training judged by a budget; nothing is trained for it."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from common.commands import python
from compression.search.candidates import AWARE, FLOAT_WINS, MeasuredCandidate, SearchResult, read_result
from compression.search.sealed_json import DamagedFileError
from flows.nightly import params
from flows.servers import environment
from models.family import BudgetParams
from models.params_file import ParamsError
from rushes.errors import NOTHING_FITS, UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.settings import Settings

DONE, NOTHING = 0, 3
HEADS = ("candidate", "objective", "drop", "p95 ms", "faster", "bytes", "smaller", "made in", "")
TUNED = "with this budget a run would also fine-tune, with rounding in it, each network that holds it in float alone"


class NoSearchResultError(UserError):
    """The family has no search result yet."""

    default_exit_status = NOTHING_FITS

    def __init__(self, family: str, why: str = "") -> None:
        super().__init__(
            why or f"build/{family}/search holds no search result: the stage compress has not run here",
            f"{python()} -m flows nightly --families {family}",
        )


def run_candidates(root: Path, settings: Settings, family: str, texts: Sequence[str], *, as_json: bool = False) -> int:
    """Prints every candidate against the budget, and which one would be shipped.

    Milliseconds that are asked for here are compared with those of the machine that compressed; those of params.yaml
    only where settings mean that one.

    Returns:
        0 where one holds the budget, 3 where none does.

    Raises:
        ParamsError: The family or a param does not exist, or the param is not part of the budget.
        NoSearchResultError: There is no search result.
    """
    environment.set_up(root, settings)  # before the families are imported: it names the folder that matplotlib uses
    values = params.read_params(root)
    params.choose(values, [family])
    patch = params.parse(values, texts)
    others = [path for path in params.flatten(patch) if not path.startswith(f"{family}.budget.")]
    if others:
        message = f"{others[0]} is not part of {family}.budget: a change of it would have to be trained"
        text = next((text for text in texts if text.startswith(others[0])), f"{others[0]}=...")
        raise ParamsError(message, f"{python()} -m flows nightly --set {shlex.quote(text)}")
    budget = BudgetParams(**(params.lay(values, patch)[family].get("budget") or {}))
    try:
        result, _ = read_result(root / Path("build") / family / "search")
    except (FileNotFoundError, DamagedFileError) as error:
        raise NoSearchResultError(family, "" if isinstance(error, FileNotFoundError) else str(error)) from error
    meant, here = settings.budget.processor, result.machine.get("processor", "")
    asked = f"{family}.budget.max_latency_ms" in params.flatten(patch)
    if meant and meant != here and not asked:
        budget = budget.model_copy(update={"max_latency_ms": None})
    else:
        meant = ""
    from models.families import by_name  # noqa: PLC0415  # once the environment names matplotlib's folder

    tunes = by_name(family).fine_tuning is not None
    typer.echo(_json(result, budget) if as_json else _table(result, budget, meant, tunes=tunes))
    return DONE if result.pick(budget) else NOTHING


def _json(result: SearchResult, budget: BudgetParams) -> str:
    """The result as JSON, for programs."""
    pick, best = result.pick(budget), result.best(budget)
    front = result.front()
    candidates = [
        asdict(one) | {"on_front": one in front, "misses": result.misses(one, budget)} for one in result.candidates
    ]
    return json.dumps(
        {
            "objective": result.objective,
            "machine": dict(result.machine),
            "budget": budget.model_dump(),
            "pick": pick and pick.name,
            "best_within_costs": best and best.name,
            "failed": dict(result.failed),
            "candidates": candidates,
        },
        indent=2,
    )


def _table(result: SearchResult, budget: BudgetParams, meant: str, *, tunes: bool) -> str:
    """The table, the fastest first, and remarks below it."""
    pick, front = result.pick(budget), result.front()
    ordered = sorted(result.candidates, key=lambda one: one.latency_ms)
    marks = ["", *("->" if one == pick else "*" if one in front else "" for one in ordered)]
    table = [HEADS, *(_row(result, one, budget) for one in ordered)]
    widths = [max(len(row[place]) for row in table) for place in range(len(HEADS))]
    lines = [_line(mark, row, widths) for mark, row in zip(marks, table, strict=True)]
    where = result.machine.get("processor", "a machine that is not named")
    lines.append(f"{result.objective}, validation split; one thread of {where}; * on the Pareto front, -> shipped")
    lines.append("a drop counts with its standard error (±)")
    if meant:
        lines.append(f"milliseconds are not judged: settings mean those of {meant}")
    lines += [f"left out: {network}, {why}" for network, why in result.failed.items()]
    lines += _verdict(result, budget, pick, tunes=tunes)
    return "\n".join(lines)


def _verdict(result: SearchResult, budget: BudgetParams, pick: MeasuredCandidate | None, *, tunes: bool) -> list[str]:
    lines = []
    if pick is None:
        nearest = "; ".join(result.describe(one, budget) for one in result.nearest(budget))
        lines.append(f"nothing holds this budget. The nearest: {nearest}")
    elif pick.is_float:
        lines.append(FLOAT_WINS)
    if tunes and (pick is None or pick.is_float) and not any(AWARE in one.name for one in result.candidates):
        lines.append(TUNED)
    limits = [f"{budget.max_latency_ms:g} ms"] if budget.max_latency_ms is not None else []
    limits += [f"{budget.max_bytes:,.0f} bytes"] if budget.max_bytes is not None else []
    best = result.best(budget)
    if best and limits and best != pick:
        drop = result.teacher.objective - best.objective
        lines.append(
            f"the best objective for {' and '.join(limits)}: {best.name}, {best.objective:.4f}, "
            f"{drop:.4f} below the trained network"
        )
    return lines


def _line(mark: str, row: Sequence[str], widths: Sequence[int]) -> str:
    """A line of the table: words to the left, figures to the right."""
    first, *figures, last = (
        text.ljust(wide) if place in {0, len(row) - 1} else text.rjust(wide)
        for place, (text, wide) in enumerate(zip(row, widths, strict=True))
    )
    return f"{mark:<2} {'  '.join([first, *figures, last])}".rstrip()


def _row(result: SearchResult, candidate: MeasuredCandidate, budget: BudgetParams) -> tuple[str, ...]:
    teacher = result.teacher
    error = f" ±{candidate.standard_error:.4f}" if candidate.standard_error else ""
    return (
        candidate.name,
        f"{candidate.objective:.4f}",
        f"{teacher.objective - candidate.objective:.4f}{error}",
        f"{candidate.latency_ms:.3f}",
        f"{teacher.latency_ms / candidate.latency_ms:.1f}x",
        f"{candidate.size_bytes:,}",
        f"{teacher.size_bytes / candidate.size_bytes:.1f}x",
        f"{candidate.seconds:,.0f} s",
        result.verdict(candidate, budget) + (f"; {candidate.note}" if candidate.note else ""),
    )
