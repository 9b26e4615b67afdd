"""Result of a compression search: the measured candidates, the Pareto front, and the pick for a budget.

Nothing here runs a network, so another budget can be tried on build/F/search at any time.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from common.commands import python
from compression.search.sealed_json import DamagedFileError
from models.family import BudgetParams
from rushes.errors import NothingFitsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

RESULT = "search.json"
TEACHER = "teacher"  # the network that train has made; every other one is a student
FLOAT = "float"
AWARE = "quantisation-aware"
NEAREST = 3  # candidates that are listed where none holds the budget
# Of candidates whose latencies differ by no more than this factor, the smallest is shipped: on a machine that does
# other things as well clocks are no more exact.
AS_FAST = 1.25
# Of these, candidates whose sizes differ by no more than this factor count as equally small, and the best is shipped.
AS_SMALL = 1.05
FLOAT_WINS = "float wins: no int8 candidate that holds the budget is faster"
ROUNDED = 1e-9  # of a difference of two figures


@dataclass(frozen=True)
class MeasuredCandidate:
    """A candidate of the compression search, judged on validation and measured.

    Attributes:
        name: Network and quantisation, such as `teacher, static minmax`.
        objective: That of the family, on the validation split; higher is better.
        latency_ms: The 95th percentile of one sample on one thread, all candidates measured in turns.
        size_bytes: Of its graphs.
        seconds: Time that making and judging it took.
        folder: Name of its folder in the cache of the training.
        note: Remarks, such as the layers that stayed float.
        standard_error: Of its drop in the objective below the trained network in float.
    """

    name: str
    objective: float
    latency_ms: float
    size_bytes: int
    seconds: float
    folder: str
    note: str = ""
    standard_error: float = 0.0

    @property
    def is_float(self) -> bool:
        """True if it is not quantised."""
        return self.name.endswith(f", {FLOAT}")

    @property
    def is_teacher(self) -> bool:
        """True if it is the trained network itself, in float."""
        return self.name == f"{TEACHER}, {FLOAT}"


@dataclass(frozen=True)
class SearchResult:
    """All candidates of one training, and the machine that they were measured on.

    Attributes:
        objective: Name of the family's objective.
        machine: As in a certificate.
        candidates: The trained network in float first.
        failed: Networks that could not be trained, by name, with the reason.
    """

    objective: str
    machine: Mapping[str, str]
    candidates: tuple[MeasuredCandidate, ...]
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def teacher(self) -> MeasuredCandidate:
        """The trained network itself, in float, which the others are compared with."""
        return next(one for one in self.candidates if one.is_teacher)

    def misses(self, candidate: MeasuredCandidate, budget: BudgetParams) -> dict[str, tuple[float, float]]:
        """Limits of a budget that a candidate exceeds: name -> (its value, the limit).

        A drop counts with its standard error: otherwise the candidate that chance favours most would be shipped, and
        would lose more on samples that the choice has not seen.
        """
        drop = self.teacher.objective - candidate.objective + candidate.standard_error
        has: dict[str, tuple[float, float | None]] = {
            "max_objective_drop": (drop, budget.max_objective_drop),
            "max_latency_ms": (candidate.latency_ms, budget.max_latency_ms),
            "max_bytes": (float(candidate.size_bytes), budget.max_bytes),
        }
        # NaN holds no limit.
        return {
            name: (own, most) for name, (own, most) in has.items() if most is not None and not own <= most + ROUNDED
        }

    def front(self) -> list[MeasuredCandidate]:
        """Those that no other one beats in all of objective, latency and bytes (Pareto), the fastest first."""
        counted = [one for one in self.candidates if one.objective == one.objective]  # not NaN
        front = [one for one in counted if not any(_dominates(other, one) for other in counted)]
        return sorted(front, key=lambda one: one.latency_ms)

    def pick(self, budget: BudgetParams) -> MeasuredCandidate | None:
        """The one to ship, or None: the fastest that holds the budget; of as fast ones the smallest, then the best."""
        holding = [one for one in self.candidates if not self.misses(one, budget)]
        if not holding:
            return None
        least = min(one.latency_ms for one in holding)
        fast = [one for one in holding if one.latency_ms <= AS_FAST * least]
        smallest = min(one.size_bytes for one in fast)
        small = [one for one in fast if one.size_bytes <= AS_SMALL * smallest]
        return min(small, key=lambda one: (-one.objective, one.size_bytes, one.latency_ms, one.name))

    def best(self, budget: BudgetParams) -> MeasuredCandidate | None:
        """The one with the best objective of those that are fast and small enough, however much it loses."""
        costs = budget.model_copy(update={"max_objective_drop": None})
        within = [one for one in self.candidates if one.objective == one.objective and not self.misses(one, costs)]
        return max(within, key=lambda one: (one.objective, -one.latency_ms, -one.size_bytes), default=None)

    def nearest(self, budget: BudgetParams) -> list[MeasuredCandidate]:
        """The three that miss least: by the sum of what each limit is missed by, as a share of the limit."""

        def missed(candidate: MeasuredCandidate) -> float:
            shares = (own / most - 1.0 if most else own for own, most in self.misses(candidate, budget).values())
            return sum(share if share == share else float("inf") for share in shares)  # noqa: PLR0124  # NaN

        return sorted(self.candidates, key=missed)[:NEAREST]

    def describe(self, candidate: MeasuredCandidate, budget: BudgetParams) -> str:
        """A candidate in a line: its figures, and the limits that it misses."""
        costs = f"{candidate.latency_ms:.3g} ms, {candidate.size_bytes:,} bytes"
        figures = f"{self.objective} {candidate.objective:.4f}, {costs}"
        return f"{candidate.name}: {figures}; {self.verdict(candidate, budget)}"

    def verdict(self, candidate: MeasuredCandidate, budget: BudgetParams) -> str:
        """`holds`, or the limits that a candidate misses, each with its own figure."""
        misses = self.misses(candidate, budget)
        missed = ", ".join(f"{name} {_figure(own)}, at most {_figure(most)}" for name, (own, most) in misses.items())
        return f"misses {missed}" if missed else "holds"

    def write(self, folder: Path, budget: BudgetParams) -> None:
        """Writes search.json, with the front and the pick for those who draw it."""
        pick = self.pick(budget)
        document: dict[str, Any] = {
            "objective": self.objective,
            "machine": dict(self.machine),
            "budget": budget.model_dump(),
            "front": [candidate.name for candidate in self.front()],
            "pick": pick.name if pick else None,
            "failed": dict(self.failed),
            "candidates": [asdict(one) | {"misses": self.misses(one, budget)} for one in self.candidates],
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RESULT).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def read_result(folder: Path) -> tuple[SearchResult, BudgetParams]:
    """The result in a folder, and the budget of its pick.

    Raises:
        FileNotFoundError: There is none.
        DamagedFileError: It is damaged, or of another version of this code.
    """
    path = folder / RESULT
    text = path.read_text(encoding="utf-8")
    try:
        document = json.loads(text)
        known = [one.name for one in fields(MeasuredCandidate)]
        candidates = tuple(
            MeasuredCandidate(**{name: one[name] for name in known if name in one}) for one in document["candidates"]
        )
        result = SearchResult(document["objective"], document["machine"], candidates, document.get("failed", {}))
        return result, BudgetParams(**document["budget"])
    except (json.JSONDecodeError, ValidationError, TypeError, KeyError) as error:
        message = f"{path} cannot be read ({type(error).__name__}: {error})"
        raise DamagedFileError(message) from error


class OverBudgetError(NothingFitsError):
    """No candidate holds the budget; the message lists the nearest ones."""

    def __init__(self, family: str, result: SearchResult, budget: BudgetParams) -> None:
        nearest = result.nearest(budget)
        lines = [result.describe(one, budget) for one in nearest]
        limits = sorted({name for one in nearest for name in result.misses(one, budget)})
        super().__init__(
            f"no candidate of {family} holds its budget. The nearest: {'. '.join(lines)}",
            f"widen {' or '.join(f'{family}.budget.{name}' for name in limits)} in params.yaml, or add candidates "
            f"({family}.compress); `{python()} -m flows candidates {family}` tries a budget without training",
        )


def _figure(value: float) -> str:
    """Bytes whole, with separators; what is smaller to four digits."""
    return f"{value:,.0f}" if value >= 10_000 else f"{value:.4g}"  # noqa: PLR2004  # as many digits as are shown


def folder_name(name: str) -> str:
    """The folder of a candidate: `student 16-32, static int8 minmax` is `student-16-32-static-int8-minmax`."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())


def _dominates(one: MeasuredCandidate, other: MeasuredCandidate) -> bool:
    """True if one is at least as good in everything, and better in something."""
    first, second = _costs(one), _costs(other)
    return first != second and all(a <= b for a, b in zip(first, second, strict=True))


def _costs(candidate: MeasuredCandidate) -> Sequence[float]:
    return (-candidate.objective, candidate.latency_ms, float(candidate.size_bytes))
