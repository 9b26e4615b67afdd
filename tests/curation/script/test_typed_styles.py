"""Typed screenplays in many styles: every heading and speaker is found, and no word is lost."""

import pytest

from benchmarks.screenplays import count
from benchmarks.typed_screenplays.former import FORMER
from benchmarks.typed_screenplays.held_out import HELD_OUT
from benchmarks.typed_screenplays.tuned import NAMED
from benchmarks.typed_screenplays.typist import typed
from benchmarks.typed_screenplays.web import WEB
from curation.script.document import read_document

STYLES = {**NAMED, **WEB, **FORMER}
MISSED = 0.05  # of the cues, at most: above an empty line a name that occurs once is not recognised


@pytest.mark.parametrize("name", STYLES)
def test_a_style_is_read(name):
    """With any columns, spacing, numbers, pages and encoding."""
    counts = count(STYLES[name], seed=1)
    found, known, read = counts.found, counts.known, counts.read

    assert (found[0], read[0]) == (known[0], known[0])
    assert min(found[1] / known[1], found[1] / read[1]) >= 1 - MISSED
    assert counts.lost == 0


@pytest.mark.parametrize("name", HELD_OUT)
def test_no_word_is_lost_in_a_style_that_was_held_out(name):
    """Unrecognised text is still in the document."""
    assert read_document(typed(HELD_OUT[name], 1).data, ".txt").words.lost == 0


def test_no_style_is_both():
    """A style that the reader was changed for is no longer held out."""
    assert not STYLES.keys() & HELD_OUT.keys()
    assert not [name for name, style in HELD_OUT.items() if style in STYLES.values()]


def test_a_style_types_its_own_events():
    """The file contains the reference that it is compared with."""
    screenplay = typed(STYLES["usual"], 1)
    text = " ".join(screenplay.data.decode().split())

    assert all(heading in text for heading in screenplay.truth.headings)
    assert len(screenplay.truth.cues) == len(screenplay.truth.speeches) > len(screenplay.truth.headings) > 8
