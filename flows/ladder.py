"""What a family can have for a budget, out of the rungs that the last training has left: nothing is trained for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from compression.rungs import Ladder, Rung, read_ladder
from flows import environment, params
from flows.params import ParamsError
from models.family import Budget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from registry.settings import Settings

DONE, NOTHING = 0, 3
ROW = "{mark:<2} {name:<48} {objective:>10} {latency:>10} {size:>12} {made:>9}  {verdict}"


class NoLadderError(ValueError):
    """The family has no ladder yet."""

    status = NOTHING

    def __init__(self, family: str) -> None:
        super().__init__(f"build/{family}/ladder holds no ladder: the stage compress has not run here")
        self.remedy = f"python -m flows nightly --families {family}"


def run_ladder(root: Path, settings: Settings, family: str, texts: Sequence[str]) -> int:
    """Prints every rung against the budget, and which one would be shipped.

    Returns:
        0 where one holds the budget, 3 where none does.

    Raises:
        ParamsError: The family or a param does not exist, or is none of the budget.
        NoLadderError: There is no ladder.
    """
    environment.settle(root, settings)  # before the families are imported: matplotlib writes where it is told to
    values = params.read_params(root)
    params.choose(values, [family])
    patch = params.parse(values, texts)
    others = [path for path in params.flatten(patch) if not path.startswith(f"{family}.budget.")]
    if others:
        message = f"{others[0]} is none of {family}.budget: a change of it would have to be trained"
        raise ParamsError(message, f"python -m flows nightly --set {others[0]}=...")
    budget = Budget(**(params.lay(values, patch)[family].get("budget") or {}))
    try:
        ladder, _ = read_ladder(root / Path("build") / family / "ladder")
    except FileNotFoundError as error:
        raise NoLadderError(family) from error
    typer.echo(_told(ladder, budget))
    return DONE if ladder.pick(budget) else NOTHING


def _told(ladder: Ladder, budget: Budget) -> str:
    pick, front = ladder.pick(budget), ladder.front()
    latency = f"ms, of {ladder.machine.get('processor', 'a machine that is not named')}"
    lines = [
        ROW.format(
            mark="",
            name="rung",
            objective="objective",
            latency="p95 ms",
            size="bytes",
            made="made in",
            verdict=ladder.objective,
        ),
        *(_row(ladder, rung, budget, "->" if rung == pick else "*" if rung in front else "") for rung in ladder.rungs),
        f"validation split; {latency}, one thread; * on the Pareto front, -> shipped",
    ]
    if pick is None:
        nearest = "; ".join(ladder.said_of(rung, budget) for rung in ladder.nearest(budget))
        lines.append(f"nothing holds this budget. The nearest: {nearest}")
    elif pick.is_teacher:
        lines.append("float wins: nothing smaller that holds is faster")
    return "\n".join(lines)


def _row(ladder: Ladder, rung: Rung, budget: Budget, mark: str) -> str:
    misses = ladder.misses(rung, budget)
    told = ", ".join(f"{name} {own:.4g} for {most:.4g}" for name, (own, most) in misses.items())
    return ROW.format(
        mark=mark,
        name=rung.name,
        objective=f"{rung.objective:.4f}",
        latency=f"{rung.latency_ms:.3f}",
        size=f"{rung.size_bytes:,}",
        made=f"{rung.seconds:,.0f} s",
        verdict=(f"misses {told}" if told else "holds") + (f"; {rung.note}" if rung.note else ""),
    )
