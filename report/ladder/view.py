"""The ladder in the page: every compressed form by what it gives and what it costs, and which one was shipped."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from report.components import Chart, chart, note, scalars
from report.formatting import MINUS, NONE, TIMES, bytes_text, figure_text
from report.ladder.candidates import BYTES, DROP, LATENCY, Form, Rival, forms_of, teacher_of
from report.ladder.pareto_plot import pareto_figure
from report.text.messages import seconds_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from report.data.decisions import Decision
    from report.data.loaders import FamilyFacts
    from report.data.run import NightlyRun

NEAREST = 3
MANY = 100  # times, from which on their tenths say nothing
ROUNDED = 5e-5  # below it a difference of objectives has no digit in the table
FLOAT_SHIPPED = "Float is shipped: nothing smaller that holds the budget is faster."
FLOAT_AS_GOOD = "Float is shipped: what is smaller and faster is hardly smaller, and no better."
NOTHING_HOLDS = "No form holds the budget, so nothing is shipped."
PLOT_TITLE = "What each form gives on the validation split, and costs"


@dataclass(frozen=True)
class RungRow:
    """A row of the table; the plot calls it by its number.

    Attributes:
        change: Of the objective, against the trained network in float, with its standard error; `faster` and `smaller`
            are against it too.
        verdict: What it misses of the budget.
        tags: What it has become: shipped, and champion.
        front: Whether it is on the front, or is by its bytes alone.
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
class LadderView:
    """The ladder of one family.

    Attributes:
        note: Why there is none, or that it is not tonight's.
        budget: What a form may cost.
        told: What the table alone does not say.
        nearest: Where nothing holds the budget, what came nearest, and what each misses.
        left_out: Networks that could not be trained, and why.
    """

    note: str = ""
    budget: str = ""
    told: str = ""
    nearest: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    rows: list[RungRow] = field(default_factory=list)
    pareto: Chart | None = None


def fill_ladder(shown: LadderView, facts: FamilyFacts, nightly: NightlyRun, decision: Decision | None) -> None:
    """Fills in every candidate of the compression search, and which one was shipped."""
    ladder = facts.ladder
    shown.note = _of_when(facts, nightly)
    if not ladder.get("rungs"):
        return
    # What an earlier run decided was not about tonight's forms.
    rival = champion_of(decision) if nightly.decided(facts.name) else None
    forms = forms_of(ladder)
    shown.rows = rung_rows(ladder, rival)
    shown.budget = budget_text(ladder.get("budget") or {})
    shown.told = _told(forms)
    shown.left_out = [(name, str(why)) for name, why in scalars(ladder.get("failed"))]
    shown.nearest = [] if any(form.is_pick for form in forms) else nearest_of(ladder)
    if any(form.gave for form in forms):
        shown.pareto = chart(pareto_figure(ladder, rival), PLOT_TITLE)


def _of_when(facts: FamilyFacts, nightly: NightlyRun) -> str:
    """Note on when the file was written; a search leaves it even where compress then fails."""
    state, there = nightly.state("compress", facts.name), bool(facts.ladder)
    if there and state == "failed" and _is_since(facts.folder / "ladder" / "ladder.json", nightly):
        return "Tonight's: compress failed only after it was climbed."
    if there and state in ("ran", "skipped") and not nightly.decided(facts.name):
        return "Tonight's, but nothing was decided of it: the champion is not drawn."
    return note(nightly, "compress", facts.name, there=there)


def _is_since(path: Path, nightly: NightlyRun) -> bool:
    """True if a file was written tonight: DVC takes away what a stage left before it runs it again."""
    return path.stat().st_mtime >= nightly.started.timestamp()


def champion_of(decision: Decision | None) -> Rival | None:
    """The champion, where it can be drawn: as far from what was shipped as it was, or what was shipped itself."""
    if decision is None:
        return None
    if decision.is_champion:
        return Rival(f"champion v{decision.version}", is_pick=True)
    times = [decision.latency_ms.get(side) for side in ("champion", "challenger")]
    if decision.objective.gain is None or not all(times):
        return None
    return Rival(rival_name(decision), decision.objective.gain, float(times[0] or 0) / float(times[1] or 1))


def rival_name(decision: Decision) -> str:
    """Name of the rival. A champion that came out again was compared with the one before it, when it was new."""
    if decision.objective.champion is None:
        return "champion"
    if decision.champion_before is None or decision.is_champion:
        return "champion then"
    return f"champion v{decision.champion_before}"


def rung_rows(ladder: Mapping[str, Any], rival: Rival | None = None) -> list[RungRow]:
    """The forms, the fastest first, each held against the trained network in float and against the budget."""
    forms = forms_of(ladder)
    teacher = teacher_of(forms)
    return [_row(form, None if form is teacher else teacher, rival) for form in forms]


