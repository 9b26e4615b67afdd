import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushes.screenplay.fountain import Element, parse
from rushes.script import markup
from rushes.script.markup import (
    ACTION,
    CHARACTER,
    CONTROL,
    DIALOGUE,
    END,
    HEADING,
    PARENTHETICAL,
    control,
    decoded,
    encoded,
)
from tests.support.written import ELEMENTS

SCENE = """\
# Act one

EXT. SEA - *DAY* #4#

A **ship**. [[Whose?]]

> THE END <

ANNA (V.O.)
(low)
Go.
Now.

~la la

CUT TO:
"""


def test_a_scene_in_signs():
    """One control token before each learned element, and nothing else between them."""
    signs = encoded(parse(SCENE))

    assert signs == (
        f"{HEADING}EXT. SEA - DAY{ACTION}A ship.{ACTION}THE END{CHARACTER}ANNA (V.O.){PARENTHETICAL}low"
        f"{DIALOGUE}Go.\nNow.{ACTION}la la{markup.TRANSITION}CUT TO:{END}"
    )
    assert encoded(parse(SCENE), ended=False) + END == signs


@settings(max_examples=300, deadline=None)
@given(st.lists(ELEMENTS, max_size=6))
def test_what_is_learned_comes_back(drawn):
    """Any elements, as the network learns them; the encoding is idempotent."""
    learned = markup.learned(drawn)

    assert decoded(encoded(drawn)) == learned
    assert decoded(encoded(learned)) == learned
    assert {element.kind for element in learned} <= set(markup.SIGNS)
    assert not any(sign in element.text for element in learned for sign in markup.ALL)


def test_what_is_asked_is_no_element():
    """The text after the end is not an element either."""
    asked = control(theme=["betrayal", "court"], characters=["ANNA"], mood="dark")

    assert decoded(f"{asked}{HEADING}SEA{ACTION}A ship.{END}{ACTION}No more.") == [
        Element("heading", "SEA"), Element("action", "A ship."),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given_words", "text"),
    [
        ({}, ""),
        ({"theme": "betrayal at court"}, "theme: betrayal at court\n"),
        ({"theme": ["a", "b"], "characters": ["ANNA", "MARK"]}, "theme: a, b\ncharacters: ANNA, MARK\n"),
        ({"mode": "outline", "mood": " dark\nand\x02 cold "}, "outline\nmood: dark and cold\n"),
        ({"mode": "profile", "characters": "ANNA"}, "profile\ncharacters: ANNA\n"),
    ],
)
def test_the_control_text(given_words, text):
    """One line per field, in a fixed order; empty fields are omitted."""
    assert control(**given_words) == CONTROL + text
