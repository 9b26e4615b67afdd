"""The compression search in the page: the figures and costs of every candidate, and which one was shipped."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from report.components import Chart, chart, note, scalars
from report.compression.candidates import (
    BYTES,
    DROP,
    LATENCY,
    NumberedCandidate,
    Rival,
    numbered_candidates,
    teacher_of,
)
from report.compression.pareto_plot import pareto_figure
from report.formatting import MINUS, NONE, TIMES, bytes_text, figure_text
from report.text.messages import seconds_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from report.data.decisions import RecordedDecision
    from report.data.loaders import FamilyFacts
    from report.data.run import NightlyRun

NEAREST = 3
MANY = 100  # times, from which on tenths are left out
ROUNDED = 5e-5  # below it a difference of objectives has no digit in the table
FLOAT_SHIPPED = "Float is shipped: nothing smaller that holds the budget is faster."
FLOAT_AS_GOOD = "Float is shipped: what is smaller and faster is hardly smaller, and no better."
NOTHING_HOLDS = "No candidate holds the budget, so nothing is shipped."
PLOT_TITLE = "Objective of each candidate on the validation split, and its costs"


@dataclass(frozen=True)
class CandidateRow:
    """A row of the table; the plot refers to it by its number.

    Attributes:
        change: Of the objective, against the trained network in float, with its standard error; `faster` and `smaller`
            are against it too.
        verdict: The limits of the budget that it misses.
        tags: `shipped` and `champion`, where it is.
        front: As in `NumberedCandidate`.
    """

    number: int
    name: str
    objective: str
    change: str
    latency: str
    faster: str
    size: str
    smaller: str
    made_in: str
    verdict: str
    note: str
    tags: tuple[str, ...]
    front: str


@dataclass
class SearchView:
    """The compression search of one family.

    Attributes:
        note: Why there is none, or that it is not tonight's.
        budget: The limits, in a sentence.
        summary: A sentence where float is shipped or nothing.
        nearest: Where nothing holds the budget, the candidates that came nearest, and what each misses.
        left_out: Networks that could not be trained, and why.
    """

    note: str = ""
    budget: str = ""
    summary: str = ""
    nearest: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    rows: list[CandidateRow] = field(default_factory=list)
    pareto: Chart | None = None


def fill_search(shown: SearchView, facts: FamilyFacts, nightly: NightlyRun, decision: RecordedDecision | None) -> None:
    """Fills in every candidate of the compression search, and which one was shipped."""
    search = facts.search
    shown.note = _of_when(facts, nightly)
    if not search.get("candidates"):
        return
    # What an earlier run decided was not about tonight's candidates.
    rival = champion_of(decision) if nightly.decided(facts.name) else None
    candidates = numbered_candidates(search)
    shown.rows = candidate_rows(search, rival)
    shown.budget = budget_text(search.get("budget") or {})
    shown.summary = _summary(candidates)
    shown.left_out = [(name, str(why)) for name, why in scalars(search.get("failed"))]
    shown.nearest = [] if any(one.is_pick for one in candidates) else nearest_of(search)
    if any(one.gave for one in candidates):
        shown.pareto = chart(pareto_figure(search, rival), PLOT_TITLE)


def _of_when(facts: FamilyFacts, nightly: NightlyRun) -> str:
    """Note on when the file was written; a search leaves it even where compress then fails."""
    state, there = nightly.state("compress", facts.name), bool(facts.search)
    if there and state == "failed" and _is_since(facts.folder / "search" / "search.json", nightly):
        return "Tonight's: compress failed only after its search had ended."
    if there and state in ("ran", "skipped") and not nightly.decided(facts.name):
        return "Tonight's, but nothing was decided of it: the champion is not drawn."
    return note(nightly, "compress", facts.name, there=there)


def _is_since(path: Path, nightly: NightlyRun) -> bool:
    """True if a file was written tonight: DVC takes away what a stage left before it runs it again."""
    return path.stat().st_mtime >= nightly.started.timestamp()


def champion_of(decision: RecordedDecision | None) -> Rival | None:
    """The champion, where it can be drawn: as far from what was shipped as it was, or what was shipped itself."""
    if decision is None:
        return None
    if decision.is_champion:
        return Rival(f"champion v{decision.version}", is_pick=True)
    times = [decision.latency_ms.get(side) for side in ("champion", "challenger")]
    if decision.objective.gain is None or not all(times):
        return None
    return Rival(rival_name(decision), decision.objective.gain, float(times[0] or 0) / float(times[1] or 1))


def rival_name(decision: RecordedDecision) -> str:
    """Name of the rival. A champion that came out again was compared with the one before it, when it was new."""
    if decision.objective.champion is None:
        return "champion"
    if decision.champion_before is None or decision.is_champion:
        return "champion then"
    return f"champion v{decision.champion_before}"


def candidate_rows(search: Mapping[str, Any], rival: Rival | None = None) -> list[CandidateRow]:
    """The candidates, the fastest first, each compared with the trained network in float and with the budget."""
    candidates = numbered_candidates(search)
    teacher = teacher_of(candidates)
    return [_row(one, None if one is teacher else teacher, rival) for one in candidates]


def _row(one: NumberedCandidate, teacher: NumberedCandidate | None, rival: Rival | None) -> CandidateRow:
    return CandidateRow(
        one.number,
        one.name,
        figure_text(one.objective) if math.isfinite(one.objective) else NONE,
        _change_text(one.objective - teacher.objective, one.standard_error) if teacher and one.gave else NONE,
        f"{one.latency_ms:.3g} ms" if math.isfinite(one.latency_ms) else NONE,
        _times(teacher.latency_ms, one.latency_ms, "slower") if teacher else NONE,
        bytes_text(one.size_bytes),
        _times(teacher.size_bytes, one.size_bytes, "larger") if teacher else NONE,
        seconds_text(one.seconds) if one.seconds is not None else NONE,
        _verdict(one),
        one.note,
        _tags(one, rival),
        one.front,
    )


def _change_text(change: float, standard_error: float) -> str:
    if abs(change) < ROUNDED and standard_error < ROUNDED:
        return "0"
    sign = "" if abs(change) < ROUNDED else "+" if change > 0 else MINUS
    return f"{sign}{_fixed(abs(change))}" + (f" \u00b1{_fixed(standard_error)}" if standard_error > ROUNDED else "")


def _fixed(amount: float) -> str:
    """An amount with as many decimals as the objective beside it."""
    return f"{amount:.4f}" if amount < 1 else figure_text(amount)


def _times(teacher: float, own: float, more: str) -> str:
    """Factor by which it has less than the teacher; or more, with `more` as the word for it."""
    if not own > 0 or not teacher > 0:
        return NONE
    ratio = max(own / teacher, teacher / own)
    factor = f"{ratio:.1f}" if ratio < MANY else f"{ratio:,.0f}"
    return f"{factor}{TIMES} {more}" if own > teacher and factor != "1.0" else f"{factor}{TIMES}"


def _tags(candidate: NumberedCandidate, rival: Rival | None) -> tuple[str, ...]:
    if not candidate.is_pick:
        return ()
    return ("shipped", "champion") if rival and rival.is_pick else ("shipped",)


def _verdict(candidate: NumberedCandidate) -> str:
    if not candidate.gave:
        return "gave no number"
    missed = "; ".join(_missed(limit, own, most) for limit, (own, most) in candidate.misses.items())
    return f"misses: {missed}" if missed else "holds"


def _missed(limit: str, own: float, most: float) -> str:
    """Value and limit, with as many digits as make them differ."""
    texts = LIMITS.get(limit, (lambda value: f"{limit} {figure_text(value)}",))
    pairs = [(text(own), text(most)) for text in texts]
    has, may = next((pair for pair in pairs if pair[0] != pair[1]), pairs[-1])
    return f"{has}, at most {may.removeprefix('drop ').removeprefix(f'{limit} ')}"


# How each limit of a budget is written; the second way has more digits.
LIMITS: dict[str, tuple[Callable[[float], str], ...]] = {
    DROP: (lambda value: f"drop {_fixed(value)}", lambda value: f"drop {value:.8f}"),
    LATENCY: (lambda value: f"{value:.3g} ms", lambda value: f"{value:.6f} ms"),
    BYTES: (bytes_text, lambda value: f"{value:,.0f} bytes"),
}


def budget_text(budget: Mapping[str, Any]) -> str:
    """The budget in a sentence; empty where there is none."""
    limits = [LIMITS[limit][0](budget[limit]) for limit in LIMITS if budget.get(limit) is not None]
    listed = " and ".join(filter(None, (", ".join(limits[:-1]), *limits[-1:])))
    return f"The budget allows at most {listed.replace('drop ', 'a drop of ')}." if limits else ""


def _summary(candidates: Sequence[NumberedCandidate]) -> str:
    pick = next((one for one in candidates if one.is_pick), None)
    if pick is None:
        return NOTHING_HOLDS
    if not pick.is_float:
        return ""
    smaller = [one for one in candidates if one.gave and not one.misses and one.size_bytes < pick.size_bytes]
    return FLOAT_AS_GOOD if any(one.latency_ms < pick.latency_ms for one in smaller) else FLOAT_SHIPPED


def nearest_of(search: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The three that miss least: by the sum of what each limit is missed by, as a share of the limit.

    The error of compression lists the same three; candidates without figures are left out here.
    """

    def missed(candidate: NumberedCandidate) -> float:
        return sum(own / most - 1.0 if most else own for own, most in candidate.misses.values())

    by_name = {one.name: one for one in numbered_candidates(search) if one.gave}
    ordered = [by_name[one["name"]] for one in search["candidates"] if one["name"] in by_name]
    return [(f"{one.number} {one.name}", _verdict(one)) for one in sorted(ordered, key=missed)[:NEAREST]]
