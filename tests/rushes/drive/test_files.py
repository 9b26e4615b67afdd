from pathlib import Path

import pytest

from rushes.drive.files import GrowingFile
from rushes.errors import UserError
from tests.support.full_disk import disk_of


def test_a_full_disk_leaves_whole_records(tmp_path):
    """The record that does not fit is taken back, and the message has the number of those kept."""
    file = GrowingFile(tmp_path / "out")
    file.append("heading\n", records=0)
    file.append("123456789\n")
    file.append("123456789\n")
    with disk_of(30), pytest.raises(UserError, match=r"written any further: .*; the 2 frames until then are kept"):
        file.append("123456789\n")
    file.close()

    assert (tmp_path / "out").read_text() == "heading\n" + "123456789\n" * 2


def test_it_goes_on_once_there_is_room(tmp_path):
    """At the place of the record that was taken back."""
    file = GrowingFile(tmp_path / "out")
    with disk_of(3), pytest.raises(UserError):
        file.append("12345\n")
    file.append("ab\n")
    file.close()

    assert (tmp_path / "out").read_text() == "ab\n"


def test_a_device_that_is_full():
    """Nothing can be taken back there."""
    file = GrowingFile(Path("/dev/full"))

    with pytest.raises(UserError, match="/dev/full cannot be written any further: No space left on device"):
        file.append("x\n")
    file.close()


def test_records_are_readable_at_once(tmp_path):
    """Nothing waits in a buffer: a kill loses nothing."""
    file = GrowingFile(tmp_path / "out")
    file.append("one\n")

    assert (tmp_path / "out").read_text() == "one\n"
    file.overwrite(0, "two")
    file.append("three\n")
    assert (tmp_path / "out").read_text() == "two\nthree\n"


def test_it_may_be_closed_twice(tmp_path):
    """And takes nothing afterwards."""
    file = GrowingFile(tmp_path / "out")
    file.close()
    file.close()

    assert file.closed
