"""Text output of a run: the table that it ends with, and the message to the pager."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from models.components.figures import figure_name
from report.data.decisions import as_decisions
from report.formatting import NONE, bytes_text, figure_text
from report.text.messages import failure_text, headline, in_use, seconds_text, why_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from report.data.decisions import RecordedDecision
    from report.data.run import Failure, NightlyRun

COLOURS = {"ran": "green", "skipped": "dim", "failed": "bold red", "not reached": "yellow"}
TONES = {"good": "bold green", "plain": "bold", "bad": "bold red"}
PAGE = Path("build/report/index.html")
TAIL_LINES = 12
COLUMNS = ("fp32", "compressed", "champion")


def run_table(
    nightly: NightlyRun, decisions: Mapping[str, Any], *, page: Path = PAGE, width: int = 100, colour: bool = False
) -> str:
    """The text that `make nightly` ends with.

    Args:
        nightly: What happened.
        decisions: By family, as registry gives them, as dicts, or as report.data.decisions reads them.
        page: Where the report is, as a person would type it.
        width: Columns of the terminal.
        colour: Whether it understands ANSI colours.
    """
    output = io.StringIO()
    console = Console(file=output, width=width, force_terminal=colour, color_system="standard" if colour else None)
    known = as_decisions(decisions)
    console.print(_stages(nightly))
    if known:
        console.print(_scores(nightly, known))
    verdict = headline(nightly, known)
    text = verdict.text.removeprefix("Trial: ").removeprefix("FAILED: ")
    console.print(Text(f"{_word(nightly)}  {text}", TONES[verdict.tone]))
    for line in verdict.lines:
        console.print(Text(f"  {line}"))
    console.print(
        _where(nightly, page, known), soft_wrap=True
    )  # paths and addresses stay whole, so that they can be pasted
    return output.getvalue()


def _word(nightly: NightlyRun) -> str:
    state = "FAILED" if nightly.failed else "DONE"
    return f"{nightly.mode.upper()} {state} {nightly.ended:%H:%M}, {seconds_text(nightly.seconds)}"


def _stages(nightly: NightlyRun) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("stage", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("why", overflow="fold", ratio=1)
    table.add_column("time", justify="right", no_wrap=True)
    for run in nightly.stages:
        state = Text(run.state, COLOURS[run.state])
        table.add_row(Text(run.name), state, Text(why_text(run.why)), seconds_text(run.seconds))
    return table


def _scores(nightly: NightlyRun, decisions: Mapping[str, RecordedDecision]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("family", ""):
        table.add_column(name, no_wrap=True)
    for name in COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for family, d in decisions.items():
        title = family if nightly.decided(family) else f"{family} (of an earlier run)"
        for row, (name, values, text) in enumerate(_figures(d)):
            if d.is_champion:
                values["champion"] = values.get("compressed")
            cells = [text(values[column]) if values.get(column) is not None else NONE for column in COLUMNS]
            table.add_row(Text("" if row else title), Text(name), *cells)
    return table


def _figures(d: RecordedDecision) -> list[tuple[str, dict[str, Any], Callable[[float], str]]]:
    objective = {"fp32": d.fp32, "compressed": d.compressed, "champion": d.objective.champion}
    return [
        (figure_name(d.objective.name), objective, figure_text),
        ("bytes", _named(d.size_bytes), bytes_text),
        ("latency", _named(d.latency_ms), lambda ms: f"{ms:.2f} ms"),
    ]


def _named(values: Mapping[str, Any]) -> dict[str, Any]:
    """The challenger is the compressed model of tonight: as measured in turns with the champion, where it was."""
    return {**values, "compressed": values.get("challenger", values.get("compressed"))}


def _where(nightly: NightlyRun, page: Path, decisions: Mapping[str, RecordedDecision]) -> Text:
    lines = [f"report   {page}"]
    lines += [f"{family} v{d.version}  {d.version_url}" for family, d in decisions.items() if d.version_url]
    lines += [f"{name:<8} {url}" for name, url in nightly.urls.items()]
    if not nightly.urls:
        lines.append("servers  stopped with the run; to see them: make up")
    return Text("\n".join(lines))


def pager_text(nightly: NightlyRun) -> str:
    """Message to the pager: the reason first, versions in use, the log, the command that runs it again."""
    failures = nightly.failures
    first = failure_text(failures[0]) if failures else headline(nightly, {}).text.removeprefix("FAILED: ")
    head = f"{nightly.mode.upper()} FAILED {nightly.ended:%H:%M}  "
    lines = [head + first]
    lines += [f"{'also':<{len(head)}}{failure_text(failure)}" for failure in failures[1:]]
    lines.append(in_use(nightly))
    for failure in failures:  # of several, each remedy names what it is for
        whose = f"{failure.family or failure.stage}: " if len(failures) > 1 else ""
        lines += [f"fix    {whose}{failure.remedy}"] if failure.remedy else []
    for failure in failures[:1]:
        lines += [f"log    {failure.log}{' (last lines below)' if failure.log_tail else ''}"] if failure.log else []
        lines.append(_again(nightly, failure))
        lines += [f"    {line}" for line in failure.log_tail[-TAIL_LINES:]]
    return "\n".join(lines) + "\n"


def _again(nightly: NightlyRun, failure: Failure) -> str:
    done = sum(stage.done for stage in nightly.stages)
    skips = f"{done} of {len(nightly.stages)} stages skip" if done else ""
    after = "; ".join(filter(None, (failure.resumes, skips)))
    return f"again  {failure.again}" + (f"   ({after})" if after else "")