def _row(form: Form, teacher: Form | None, rival: Rival | None) -> RungRow:
    return RungRow(
        form.number,
        form.name,
        figure_text(form.objective) if math.isfinite(form.objective) else NONE,
        _change_text(form.objective - teacher.objective, form.doubt) if teacher and form.gave else NONE,
        f"{form.latency_ms:.3g} ms" if math.isfinite(form.latency_ms) else NONE,
        _times(teacher.latency_ms, form.latency_ms, "slower") if teacher else NONE,
        bytes_text(form.size_bytes),
        _times(teacher.size_bytes, form.size_bytes, "larger") if teacher else NONE,
        seconds_text(form.seconds) if form.seconds is not None else NONE,
        _verdict(form),
        form.note,
        _tags(form, rival),
        form.front,
    )


def _change_text(change: float, doubt: float) -> str:
    if abs(change) < ROUNDED and doubt < ROUNDED:
        return "0"
    sign = "" if abs(change) < ROUNDED else "+" if change > 0 else MINUS
    return f"{sign}{_fixed(abs(change))}" + (f" \u00b1{_fixed(doubt)}" if doubt > ROUNDED else "")


def _fixed(amount: float) -> str:
    """With as many decimals as the objective beside it."""
    return f"{amount:.4f}" if amount < 1 else figure_text(amount)


def _times(teacher: float, own: float, more: str) -> str:
    """Factor by which it has less than the teacher; or more, with `more` as the word for it."""
    if not own > 0 or not teacher > 0:
        return NONE
    ratio = max(own / teacher, teacher / own)
    told = f"{ratio:.1f}" if ratio < MANY else f"{ratio:,.0f}"
    return f"{told}{TIMES} {more}" if own > teacher and told != "1.0" else f"{told}{TIMES}"


def _tags(form: Form, rival: Rival | None) -> tuple[str, ...]:
    if not form.is_pick:
        return ()
    return ("shipped", "champion") if rival and rival.is_pick else ("shipped",)


def _verdict(form: Form) -> str:
    if not form.gave:
        return "gave no number"
    told = "; ".join(_missed(limit, own, most) for limit, (own, most) in form.misses.items())
    return f"misses: {told}" if told else "holds"


def _missed(limit: str, own: float, most: float) -> str:
    """Value and limit, with as many digits as make them differ."""
    texts = LIMITS.get(limit, (lambda value: f"{limit} {figure_text(value)}",))
    pairs = [(text(own), text(most)) for text in texts]
    has, may = next((pair for pair in pairs if pair[0] != pair[1]), pairs[-1])
    return f"{has}, at most {may.removeprefix('drop ').removeprefix(f'{limit} ')}"


# How what a budget limits is told; what follows has more digits.
LIMITS: dict[str, tuple[Callable[[float], str], ...]] = {
    DROP: (lambda value: f"drop {_fixed(value)}", lambda value: f"drop {value:.8f}"),
    LATENCY: (lambda value: f"{value:.3g} ms", lambda value: f"{value:.6f} ms"),
    BYTES: (bytes_text, lambda value: f"{value:,.0f} bytes"),
}


def budget_text(budget: Mapping[str, Any]) -> str:
    """The budget in a sentence; empty where there is none."""
    limits = [LIMITS[limit][0](budget[limit]) for limit in LIMITS if budget.get(limit) is not None]
    told = " and ".join(filter(None, (", ".join(limits[:-1]), *limits[-1:])))
    return f"The budget allows at most {told.replace('drop ', 'a drop of ')}." if limits else ""


def _told(forms: Sequence[Form]) -> str:
    pick = next((form for form in forms if form.is_pick), None)
    if pick is None:
        return NOTHING_HOLDS
    if not pick.is_float:
        return ""
    beats = [form for form in forms if form.gave and not form.misses and form.size_bytes < pick.size_bytes]
    return FLOAT_AS_GOOD if any(form.latency_ms < pick.latency_ms for form in beats) else FLOAT_SHIPPED


def nearest_of(ladder: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The three that miss least: by the sum of what each limit is missed by, as a share of the limit.

    As compression tells them where it fails; of what gave no number there is nothing to tell.
    """

    def missed(form: Form) -> float:
        return sum(own / most - 1.0 if most else own for own, most in form.misses.values())

    forms = {form.name: form for form in forms_of(ladder) if form.gave}
    made = [forms[rung["name"]] for rung in ladder["rungs"] if rung["name"] in forms]
    return [(f"{form.number} {form.name}", _verdict(form)) for form in sorted(made, key=missed)[:NEAREST]]
