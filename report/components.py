"""Components of both halves of the page: bars, charts, the note on an empty part, and the guard around each part."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from markupsafe import Markup

from report.images import charts

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

    from report.data.run import NightlyRun

logger = logging.getLogger(__name__)


class View(Protocol):
    """A half of the page: of a collection, or of a family."""

    name: str
    broken: list[str]


@dataclass(frozen=True)
class Bar:
    """A row of a table with a bar: parts in percent of the longest row."""

    name: str
    values: tuple[int, ...]
    parts: tuple[float, ...]
    mark: bool = False


@dataclass(frozen=True)
class Chart:
    """An SVG and its caption."""

    svg: Markup
    caption: str = ""


def attempt(view: View, part: Callable[..., None], *values: object) -> None:
    """Fills one part of a view; a part that can't be drawn is named in the page.

    Whatever goes wrong is caught: a report that died on one odd file would hide why the run went wrong.
    """
    try:
        part(view, *values)
    except Exception as error:
        name = part.__name__.strip("_").replace("_", " ")
        logger.warning("report: %s of %s can't be drawn", name, view.name, exc_info=True)
        view.broken.append(f"{name}: can't be drawn ({type(error).__name__}: {error})")


def stacked(rows: dict[str, tuple[int, ...]]) -> list[Bar]:
    """Rows with bars in percent of the longest."""
    longest = max((sum(values) for values in rows.values()), default=0) or 1
    return [
        Bar(name, values, tuple(round(100 * value / longest, 2) for value in values)) for name, values in rows.items()
    ]


def chart(figure: Figure, title: str, caption: str = "") -> Chart:
    """A figure as the page holds it; its title is for screen readers."""
    return Chart(Markup(charts.inline(figure, title)), caption)  # noqa: S704  charts.inline escapes its texts


def note(nightly: NightlyRun, stage: str, item: str, *, there: bool) -> str:
    """Note on a part that is empty, or that an earlier run left."""
    state = nightly.state(stage, item)
    lost = state in ("failed", "not reached")
    if there:
        return f"From an earlier run: tonight {_became(stage, state)}." if lost else ""
    return f"Nothing to show: {_became(stage, state) if lost else f'{stage} has left nothing here'}."


def _became(stage: str, state: str | None) -> str:
    return f"{stage} failed" if state == "failed" else f"{stage} was not reached"


def scalars(value: object) -> list[tuple[str, Any]]:
    """The numbers and words of an object, by name; what is nested, and what is not an object, is left out."""
    return [(k, v) for k, v in value.items() if isinstance(v, int | float | str)] if isinstance(value, dict) else []
