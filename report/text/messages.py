"""The words of a run, shared by the page, the terminal, the pager and Prefect: the verdict, and figures as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from report.data.decisions import as_decisions
from report.formatting import reason_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from report.data.decisions import Decisions, RecordedDecision
    from report.data.run import Failure, NightlyRun

Tone = Literal["good", "plain", "bad"]

# What the flow does around the stages; that these ran does not mean that anything changed.
ACTS = ("servers", "fetch", "ingest", "version", "record", "worktree", "register", "report")
MINUTE_S, HOUR_S = 60, 3600


@dataclass(frozen=True)
class Headline:
    """The verdict in one line, its tone, and the lines that follow it."""

    text: str
    tone: Tone
    lines: tuple[str, ...] = ()


def headline(nightly: NightlyRun, decisions: Mapping[str, Any]) -> Headline:
    """The headline of a run, for a person who reads one line."""
    tonight = {family: d for family, d in as_decisions(decisions).items() if nightly.decided(family)}
    verdict = _failed(nightly, tonight) if nightly.failed else _decided(nightly, tonight)
    if nightly.mode == "trial":
        return Headline(f"Trial: {verdict.text}", verdict.tone, verdict.lines)
    return verdict


def _failed(nightly: NightlyRun, tonight: Decisions) -> Headline:
    others = len(nightly.failures) - 1
    more = f" (and {others} more)" if others > 0 else ""
    first = failure_text(nightly.failures[0]) if nightly.failures else _failed_stage(nightly)
    first = first.partition(". ")[0]  # the rest stands below, with the remedy
    promoted = [f"{family} v{d.version} promoted" for family, d in tonight.items() if d.promoted]
    return Headline(f"FAILED: {first}{more}", "bad", (in_use(nightly, unchanged=not promoted), *promoted))


def _failed_stage(nightly: NightlyRun) -> str:
    stage = next(stage for stage in nightly.stages if stage.state == "failed")
    return ", ".join(filter(None, (stage.name, stage.why)))


def _decided(nightly: NightlyRun, tonight: Decisions) -> Headline:
    promoted = [f"{family} v{d.version}" for family, d in tonight.items() if d.promoted]
    registered = [(family, d) for family, d in tonight.items() if d.registered and not d.promoted]
    lines = tuple(verdict_text(family, d) for family, d in tonight.items())
    if promoted:
        return Headline(f"{' and '.join(promoted)} promoted", "good", lines)
    if registered:
        return Headline("; ".join(_registered(family, d) for family, d in registered), "plain", lines)
    if not tonight:
        return Headline("Done, and nothing was decided", "plain")
    same = "Nothing changed" if not _worked(nightly) else "Nothing new: the same model came out"
    return Headline(same, "plain", lines)


def _worked(nightly: NightlyRun) -> bool:
    return any(stage.state == "ran" and stage.stage not in ACTS for stage in nightly.stages)


def _registered(family: str, decision: RecordedDecision) -> str:
    why = "on hold" if decision.held else "not promoted"
    return f"{family} v{decision.version} registered, {why}"


def verdict_text(family: str, decision: RecordedDecision) -> str:
    """Result of a family, in a sentence with its first reason."""
    reason = reason_text(decision.reasons[0]) if decision.reasons else ""
    # A hold that kept a challenger out is the first reason already.
    held = f" ({decision.held})" if decision.held and decision.held not in reason else ""
    return f"{outcome_text(family, decision)}{held}{f': {reason}' if reason else ''}"


def outcome_text(family: str, decision: RecordedDecision, *, tonight: bool = True) -> str:
    """Result of a family; the decision of an earlier run may no longer hold, so it is in the past tense."""
    if decision.promoted:
        before = f" in place of v{decision.champion_before}" if decision.champion_before else ""
        return f"{family} v{decision.version} {'is in' if tonight else 'came into'} use{before}"
    if decision.champion_after:
        return f"{family} v{decision.champion_after} {'stays' if tonight else 'stayed'} in use"
    return f"{family}: none {'is' if tonight else 'was'} in use"


def failure_text(failure: Failure) -> str:
    """`expression: train, out of memory in epoch 12`."""
    family = f"{failure.family}: " if failure.family else ""
    return f"{family}{failure.stage}, {failure.message}"


def in_use(nightly: NightlyRun, *, unchanged: bool = True) -> str:
    """Versions that stay in use after a failed run."""
    if nightly.champions is None:
        return "in use: not known, the registry did not answer; this run promoted nothing that it knows of"
    names = [f"{family} v{version}" for family, version in nightly.champions.items() if version is not None]
    if not names:
        return "in use: nothing yet; nothing was promoted"
    return f"in use{', unchanged' if unchanged else ''}: {', '.join(names)}; the set is safe"


def markdown(nightly: NightlyRun, decisions: Mapping[str, Any]) -> str:
    """A short summary for an artifact in Prefect: verdict, failures, stages."""
    verdict = headline(nightly, decisions)
    lines = [f"## {_plain(verdict.text)}", "", *(f"- {_plain(line)}" for line in verdict.lines), ""]
    lines += [text for family, d in as_decisions(decisions).items() for text in (_links(family, d), "") if d.run_url]
    for failure in nightly.failures:
        lines += [f"**{_plain(failure_text(failure))}**", "", _plain(failure.remedy), "", f"    {failure.again}", ""]
    lines += ["| stage | | why | time |", "|---|---|---|--:|"]
    lines += [
        f"| {_plain(s.name)} | {s.state} | {_plain(why_text(s.why))} | {seconds_text(s.seconds)} |"
        for s in nightly.stages
    ]
    lines += [
        "",
        f"{nightly.started:%Y-%m-%d %H:%M}, {seconds_text(nightly.seconds)}, record `{nightly.record or 'none'}`",
    ]
    return "\n".join(lines) + "\n"


def _links(family: str, decision: RecordedDecision) -> str:
    """A family's run and version in MLflow's pages."""
    links = [f"[{family} run]({decision.run_url})"]
    links += [f"[{family} version {decision.version}]({decision.version_url})"] if decision.version_url else []
    return " · ".join(links)


def _plain(text: str) -> str:
    """Text that Markdown and HTML leave alone, on one line."""
    for sign, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "\\|"), ("*", "\\*"), ("_", "\\_")):
        text = text.replace(sign, name)
    return " ".join(text.split())


def why_text(why: str) -> str:
    """The reason without the word that stands in the column beside it; metrics by their names for people."""
    return reason_text(why.removeprefix("skipped: ").removeprefix("ran: ").removeprefix("failed: "))


def seconds_text(seconds: float) -> str:
    """`0.4 s`, `38 s`, `8 min 12 s`, `1 h 03 min`."""
    if seconds < 10:  # noqa: PLR2004  below that a tenth counts
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < MINUTE_S:
        return f"{whole} s"
    if whole < HOUR_S:
        return f"{whole // MINUTE_S} min {whole % MINUTE_S:02d} s"
    return f"{whole // HOUR_S} h {whole % HOUR_S // MINUTE_S:02d} min"
