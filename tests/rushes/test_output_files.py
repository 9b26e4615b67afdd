import pytest

from rushes.errors import MisuseError, UserError
from rushes.output_files import check_out, save


def test_an_output_that_cannot_be_written_is_refused_before_the_work(tmp_path):
    """A folder, a missing folder and an unknown ending each have their own message."""
    (tmp_path / "a.png").mkdir()
    for path, fault in (("a.png", "is a folder"), ("no/b.png", "does not exist"), ("c.gif", r"must end in \.png")):
        with pytest.raises(MisuseError, match=fault):
            check_out(tmp_path / path, (".png", ".jpg"))
    check_out(tmp_path / "d.PNG", (".png", ".jpg"))


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    """The earlier file is kept when the disk is full, and no temporary file is left."""
    (tmp_path / "a.png").write_bytes(b"before")

    def full(_path, _other):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(UserError, match="No space left"):
        save(tmp_path / "a.png", b"after")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.png", b"before")]
