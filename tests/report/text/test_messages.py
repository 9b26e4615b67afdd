import pytest

from report.data.run import StageRun
from report.formatting import bytes_text, figure_text
from report.text.messages import failure_text, headline, in_use, markdown, seconds_text, why_text

HOLD = "on hold since 2026-03-01: wrong on night shots"


def test_the_verdict_of_a_promotion(nightly, decision):
    """The version stands first, and the first reason follows."""
    verdict = headline(nightly, decision)

    assert verdict.text == "expression v12 promoted"
    assert verdict.tone == "good"
    assert verdict.lines[0].startswith("expression v12 is in use in place of v11: gain of macro F1")


def test_the_verdict_of_a_quiet_run(quiet_run, decision):
    """With every stage skipped and nothing registered, nothing changed, and the version in use is named."""
    decision["expression"] |= {"registered": False, "promoted": False, "reasons": ["the same digest"]}

    verdict = headline(quiet_run, decision)

    assert verdict.text == "Nothing changed"
    assert verdict.lines == ("expression v12 stays in use: the same digest",)


def test_a_stage_that_ran_to_the_same_model_is_not_nothing_changed(nightly, decision):
    """Code may have changed without changing the bundle."""
    decision["expression"] |= {"registered": False, "promoted": False}

    assert headline(nightly, decision).text == "Nothing new: the same model came out"


@pytest.mark.parametrize(("held", "why"), [(None, "not promoted"), (HOLD, "on hold")])
def test_the_verdict_of_a_tie_and_of_a_hold(nightly, decision, held, why):
    """A version that is registered only is never called promoted."""
    decision["expression"] |= {"promoted": False, "champion_after": 11, "held": held}

    assert headline(nightly, decision).text == f"expression v12 registered, {why}"


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        ("v12 is this very bundle", f"expression v11 stays in use ({HOLD}): v12 is this very bundle"),
        (f"expression is {HOLD}. It would win", f"expression v11 stays in use: expression is {HOLD}. It would win"),
    ],
)
def test_a_hold_is_named_once(nightly, decision, reason, line):
    """In the registry's words, which begin with `on hold`."""
    decision["expression"] |= {"promoted": False, "champion_after": 11, "held": HOLD, "reasons": [reason]}

    assert headline(nightly, decision).lines == (line,)


def test_the_verdict_of_a_failure_ignores_the_old_decision(failed_run, decision):
    """The decision file of the run before has promoted; the current run failed."""
    verdict = headline(failed_run, decision)

    assert verdict.text == "FAILED: expression: train, out of memory in epoch 12"
    assert verdict.tone == "bad"
    assert verdict.lines == ("in use, unchanged: expression v11; the set is safe",)


def test_a_headline_is_one_sentence(failed_run):
    """The details stand below it, with the remedy."""
    failure = failed_run.failures[0].model_copy(
        update={"message": "no candidate holds its budget. The nearest: teacher"}
    )
    verdict = headline(failed_run.model_copy(update={"failures": [failure]}), {})

    assert verdict.text.endswith("no candidate holds its budget")


def test_a_failure_of_one_family_and_the_promotion_of_another(failed_run, decision):
    """The failure comes first, and the success is not lost."""
    scene = StageRun(name="register@scene", family="scene", state="ran")
    nightly = failed_run.model_copy(update={"stages": [*failed_run.stages, scene]})

    verdict = headline(nightly, {"scene": decision["expression"] | {"family": "scene", "version": 3}})

    assert verdict.text.startswith("FAILED: expression")
    assert "scene v3 promoted" in verdict.lines


def test_a_trial_is_named_as_one(nightly, decision):
    """Figures of a trial are not mistaken for the nightly run's."""
    assert headline(nightly.model_copy(update={"mode": "trial"}), decision).text.startswith("Trial: ")


def test_what_is_in_use_when_the_registry_is_silent(nightly):
    """Unknown is distinct from none."""
    assert "not known" in in_use(nightly.model_copy(update={"champions": None}))
    assert "nothing yet" in in_use(nightly.model_copy(update={"champions": {"expression": None}}))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (38, "38 s"), (59.6, "1 min 00 s"), (3780, "1 h 03 min")],
)
def test_seconds(seconds, text):
    """Formatted for reading."""
    assert seconds_text(seconds) == text


def test_bytes_and_figures():
    """Sizes in steps of 1024; figures at a readable precision."""
    assert [bytes_text(size) for size in (812, 98_816, 3_561_200)] == ["812 B", "96.5 KB", "3.4 MB"]
    assert [figure_text(value) for value in (0.84662, 1204, 12.3, 0.0000021, None)] == [
        "0.8466", "1,204", "12.30", "2.1e-06", "\u2013",
    ]  # fmt: skip
    assert [figure_text(value, signed=True) for value in (-0.0013, 4)] == ["\u22120.0013", "+4"]


def test_markdown_is_short_and_harmless(failed_run):
    """A message with table and HTML characters breaks neither the table nor the page of the artifact."""
    failed_run.stages[0].why = "a | b <script>"

    text = markdown(failed_run, {})

    assert text.startswith("## FAILED: expression: train")
    assert "a \\| b &lt;script&gt;" in text
    assert failure_text(failed_run.failures[0]) in text


def test_markdown_leads_to_run_and_version(nightly, decision):
    """Prefect's summary of a run links to its results in MLflow, and to nothing on a disk."""
    where = {"run_url": "http://a/#/runs/r_1?x=y", "version_url": "http://a/#/models/expression/versions/12"}
    text = markdown(nightly, {"expression": decision["expression"] | where})

    assert "[expression run](http://a/#/runs/r_1?x=y)" in text
    assert "[expression version 12](http://a/#/models/expression/versions/12)" in text
    assert "file:" not in text


def test_a_reason_names_metrics_as_people_do():
    """The state stands in the next column."""
    assert why_text("ran: no champion before it; macro_f1 is 0.963") == "no champion before it; macro F1 is 0.963"
    assert why_text("skipped: params changed: expression.train.epochs") == "params changed: expression.train.epochs"
