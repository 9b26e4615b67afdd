"""What a person reads without a browser: the table that a night ends with, and the text that goes to the pager."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from report.decisions import as_decisions
from report.figures import NONE, bytes_text, figure_text, metric_name
from report.words import failure_text, headline, in_use, seconds_text, why_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from report.decisions import Decision
    from report.night import Failure, Night

COLOURS = {"ran": "green", "skipped": "dim", "failed": "bold red", "not reached": "yellow"}
TONES = {"good": "bold green", "plain": "bold", "bad": "bold red"}
PAGE = Path("build/report/index.html")
TAIL_LINES = 12
COLUMNS = ("fp32", "compressed", "champion")


def night_table(
    night: Night, decisions: Mapping[str, Any], *, page: Path = PAGE, width: int = 100, colour: bool = False
) -> str:
    """The text that `make nightly` ends with.

    Args:
        night: What happened.
        decisions: By family, as registry gives them, as dicts, or as report.decisions reads them.
        page: Where the report is, as a person would type it.
        width: Columns of the terminal.
        colour: Whether it understands ANSI colours.
    """
    said = io.StringIO()
    console = Console(file=said, width=width, force_terminal=colour, color_system="standard" if colour else None)
    known = as_decisions(decisions)
    console.print(_stages(night))
    if known:
        console.print(_scores(night, known))
    verdict = headline(night, known)
    text = verdict.text.removeprefix("Trial: ").removeprefix("FAILED: ")
    console.print(Text(f"{_word(night)}  {text}", TONES[verdict.tone]))
    for line in verdict.lines:
        console.print(Text(f"  {line}"))
    console.print(_where(night, page), soft_wrap=True)  # paths and addresses stay whole, so that they can be pasted
    return said.getvalue()


def _word(night: Night) -> str:
    state = "FAILED" if night.failed else "DONE"
    return f"{night.mode.upper()} {state} {night.ended:%H:%M}, {seconds_text(night.seconds)}"


def _stages(night: Night) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("stage", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("why", overflow="fold", ratio=1)
    table.add_column("time", justify="right", no_wrap=True)
    for run in night.stages:
        state = Text(run.state, COLOURS[run.state])
        table.add_row(Text(run.name), state, Text(why_text(run.why)), seconds_text(run.seconds))
    return table


def _scores(night: Night, decisions: Mapping[str, Decision]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("family", ""):
        table.add_column(name, no_wrap=True)
    for name in COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for family, d in decisions.items():
        title = family if night.decided(family) else f"{family} (of an earlier night)"
        for row, (name, values, text) in enumerate(_figures(d)):
            if d.is_champion:
                values["champion"] = values.get("compressed")
            cells = [text(values[column]) if values.get(column) is not None else NONE for column in COLUMNS]
            table.add_row(Text("" if row else title), Text(name), *cells)
    return table


def _figures(d: Decision) -> list[tuple[str, dict[str, Any], Callable[[float], str]]]:
    objective = {"fp32": d.fp32, "compressed": d.compressed, "champion": d.objective.champion}
    return [
        (metric_name(d.objective.name), objective, figure_text),
        ("bytes", _named(d.size_bytes), bytes_text),
        ("latency", _named(d.latency_ms), lambda ms: f"{ms:.2f} ms"),
    ]


def _named(values: Mapping[str, Any]) -> dict[str, Any]:
    """The challenger is the compressed model of tonight: as measured in turns with the champion, where it was."""
    return {**values, "compressed": values.get("challenger", values.get("compressed"))}


def _where(night: Night, page: Path) -> Text:
    lines = [f"report   {page}"]
    lines += [f"{name:<8} {url}" for name, url in night.urls.items()]
    if not night.urls:
        lines.append("servers  stopped with the run; to see them: make up")
    return Text("\n".join(lines))


def pager_text(night: Night) -> str:
    """What wakes somebody: the reason first, what is in use, where the log is, the command that runs it again."""
    failures = night.failures
    first = failure_text(failures[0]) if failures else headline(night, {}).text.removeprefix("FAILED: ")
    head = f"{night.mode.upper()} FAILED {night.ended:%H:%M}  "
    lines = [head + first]
    lines += [f"{'also':<{len(head)}}{failure_text(failure)}" for failure in failures[1:]]
    lines.append(in_use(night))
    for failure in failures[:1]:
        lines += [f"mend   {failure.remedy}"] if failure.remedy else []
        lines += [f"log    {failure.log}{' (last lines below)' if failure.log_tail else ''}"] if failure.log else []
        lines.append(_again(night, failure))
        lines += [f"    {line}" for line in failure.log_tail[-TAIL_LINES:]]
    return "\n".join(lines) + "\n"


def _again(night: Night, failure: Failure) -> str:
    done = sum(stage.done for stage in night.stages)
    skips = f"{done} of {len(night.stages)} stages skip" if done else ""
    after = "; ".join(filter(None, (failure.resumes, skips)))
    return f"again  {failure.again}" + (f"   ({after})" if after else "")
