import pytest

from report.figures import bytes_text, figure_text
from report.night import StageRun
from report.words import failure_text, headline, in_use, markdown, seconds_text

HOLD = "on hold since 2026-03-01: wrong on night shots"


def test_the_verdict_of_a_promotion(night, decision):
    """The version stands first, and the first reason follows."""
    verdict = headline(night, decision)

    assert verdict.text == "expression v12 promoted"
    assert verdict.tone == "good"
    assert verdict.lines[0].startswith("expression v12 is in use in place of v11: gain of macro F1")


def test_the_verdict_of_a_quiet_night(quiet_night, decision):
    """Everything skipped and nothing registered: nothing changed, and what is in use is said."""
    decision["expression"] |= {"registered": False, "promoted": False, "reasons": ["the same digest"]}

    verdict = headline(quiet_night, decision)

    assert verdict.text == "Nothing changed"
    assert verdict.lines == ("expression v12 stays in use: the same digest",)


def test_a_stage_that_ran_to_the_same_model_is_not_nothing_changed(night, decision):
    """Code may have changed without changing the bundle."""
    decision["expression"] |= {"registered": False, "promoted": False}

    assert headline(night, decision).text == "Nothing new: the same model came out"


@pytest.mark.parametrize(("held", "why"), [(None, "not promoted"), (HOLD, "on hold")])
def test_the_verdict_of_a_tie_and_of_a_hold(night, decision, held, why):
    """A version that was registered only is never called promoted."""
    decision["expression"] |= {"promoted": False, "champion_after": 11, "held": held}

    assert headline(night, decision).text == f"expression v12 registered, {why}"


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        ("v12 is this very bundle", f"expression v11 stays in use ({HOLD}): v12 is this very bundle"),
        (f"expression is {HOLD}. It would win", f"expression v11 stays in use: expression is {HOLD}. It would win"),
    ],
)
def test_a_hold_is_told_once(night, decision, reason, line):
    """In the registry's words, which begin with `on hold`."""
    decision["expression"] |= {"promoted": False, "champion_after": 11, "held": HOLD, "reasons": [reason]}

    assert headline(night, decision).lines == (line,)


def test_the_verdict_of_a_failure_ignores_the_old_decision(failed_night, decision):
    """The decision file of last night says promoted; tonight failed."""
    verdict = headline(failed_night, decision)

    assert verdict.text == "FAILED: expression: train, out of memory in epoch 12"
    assert verdict.tone == "bad"
    assert verdict.lines == ("in use, unchanged: expression v11; the set is safe",)


def test_a_failure_of_one_family_and_the_promotion_of_another(failed_night, decision):
    """The failure comes first, and what went well is not lost."""
    scene = StageRun(name="register@scene", family="scene", state="ran")
    night = failed_night.model_copy(update={"stages": [*failed_night.stages, scene]})

    verdict = headline(night, {"scene": decision["expression"] | {"family": "scene", "version": 3}})

    assert verdict.text.startswith("FAILED: expression")
    assert "scene v3 promoted" in verdict.lines


def test_a_trial_says_that_it_is_one(night, decision):
    """Nobody takes a trial's figures for the nightly's."""
    assert headline(night.model_copy(update={"mode": "trial"}), decision).text.startswith("Trial: ")


def test_what_is_in_use_when_the_registry_is_silent(night):
    """Not known is not the same as none."""
    assert "not known" in in_use(night.model_copy(update={"champions": None}))
    assert "nothing yet" in in_use(night.model_copy(update={"champions": {"expression": None}}))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (38, "38 s"), (59.6, "1 min 00 s"), (3780, "1 h 03 min")],
)
def test_seconds(seconds, text):
    """As a person says them."""
    assert seconds_text(seconds) == text


def test_bytes_and_figures():
    """Sizes in steps of 1024; figures at a precision that can be read."""
    assert [bytes_text(size) for size in (812, 98_816, 3_561_200)] == ["812 B", "96.5 KB", "3.4 MB"]
    assert [figure_text(value) for value in (0.84662, 1204, 12.3, 0.0000021, None)] == [
        "0.8466", "1,204", "12.30", "2.1e-06", "\u2013",
    ]  # fmt: skip
    assert [figure_text(value, signed=True) for value in (-0.0013, 4)] == ["\u22120.0013", "+4"]


def test_markdown_is_short_and_harmless(failed_night):
    """A message with table and HTML signs breaks neither the table nor the page of the artifact."""
    failed_night.stages[0].why = "a | b <script>"

    text = markdown(failed_night, {})

    assert text.startswith("## FAILED: expression: train")
    assert "a \\| b &lt;script&gt;" in text
    assert failure_text(failed_night.failures[0]) in text
