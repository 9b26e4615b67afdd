from typing import Any

from pydantic import create_model

from report.decisions import read_decisions
from report.terminal import night_table, pager_text
from tests.support.drawn_night import FAMILY, with_family


def test_the_table_says_all_that_a_person_asks(night, decision):
    """Stage, why, seconds; before and after; bytes; latency; verdict and why; report; servers."""
    text = night_table(night, decision)

    for part in (
        "train@expression", "data changed: build/expression/set", "6 min 12 s", "macro F1", "0.8479", "0.8466",
        "3.4 MB", "919.8 KB", "1.21 ms", "0.42 ms", "expression v12 promoted", "+0.0050 is asked",
        "build/report/index.html", "http://127.0.0.1:5000",
    ):  # fmt: skip
        assert part in text, part


def test_the_table_fits_a_narrow_terminal(night, decision):
    """At 80 columns nothing of the table runs over the edge; only paths at its end may."""
    lines = night_table(night, decision, width=80).splitlines()

    assert max(len(line) for line in lines) <= 80
    assert any("train@expression" in line for line in lines)


def test_a_small_negative_objective_is_readable(night, drawing_tree):
    """A generator's distance, by its readable name and with its digits, in 80 columns."""
    text = night_table(with_family(night), read_decisions(drawing_tree, ["expression", FAMILY]), width=80)
    row = next(line for line in text.splitlines() if line.split()[:1] == [FAMILY] and "KID" in line)

    assert "\u2212KID (EfficientNet-lite0)" in row
    assert [word for word in row.split() if word[-1].isdigit() and "." in word] == [
        "\u22120.0312", "\u22120.0339", "\u22120.0422",
    ]  # fmt: skip
    assert max(len(line) for line in text.splitlines()) <= 80


def test_the_table_speaks_plain_text_unless_asked(night, decision):
    """No escape codes in a log file, and brackets in a reason are not markup."""
    night.stages[0].why = "[red]not a colour[/red]"

    assert "[red]not a colour[/red]" in night_table(night, decision)
    assert "\x1b[" not in night_table(night, decision)
    assert "\x1b[" in night_table(night, decision, colour=True)


def test_the_table_names_how_to_see_stopped_servers(night, decision):
    """Servers of a run alone are gone when it ends."""
    assert "make up" in night_table(night.model_copy(update={"urls": {}}), decision)


def test_the_champion_is_set_beside_what_was_measured_with_it(night, decision):
    """Latencies of two machines or hours say nothing of each other: those taken in turns come first."""
    decision["expression"]["latency_ms"] |= {"compressed": 9.99, "challenger": 0.55, "champion": 0.44}

    [latency] = [line.split() for line in night_table(night, decision).splitlines() if "latency" in line]
    assert latency == ["latency", "1.21", "ms", "0.55", "ms", "0.44", "ms"]


def test_a_champion_that_came_out_again_stands_in_its_column(quiet_night, decision):
    """There is a champion, and these are its figures."""
    decision["expression"] |= {"promoted": False, "registered": False, "champion_before": 12}

    [score] = [line.split() for line in night_table(quiet_night, decision).splitlines() if "macro F1  " in line]
    assert score[-3:] == ["0.8479", "0.8466", "0.8466"]


def test_the_table_of_a_failed_night_marks_an_old_decision(failed_night, decision):
    """The figures of last night are not tonight's."""
    text = night_table(failed_night, decision)

    assert "of an earlier night" in text
    assert "v12 promoted" not in text


def test_the_table_takes_another_rooms_model(night, decision):
    """The registry's decision is a pydantic model that this room does not know; it is read like a dict."""
    foreign = create_model("Foreign", **{name: (Any, value) for name, value in decision["expression"].items()})

    assert night_table(night, {"expression": foreign()}) == night_table(night, decision)


def test_the_pager_text_is_fit_for_a_pager(failed_night):
    """The reason first, then what is in use, the remedy, the log, and the command that runs it again."""
    assert pager_text(failed_night).splitlines() == [
        "NIGHTLY FAILED 04:23  expression: train, out of memory in epoch 12",
        "in use, unchanged: expression v11; the set is safe",
        "mend   set a smaller expression.train.batch in params.yaml",
        "log    build/expression/train.log (last lines below)",
        "again  make nightly   (resumes at epoch 12; 3 of 7 stages skip)",
        "    epoch 12: 41 %",
        "    MemoryError",
    ]


def test_the_pager_text_of_two_failures_names_both(failed_night):
    """Only the first is told at length."""
    other = failed_night.failures[0].model_copy(update={"family": "scene", "message": "the disk is full"})

    text = pager_text(failed_night.model_copy(update={"failures": [*failed_night.failures, other]}))

    first, second = text.splitlines()[:2]

    assert second.startswith("also  ")
    assert second.index("scene: train, the disk is full") == first.index("expression: train")
    assert text.count("again") == 1
