"""Labels are passed by name."""

import pytest

from curation.store.taxonomy import line_to_add, resolve, shares

LABELS = ["angry", "happy", "sad"]


@pytest.mark.parametrize(
    ("name", "label"), [("anger", "angry"), (" Happiness ", "happy"), ("SAD", "sad"), ("contempt", None)]
)
def test_a_synonym_is_its_label(name, label):
    """In any case; an unknown word is not a label."""
    assert resolve(name, LABELS) == label


def test_the_taxonomy_chooses_the_word():
    """The synonym in params.yaml is kept."""
    assert resolve("happy", ["happiness", "sad"]) == "happiness"


def test_votes_become_shares():
    """Votes outside the taxonomy do not count; if all are outside, there are no shares."""
    assert shares({"anger": 3, "happiness": 1, "contempt": 6}, LABELS) == [0.75, 0.25, 0.0]
    assert shares({"contempt": 6, "NF": 4}, LABELS) is None


def test_the_line_to_add_can_be_pasted():
    """It is YAML, with the existing labels and the new one; a word that YAML would misread is quoted."""
    line = line_to_add("faces", LABELS, ["contempt", "no"])

    assert line.endswith("labels: [angry, happy, sad, contempt, 'no']")
