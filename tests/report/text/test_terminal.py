from typing import Any

from pydantic import create_model

from report.data.decisions import read_decisions
from report.text.terminal import pager_text, run_table
from tests.support.drawn_run import FAMILY, with_family


def test_the_table_has_result_change_and_reason(nightly, decision):
    """Stage, reason, seconds; before and after; bytes; latency; verdict and reason; report; servers."""
    text = run_table(nightly, decision)

    for part in (
        "train@expression", "data changed: build/expression/set", "6 min 12 s", "macro F1", "0.8479", "0.8466",
        "3.4 MB", "919.8 KB", "1.21 ms", "0.42 ms", "expression v12 promoted", "+0.0050 is asked",
        "build/report/index.html", "http://127.0.0.1:5000",
    ):  # fmt: skip
        assert part in text, part


def test_the_table_fits_a_narrow_terminal(nightly, decision):
    """At 80 columns only paths at the end of the table may run over the edge."""
    lines = run_table(nightly, decision, width=80).splitlines()

    assert max(len(line) for line in lines) <= 80
    assert any("train@expression" in line for line in lines)


def test_a_small_negative_objective_is_readable(nightly, drawing_tree):
    """A generator's distance, by its readable name and with its digits, in 80 columns."""
    text = run_table(with_family(nightly), read_decisions(drawing_tree, ["expression", FAMILY]), width=80)
    row = next(line for line in text.splitlines() if line.split()[:1] == [FAMILY] and "KID" in line)

    assert "\u2212KID (EfficientNet-lite0)" in row
    assert [word for word in row.split() if word[-1].isdigit() and "." in word] == [
        "\u22120.0312", "\u22120.0339", "\u22120.0422",
    ]  # fmt: skip
    assert max(len(line) for line in text.splitlines()) <= 80


def test_the_table_speaks_plain_text_unless_asked(nightly, decision):
    """A log file gets no escape codes, and brackets in a reason are not markup."""
    nightly.stages[0].why = "[red]not a colour[/red]"

    assert "[red]not a colour[/red]" in run_table(nightly, decision)
    assert "\x1b[" not in run_table(nightly, decision)
    assert "\x1b[" in run_table(nightly, decision, colour=True)


def test_the_table_names_how_to_see_stopped_servers(nightly, decision):
    """Servers that only serve a run are gone when it ends."""
    assert "make up" in run_table(nightly.model_copy(update={"urls": {}}), decision)


def test_the_table_ends_with_the_page_of_each_version(nightly, decision):
    """The address in MLflow's pages stands whole on its line, for clicking or pasting."""
    decision["expression"]["version_url"] = "http://127.0.0.1:5000/#/models/expression/versions/12?" + "x" * 80
    lines = run_table(nightly, decision, width=80).splitlines()

    assert f"expression v12  {decision['expression']['version_url']}" in lines


def test_the_champion_is_compared_by_figures_of_one_measurement(nightly, decision):
    """Latencies of two machines or hours are not comparable: those taken in turns come first."""
    decision["expression"]["latency_ms"] |= {"compressed": 9.99, "challenger": 0.55, "champion": 0.44}

    [latency] = [line.split() for line in run_table(nightly, decision).splitlines() if "latency" in line]
    assert latency == ["latency", "1.21", "ms", "0.55", "ms", "0.44", "ms"]


def test_a_champion_that_came_out_again_stands_in_its_column(quiet_run, decision):
    """The column of the champion has its figures."""
    decision["expression"] |= {"promoted": False, "registered": False, "champion_before": 12}

    [score] = [line.split() for line in run_table(quiet_run, decision).splitlines() if "macro F1  " in line]
    assert score[-3:] == ["0.8479", "0.8466", "0.8466"]


def test_the_table_of_a_failed_run_marks_an_old_decision(failed_run, decision):
    """The figures of an earlier run are not the current ones."""
    text = run_table(failed_run, decision)

    assert "of an earlier run" in text
    assert "v12 promoted" not in text


def test_the_table_takes_another_rooms_model(nightly, decision):
    """The registry's decision is a pydantic model unknown to this package; it is read like a dict."""
    foreign = create_model("Foreign", **{name: (Any, value) for name, value in decision["expression"].items()})

    assert run_table(nightly, {"expression": foreign()}) == run_table(nightly, decision)


def test_the_pager_text_is_fit_for_a_pager(failed_run):
    """The reason first, then the version in use, the remedy, the log, and the command for another attempt."""
    assert pager_text(failed_run).splitlines() == [
        "NIGHTLY FAILED 04:23  expression: train, out of memory in epoch 12",
        "in use, unchanged: expression v11; the set is safe",
        "fix    set a smaller expression.train.batch in params.yaml",
        "log    build/expression/train.log (last lines below)",
        "again  make nightly   (resumes at epoch 12; 3 of 7 stages skip)",
        "    epoch 12: 41 %",
        "    MemoryError",
    ]


def test_the_pager_text_of_two_failures_names_both(failed_run):
    """Each with its own remedy; the log is the first one's."""
    failure = {"family": "scene", "message": "the disk is full", "remedy": "make room"}
    other = failed_run.failures[0].model_copy(update=failure)

    text = pager_text(failed_run.model_copy(update={"failures": [*failed_run.failures, other]}))

    first, second = text.splitlines()[:2]

    assert second.startswith("also  ")
    assert second.index("scene: train, the disk is full") == first.index("expression: train")
    assert [line for line in text.splitlines() if line.startswith("fix ")] == [
        "fix    expression: set a smaller expression.train.batch in params.yaml",
        "fix    scene: make room",
    ]
    assert text.count("again") == 1
