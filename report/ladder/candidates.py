"""The rungs of a ladder.json as table and plot speak of them: numbered, the fastest first, the front marked.

The package that writes the file is not imported here, so it is read leniently.
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
class Form:
    """A rung; table and plot call it by its number.

    Attributes:
        name: Network and quantisation, such as `student 8, static int8 minmax`.
        misses: What of the budget it does not hold: by the limit, what it has and what it may have.
        front: `front`; `front by bytes` where one that is larger beats it in all else; empty if neither.
        seconds: What it took to make; None where that was not written down.
        doubt: The standard error of what it loses, with which a drop is held against the budget.
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
    doubt: float = 0.0

    @property
    def network(self) -> str:
        """Name of the network that it is a form of; one fine-tuned with quantisation is still the same network."""
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
        """True if it can be drawn and compared: a student that diverged has no number."""
        return has_numbers(self.at)


@dataclass(frozen=True)
class Rival:
    """The champion that the shipped form was held against when it was registered, on the test split.

    Attributes:
        name: Such as `champion v3`.
        gain: The objective of what was shipped, less that of the champion.
        latency_ratio: The champion's latency over that of what was shipped, measured in turns.
        is_pick: Whether what was shipped is the champion itself, come out again.
    """

    name: str
    gain: float = 0.0
    latency_ratio: float = 1.0
    is_pick: bool = False


def forms_of(ladder: Mapping[str, Any]) -> list[Form]:
    """The rungs, numbered, the fastest first; last those that gave no number."""
    rungs = sorted(ladder.get("rungs", ()), key=lambda rung: (not has_numbers(_at(rung)), rung["latency_ms"]))
    stairs = stairs_of(_at(rung) for rung in rungs)
    # What is not a number is beaten by nothing, so ladder.json may have it on its front.
    front = {rung["name"] for rung in rungs if has_numbers(_at(rung))} & set(ladder.get("front", ()))
    return [
        Form(
            number,
            str(rung["name"]),
            float(rung["objective"]),
            float(rung["latency_ms"]),
            int(rung["size_bytes"]),
            rung.get("misses") or {},
            rung["name"] == ladder.get("pick"),
            "" if rung["name"] not in front else FRONT if _at(rung) in stairs else BY_BYTES,
            str(rung.get("note") or ""),
            rung.get("seconds"),
            float(rung.get("doubt") or 0.0),
        )
        for number, rung in enumerate(rungs, 1)
    ]


def _at(rung: Mapping[str, Any]) -> tuple[float, float]:
    return float(rung["latency_ms"]), float(rung["objective"])


def has_numbers(at: tuple[float, float]) -> bool:
    """True if ms and objective can be drawn, on an axis that multiplies."""
    return all(map(math.isfinite, at)) and at[0] > 0


def stairs_of(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """The front of objective against ms: those that nothing as fast is as good as, the fastest first."""
    stairs: list[tuple[float, float]] = []
    for at in sorted(filter(has_numbers, points), key=lambda at: (at[0], -at[1])):
        if not stairs or at[1] > stairs[-1][1]:
            stairs.append(at)
    return stairs


def teacher_of(forms: Iterable[Form]) -> Form | None:
    """The trained network in float, which the others are held against; None where it gave no number."""
    return next((form for form in forms if form.name == TEACHER and form.gave), None)
