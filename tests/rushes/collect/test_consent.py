import re
from datetime import date
from pathlib import Path

import pytest

from curation.store.consent import may_train
from rushes.collect.consent import read_consent
from rushes.errors import MisuseError
from tests.support.collected import ANNA, LAST, write_consent


def test_a_consent_is_read(tmp_path):
    """Its last day counts; other lines are for people."""
    assert read_consent(write_consent(tmp_path / "anna.yaml"), LAST) == ANNA


def test_the_guide_shows_one(tmp_path):
    """As it stands in docs/guides/set.md."""
    guide = (Path(__file__).parents[3] / "docs" / "guides" / "set.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```text\n(who:.*?)```", guide, flags=re.DOTALL)
    (tmp_path / "anna.yaml").write_text(block, encoding="utf-8")

    assert read_consent(tmp_path / "anna.yaml", date(2027, 6, 30)).who == "anna"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"who": None}, "who: Field required; write who: NAME"),
        ({"who": "' '"}, "who: .*write who: NAME"),
        ({"who": "[anna, mark]"}, "who: .*write who: NAME"),
        ({"use": None}, "use: Field required; write who"),
        ({"use": "report"}, "use is 'report', without training: ask for that use, and add it"),
        ({"use": "no training"}, "use is 'no training', without training"),
        ({"until": None}, "until: Field required; write who"),
        ({"until": "soon"}, "until: .*write who"),
        ({"until": "2030-02-31"}, "until: .*write who|is not valid YAML"),
        ({"until": "2030-01-30"}, "it ended on 2030-01-30: ask for a new one and change until"),
        ({"who": "[anna"}, "is not valid YAML: write who"),
    ],
)
def test_a_consent_that_does_not_hold_is_refused(tmp_path, changed, message):
    """With what to write or to ask for."""
    with pytest.raises(MisuseError, match=message):
        read_consent(write_consent(tmp_path / "anna.yaml", **changed), LAST)


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"anna"])
def test_another_file_is_refused(tmp_path, content):
    """Missing, empty, not text, or one word."""
    path = tmp_path / "anna.yaml"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(MisuseError, match="write who: NAME"):
        read_consent(path, LAST)


@pytest.mark.parametrize("use", ["training", "Training ; archive", "promotion|training", "archive", "no training"])
def test_a_use_means_the_same_as_in_a_data_set(tmp_path, use):
    """The checkout reads the column `use` by the same rule."""
    path = write_consent(tmp_path / "anna.yaml", use=use)
    try:
        allowed = read_consent(path, LAST).use == use
    except MisuseError:
        allowed = False

    assert allowed == may_train(use)
