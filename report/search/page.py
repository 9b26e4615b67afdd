"""Page of a search: one HTML file that stands alone, beside search.json and search.patch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from common.atomic import replacing
from report.components import chart
from report.formatting import figure_text
from report.images.charts import interval_figure
from report.search.charts import history_figure, importance_figure, parallel_figure, short
from report.text.messages import seconds_text

if TYPE_CHECKING:
    from report.search.result import SearchResult

HERE = Path(__file__).parent
CSS = HERE.parent / "page" / "page.css"


class _Files(NamedTuple):
    page: str = "index.html"
    data: str = "search.json"
    patch: str = "search.patch"


FILES = _Files()


def build(result: SearchResult, out: Path) -> Path:
    """Writes the page and search.json; returns the path of the page."""
    comparison = result.comparison
    html = _environment().get_template("page.html").render(
        result=result,
        comparison=comparison,
        css=Markup(CSS.read_text(encoding="utf-8")),  # noqa: S704  our own file
        slate=_slate(result),
        history=chart(history_figure(result), f"{result.monitor} of every trial"),
        importance=chart(importance_figure(result), "Importance of the params") if result.importance else None,
        parallel=chart(parallel_figure(result), "Params and figure of every trial")
        if any(trial.value is not None for trial in result.trials)
        else None,
        interval=chart(
            interval_figure(comparison.gain, comparison.low, comparison.high, against="default"),
            "Gain of the best trial over the default",
        )
        if comparison and comparison.gain is not None and comparison.low is not None and comparison.high is not None
        else None,
        trials=sorted(result.trials, key=lambda trial: _rank(result, trial.number)),
        patch_name=FILES.patch,
    )  # fmt: skip
    with replacing(out / FILES.data) as part:
        part.write_text(result.model_dump_json(indent=1) + "\n", encoding="utf-8")
    with replacing(out / FILES.page) as part:
        part.write_text(html, encoding="utf-8")
    return out / FILES.page


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"figure": figure_text, "seconds": seconds_text, "short": short}
    return environment


def _slate(result: SearchResult) -> list[tuple[str, str]]:
    rows = [
        ("family", result.family),
        ("trials", result.counts().partition(": ")[2]),
        ("took", seconds_text(result.seconds)),
        ("figure", f"{result.monitor}, {'less' if result.less_is_better else 'more'} is better, validation split"),
        ("record", result.record[:12]),
        ("study", result.study),
        ("all trials with", ", ".join(f"{path}={value}" for path, value in result.overrides.items())),
    ]
    return [(name, value) for name, value in rows if value]


def _rank(result: SearchResult, number: int) -> tuple[int, float, int]:
    """Sort key of the table: complete trials by their figure, then pruned ones by their last, then failed ones."""
    trial = next(one for one in result.trials if one.number == number)
    sign = 1.0 if result.less_is_better else -1.0
    return ("complete", "pruned", "failed").index(trial.state), sign * (trial.value or 0.0), number
