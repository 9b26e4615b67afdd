"""The candidates of the last training judged by a budget; nothing is trained for it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from compression.search.candidates import AWARE, FLOAT_WINS, Ladder, Rung, read_ladder
from compression.search.sealed_json import DamagedFileError
from flows.nightly import params
from flows.nightly.params import ParamsError
from flows.servers import environment
from models.family import Budget
from registry.subprocesses import python
from rushes.errors import NOTHING_FITS, UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.settings import Settings

DONE, NOTHING = 0, 3
HEADS = ("rung", "objective", "drop", "p95 ms", "faster", "bytes", "smaller", "made in", "")
TUNED = "with this budget a run would also tune to bear rounding what holds it in float and not in int8"


class NoLadderError(UserError):
    """The family has no ladder yet."""

    default_exit_status = NOTHING_FITS

    def __init__(self, family: str, why: str = "") -> None:
        super().__init__(
            why or f"build/{family}/ladder holds no ladder: the stage compress has not run here",
            f"{python()} -m flows nightly --families {family}",
        )


def run_ladder(root: Path, settings: Settings, family: str, texts: Sequence[str], *, as_json: bool = False) -> int:
    """Prints every rung against the budget, and which one would be shipped.

    Milliseconds that are asked for here are held against those of the machine that compressed; those of params.yaml
    only where settings mean that one.

    Returns:
        0 where one holds the budget, 3 where none does.

    Raises:
        ParamsError: The family or a param does not exist, or is none of the budget.
        NoLadderError: There is no ladder.
    """
    environment.set_up(root, settings)  # before the families are imported: matplotlib writes where it is told to
    values = params.read_params(root)
    params.choose(values, [family])
    patch = params.parse(values, texts)
    others = [path for path in params.flatten(patch) if not path.startswith(f"{family}.budget.")]
    if others:
        message = f"{others[0]} is none of {family}.budget: a change of it would have to be trained"
        text = next((text for text in texts if text.startswith(others[0])), f"{others[0]}=...")
        raise ParamsError(message, f"{python()} -m flows nightly --set {text}")
    budget = Budget(**(params.lay(values, patch)[family].get("budget") or {}))
    try:
        ladder, _ = read_ladder(root / Path("build") / family / "ladder")
    except (FileNotFoundError, DamagedFileError) as error:
        raise NoLadderError(family, "" if isinstance(error, FileNotFoundError) else str(error)) from error
    meant, here = settings.budget.machine, ladder.machine.get("processor", "")
    asked = f"{family}.budget.max_latency_ms" in params.flatten(patch)
    if meant and meant != here and not asked:
        budget = budget.model_copy(update={"max_latency_ms": None})
    else:
        meant = ""
    from models.families import by_name  # noqa: PLC0415  # once the environment says where matplotlib may write

    tunes = by_name(family).tuning is not None
    typer.echo(_json(ladder, budget) if as_json else _told(ladder, budget, meant, tunes=tunes))
    return DONE if ladder.pick(budget) else NOTHING


def _json(ladder: Ladder, budget: Budget) -> str:
    """All of it for programs."""
    pick, best = ladder.pick(budget), ladder.best(budget)
    front = ladder.front()
    rungs = [asdict(rung) | {"on_front": rung in front, "misses": ladder.misses(rung, budget)} for rung in ladder.rungs]
    return json.dumps(
        {
            "objective": ladder.objective,
            "machine": dict(ladder.machine),
            "budget": budget.model_dump(),
            "pick": pick and pick.name,
            "best_within_costs": best and best.name,
            "failed": dict(ladder.failed),
            "rungs": rungs,
        },
        indent=2,
    )


def _told(ladder: Ladder, budget: Budget, meant: str, *, tunes: bool) -> str:
    """The table, fastest first, and what is to be said of it."""
    pick, front = ladder.pick(budget), ladder.front()
    ordered = sorted(ladder.rungs, key=lambda rung: rung.latency_ms)
    marks = ["", *("->" if rung == pick else "*" if rung in front else "" for rung in ordered)]
    table = [HEADS, *(_row(ladder, rung, budget) for rung in ordered)]
    widths = [max(len(row[place]) for row in table) for place in range(len(HEADS))]
    lines = [_line(mark, row, widths) for mark, row in zip(marks, table, strict=True)]
    where = ladder.machine.get("processor", "a machine that is not named")
    lines.append(f"{ladder.objective}, validation split; one thread of {where}; * on the Pareto front, -> shipped")
    lines.append("a drop counts with its standard error (±)")
    if meant:
        lines.append(f"milliseconds are not judged: settings mean those of {meant}")
    lines += [f"left out: {network}, {why}" for network, why in ladder.failed.items()]
    lines += _verdict(ladder, budget, pick, tunes=tunes)
    return "\n".join(lines)


def _verdict(ladder: Ladder, budget: Budget, pick: Rung | None, *, tunes: bool) -> list[str]:
    lines = []
    if pick is None:
        nearest = "; ".join(ladder.said_of(rung, budget) for rung in ladder.nearest(budget))
        lines.append(f"nothing holds this budget. The nearest: {nearest}")
    elif pick.is_float:
        lines.append(FLOAT_WINS)
    if tunes and (pick is None or pick.is_float) and not any(AWARE in rung.name for rung in ladder.rungs):
        lines.append(TUNED)
    limits = [f"{budget.max_latency_ms:g} ms"] if budget.max_latency_ms is not None else []
    limits += [f"{budget.max_bytes:,.0f} bytes"] if budget.max_bytes is not None else []
    best = ladder.best(budget)
    if best and limits and best != pick:
        drop = ladder.teacher.objective - best.objective
        lines.append(
            f"the best objective for {' and '.join(limits)}: {best.name}, {best.objective:.4f}, "
            f"{drop:.4f} below the trained network"
        )
    return lines


def _line(mark: str, row: Sequence[str], widths: Sequence[int]) -> str:
    """Words to the left, figures to the right."""
    first, *figures, last = (
        text.ljust(wide) if place in {0, len(row) - 1} else text.rjust(wide)
        for place, (text, wide) in enumerate(zip(row, widths, strict=True))
    )
    return f"{mark:<2} {'  '.join([first, *figures, last])}".rstrip()


def _row(ladder: Ladder, rung: Rung, budget: Budget) -> tuple[str, ...]:
    misses, teacher = ladder.misses(rung, budget), ladder.teacher
    told = ", ".join(f"{name} {own:.4g} for {most:.4g}" for name, (own, most) in misses.items())
    return (
        rung.name,
        f"{rung.objective:.4f}",
        f"{teacher.objective - rung.objective:.4f}" + (f" ±{rung.doubt:.4f}" if rung.doubt else ""),
        f"{rung.latency_ms:.3f}",
        f"{teacher.latency_ms / rung.latency_ms:.1f}x",
        f"{rung.size_bytes:,}",
        f"{teacher.size_bytes / rung.size_bytes:.1f}x",
        f"{rung.seconds:,.0f} s",
        (f"misses {told}" if told else "holds") + (f"; {rung.note}" if rung.note else ""),
    )
