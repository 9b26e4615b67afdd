"""Headings that name a place without INT. or EXT."""

import pytest

from curation.script.document import read_document

SPEECH = "{0:30}ANNA\n{0:20}Sit down.".format("")


def work_of(*headings, between="The wheel turns."):
    blocks = [block for heading in headings for block in (heading, between, SPEECH)]
    return read_document("\n\n".join(blocks).encode(), ".txt")


def headings(*lines):
    return [scene.heading for scene in work_of(*lines).scenes]


@pytest.mark.parametrize("form", ["MILL - {}", "THE MILL. {}.", "MILL -- LOFT, {}", "2ND FLOOR - {}", "MILL: {}"])
def test_a_place_and_a_time_of_day_are_a_heading(form):
    """In a text without other headings."""
    lines = [form.format(time) for time in ("DAY", "NIGHT 2", "LATER THAT NIGHT")]

    assert headings(*lines) == lines


@pytest.mark.parametrize("form", ["{n}   {text}   {n}", "{n}. {text}", "SCENE {n}: {text}", "{n}.{text}  {n}."])
def test_a_number_makes_them_one_in_any_text(form):
    """Beside headings with INT., which are more; no word is lost."""
    numbered = form.format(n=12, text="McCLANE'S OFFICE - NIGHT")
    work = work_of("INT. MILL - DAY", numbered, "EXT. MILL - DAY", "INT. CAR - DAY")

    assert [scene.heading for scene in work.scenes][1] == "McCLANE'S OFFICE - NIGHT"
    assert work.words.lost == 0


@pytest.mark.parametrize("form", ["SCENE {n}: THE MILL", "{n}   THE MILL   {n}"])
def test_a_number_alone_makes_a_heading_where_no_other_is(form):
    """Without a time of day."""
    assert headings(*(form.format(n=number) for number in (1, 2, 3))) == ["THE MILL"] * 3
    assert "THE MILL" not in headings(*["INT. MILL - DAY", form.format(n=2)] * 3)


@pytest.mark.parametrize(
    "line",
    [
        "KITCHEN - LATER",
        "10 DOWNING STREET - DAY",
        "12   CLOSE ON ANNA - NIGHT   12",
        "12   BACK TO SCENE   12",
        "LATER",
    ],
)
def test_other_lines_in_capitals_stay_action(line):
    """Short places between headings with INT., house numbers, and camera directions."""
    work = work_of("INT. MILL - DAY", line, "EXT. MILL - DAY", line, "INT. CAR - DAY", line, "EXT. CAR - DAY")

    assert work.headings == 4
    assert line in [element.text for element in work.scenes[0].elements]


def test_a_script_with_names_and_full_stops_is_not_a_play():
    """Its scenes have headings, which a play's have not."""
    text = "\n\n".join(f"SCENE {number}. MILL - NIGHT\n\n(She waits.)\n\nANNA.\n    Sit down." for number in (1, 2, 3))
    work = read_document(text.encode(), ".txt")

    assert [scene.heading for scene in work.scenes] == ["MILL - NIGHT"] * 3
    assert (work.cues, work.words.lost) == (["ANNA"] * 3, 0)
