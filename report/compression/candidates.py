"""Candidates of a search.json for the table and the plot: numbered, the fastest first, the front marked.

The package that writes the file is not imported here, so the file is read leniently.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

TEACHER, FLOAT, AWARE = "teacher, float", ", float", " quantisation-aware"
FRONT, BY_BYTES = "front", "front by bytes"
DROP, LATENCY, BYTES = "max_objective_drop", "max_latency_ms", "max_bytes"  # what a budget limits


@dataclass(frozen=True)
class NumberedCandidate:
    """A candidate of the compression search; table and plot refer to it by its number.

    Attributes:
        name: Network and quantisation, such as `student 8, static int8 minmax`.
        misses: Limits of the budget that it misses -> its value and the limit.
        front: `front`; `front by bytes` where one that is larger beats it in all else; empty if neither.
        seconds: Time that making it took; None where that was not recorded.
        standard_error: Of its drop in the objective; it is added when the drop is compared with the budget.
    """

    number: int
    name: str
    objective: float
    latency_ms: float
    size_bytes: int
    misses: Mapping[str, Sequence[float]]
    is_pick: bool
    front: str
    note: str = ""
    seconds: float | None = None
    standard_error: float = 0.0

    @property
    def network(self) -> str:
        """Name of its network; one fine-tuned with quantisation is still the same network."""
        return self.name.rpartition(", ")[0].removesuffix(AWARE) or self.name

    @property
    def is_float(self) -> bool:
        """True if nothing in it is quantised."""
        return self.name.endswith(FLOAT)

    @property
    def at(self) -> tuple[float, float]:
        """Position in the plot: ms and objective."""
        return self.latency_ms, self.objective

    @property
    def gave(self) -> bool:
        """True if it can be drawn and compared: a student that diverged has no figures."""
        return has_numbers(self.at)


@dataclass(frozen=True)
class Rival:
    """The champion that the shipped candidate was compared with when it was registered, on the test split.

    Attributes:
        name: Such as `champion v3`.
        gain: The objective of what was shipped, less that of the champion.
        latency_ratio: The champion's latency over that of what was shipped, measured in turns.
        is_pick: True if the shipped candidate is the champion itself, come out again.
    """

    name: str
    gain: float = 0.0
    latency_ratio: float = 1.0
    is_pick: bool = False


def numbered_candidates(search: Mapping[str, Any]) -> list[NumberedCandidate]:
    """The candidates, numbered, the fastest first; last those without figures."""
    ordered = sorted(search.get("candidates", ()), key=lambda one: (not has_numbers(_at(one)), one["latency_ms"]))
    stairs = stairs_of(_at(one) for one in ordered)
    # NaN is beaten by nothing, so search.json may have it on its front.
    front = {one["name"] for one in ordered if has_numbers(_at(one))} & set(search.get("front", ()))
    return [
        NumberedCandidate(
            number,
            str(one["name"]),
            float(one["objective"]),
            float(one["latency_ms"]),
            int(one["size_bytes"]),
            one.get("misses") or {},
            one["name"] == search.get("pick"),
            "" if one["name"] not in front else FRONT if _at(one) in stairs else BY_BYTES,
            str(one.get("note") or ""),
            one.get("seconds"),
            float(one.get("standard_error") or 0.0),
        )
        for number, one in enumerate(ordered, 1)
    ]


def _at(candidate: Mapping[str, Any]) -> tuple[float, float]:
    return float(candidate["latency_ms"]), float(candidate["objective"])


def has_numbers(at: tuple[float, float]) -> bool:
    """True if ms and objective can be drawn, ms on a logarithmic axis."""
    return all(map(math.isfinite, at)) and at[0] > 0


def stairs_of(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """The front of objective against ms: those that nothing as fast is as good as, the fastest first."""
    stairs: list[tuple[float, float]] = []
    for at in sorted(filter(has_numbers, points), key=lambda at: (at[0], -at[1])):
        if not stairs or at[1] > stairs[-1][1]:
            stairs.append(at)
    return stairs


def teacher_of(candidates: Iterable[NumberedCandidate]) -> NumberedCandidate | None:
    """The trained network in float, which the others are compared with; None where it has no figures."""
    return next((one for one in candidates if one.name == TEACHER and one.gave), None)
