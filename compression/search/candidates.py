"""The rungs of the ladder as figures: which hold the budget, which are worth a look, which one to ship.

Nothing here runs a network, so whoever reads build/F/ladder may ask again with another budget.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from compression.search.sealed_json import DamagedFileError
from models.family import Budget
from rushes.errors import NothingFitsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

LADDER = "ladder.json"
TEACHER = "teacher"  # the network that train has made; every other one is a student
FLOAT = "float"
AWARE = "quantisation-aware"
NEAREST = 3  # rungs that are told where none holds
# Where two rungs are as fast as each other within so much, the smaller one is shipped: on a machine that does other
# things as well clocks are no more exact.
AS_FAST = 1.25
# And where two of these are as small as each other within so much, the better one.
AS_SMALL = 1.05
FLOAT_WINS = "float wins: no int8 form that holds the budget is faster"
ROUNDED = 1e-9  # of a difference of two figures


@dataclass(frozen=True)
class Rung:
    """One form of a family, as it was measured.

    Attributes:
        name: Network and quantisation, such as `teacher, static minmax`.
        objective: That of the family, on the validation split; higher is better.
        latency_ms: The 95th percentile of one sample on one thread, all rungs measured in turns.
        size_bytes: Of its graphs.
        seconds: What it took to make and judge, when that was done.
        folder: Where its files lie, below the state folder.
        note: What else is to be known of it, such as the layers that stayed float.
        doubt: The standard error of what it loses against the trained network in float.
    """

    name: str
    objective: float
    latency_ms: float
    size_bytes: int
    seconds: float
    folder: str
    note: str = ""
    doubt: float = 0.0

    @property
    def is_float(self) -> bool:
        """True if it is not quantised."""
        return self.name.endswith(f", {FLOAT}")

    @property
    def is_teacher(self) -> bool:
        """True if it is the trained network itself, in float."""
        return self.name == f"{TEACHER}, {FLOAT}"


@dataclass(frozen=True)
class Ladder:
    """All rungs of one training, and where they were measured.

    Attributes:
        objective: What the family calls its own.
        machine: As in a certificate.
        rungs: The trained network in float first.
        failed: Networks that could not be trained, by name, with the reason.
    """

    objective: str
    machine: Mapping[str, str]
    rungs: tuple[Rung, ...]
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def teacher(self) -> Rung:
        """The trained network itself, in float: what the others are held against."""
        return next(rung for rung in self.rungs if rung.is_teacher)

    def misses(self, rung: Rung, budget: Budget) -> dict[str, tuple[float, float]]:
        """Limits of a budget that a candidate exceeds: name -> (its value, the limit).

        A drop counts with its standard error: of many forms the one that chance has favoured most would be shipped, and
        lose more on samples that nobody has chosen by.
        """
        drop = self.teacher.objective - rung.objective + rung.doubt
        has: dict[str, tuple[float, float | None]] = {
            "max_objective_drop": (drop, budget.max_objective_drop),
            "max_latency_ms": (rung.latency_ms, budget.max_latency_ms),
            "max_bytes": (float(rung.size_bytes), budget.max_bytes),
        }
        # What is not a number holds nothing.
        return {
            name: (own, most) for name, (own, most) in has.items() if most is not None and not own <= most + ROUNDED
        }

    def front(self) -> list[Rung]:
        """Those that no other one beats in all of objective, latency and bytes (Pareto), the fastest first."""
        counted = [rung for rung in self.rungs if rung.objective == rung.objective]  # not NaN
        front = [rung for rung in counted if not any(_dominates(other, rung) for other in counted)]
        return sorted(front, key=lambda rung: rung.latency_ms)

    def pick(self, budget: Budget) -> Rung | None:
        """The one to ship, or None: the fastest that holds the budget; of as fast ones the smallest, then the best."""
        holding = [rung for rung in self.rungs if not self.misses(rung, budget)]
        if not holding:
            return None
        least = min(rung.latency_ms for rung in holding)
        fast = [rung for rung in holding if rung.latency_ms <= AS_FAST * least]
        smallest = min(rung.size_bytes for rung in fast)
        small = [rung for rung in fast if rung.size_bytes <= AS_SMALL * smallest]
        return min(small, key=lambda rung: (-rung.objective, rung.size_bytes, rung.latency_ms, rung.name))

    def best(self, budget: Budget) -> Rung | None:
        """The one with the best objective of those that are fast and small enough, however much it loses."""
        costs = budget.model_copy(update={"max_objective_drop": None})
        within = [rung for rung in self.rungs if rung.objective == rung.objective and not self.misses(rung, costs)]
        return max(within, key=lambda rung: (rung.objective, -rung.latency_ms, -rung.size_bytes), default=None)

    def nearest(self, budget: Budget) -> list[Rung]:
        """The three that miss least: by the sum of what each limit is missed by, as a share of the limit."""

        def missed(rung: Rung) -> float:
            shares = (own / most - 1.0 if most else own for own, most in self.misses(rung, budget).values())
            return sum(share if share == share else float("inf") for share in shares)  # noqa: PLR0124  # NaN

        return sorted(self.rungs, key=missed)[:NEAREST]

    def said_of(self, rung: Rung, budget: Budget) -> str:
        """A rung in a line: what it has, and by how much it misses what."""
        misses = self.misses(rung, budget)
        told = ", ".join(f"{name} {own:.4g} for {most:.4g}" for name, (own, most) in misses.items())
        figures = f"{self.objective} {rung.objective:.4f}, {rung.latency_ms:.3g} ms, {rung.size_bytes:,} bytes"
        return f"{rung.name}: {figures}; {f'misses {told}' if told else 'holds'}"

    def write(self, folder: Path, budget: Budget) -> None:
        """Writes ladder.json, with what is on the front and what was picked, for whoever draws it."""
        pick = self.pick(budget)
        document: dict[str, Any] = {
            "objective": self.objective,
            "machine": dict(self.machine),
            "budget": budget.model_dump(),
            "front": [rung.name for rung in self.front()],
            "pick": pick.name if pick else None,
            "failed": dict(self.failed),
            "rungs": [asdict(rung) | {"misses": self.misses(rung, budget)} for rung in self.rungs],
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / LADDER).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def read_ladder(folder: Path) -> tuple[Ladder, Budget]:
    """The ladder of a folder, and the budget that was picked by.

    Raises:
        FileNotFoundError: There is none.
        DamagedFileError: It is damaged, or of another version of this code.
    """
    path = folder / LADDER
    text = path.read_text(encoding="utf-8")
    try:
        document = json.loads(text)
        known = [one.name for one in fields(Rung)]
        rungs = tuple(Rung(**{name: rung[name] for name in known if name in rung}) for rung in document["rungs"])
        ladder = Ladder(document["objective"], document["machine"], rungs, document.get("failed", {}))
        return ladder, Budget(**document["budget"])
    except (json.JSONDecodeError, ValidationError, TypeError, KeyError) as error:
        message = f"{path} cannot be read ({type(error).__name__}: {error})"
        raise DamagedFileError(message) from error


class OverBudgetError(NothingFitsError):
    """No rung holds the budget; says which come nearest, and `remedy` what to do."""

    def __init__(self, family: str, ladder: Ladder, budget: Budget) -> None:
        lines = [ladder.said_of(rung, budget) for rung in ladder.nearest(budget)]
        limits = sorted({name for rung in ladder.nearest(budget) for name in ladder.misses(rung, budget)})
        super().__init__(
            f"no form of {family} holds its budget. The nearest: {'. '.join(lines)}",
            f"widen {' or '.join(f'{family}.budget.{name}' for name in limits)} in params.yaml, or give the ladder "
            f"more rungs ({family}.compress); `python -m flows ladder {family}` tries a budget without training",
        )


def slug(name: str) -> str:
    """The folder of a rung: `student 16-32, static int8 minmax` is `student-16-32-static-int8-minmax`."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())


def _dominates(one: Rung, other: Rung) -> bool:
    """True if one is at least as good in everything, and better in something."""
    first, second = _costs(one), _costs(other)
    return first != second and all(a <= b for a, b in zip(first, second, strict=True))


def _costs(rung: Rung) -> Sequence[float]:
    return (-rung.objective, rung.latency_ms, float(rung.size_bytes))
