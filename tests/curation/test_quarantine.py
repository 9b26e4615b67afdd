"""What is refused is kept, and nothing there is written over."""

import pytest

from curation.quarantine import Quarantine, Refusal


@pytest.fixture
def quarantine(tmp_path):
    """An empty one."""
    return Quarantine(tmp_path / "quarantine")


def refuse(quarantine, file, *, path=None, move=False):
    """Puts a file there."""
    refusals = [Refusal(path or file.name, "is bad", "mend it", file)]
    quarantine.keep(refusals, quarantine.note(refusals), move=move)


def contents(quarantine):
    """Every file but the reasons."""
    files = [file for file in quarantine.folder.rglob("*") if file.is_file() and file.name != "reasons.csv"]
    return {file.relative_to(quarantine.folder).as_posix(): file.read_text(encoding="utf-8") for file in files}


@pytest.mark.parametrize("move", [False, True])
def test_a_file_is_copied_or_moved(quarantine, tmp_path, move):
    """Twice is as good as once, and a path that climbs stays inside."""
    file = tmp_path / "a.jpg"
    file.write_text("a", encoding="utf-8")
    refuse(quarantine, file, path="../sad/a.jpg", move=move)
    refuse(quarantine, file, path="../sad/a.jpg", move=move)

    assert contents(quarantine) == {"sad/a.jpg": "a"}
    assert file.exists() != move


def test_another_file_of_that_name_gets_another(quarantine, tmp_path):
    """The first may be the only copy."""
    file = tmp_path / "a.jpg"
    for text in ("first", "second", "first"):
        file.write_text(text, encoding="utf-8")
        refuse(quarantine, file, move=True)

    assert sorted(contents(quarantine).values()) == ["first", "second"]


def test_the_tables_of_the_quarantine_are_not_taken_for_files(quarantine, tmp_path):
    """A refused file called reasons.csv does not become the list of reasons."""
    file = tmp_path / "reasons.csv"
    file.write_text("mine", encoding="utf-8")
    refuse(quarantine, file)

    assert contents(quarantine) == {"_reasons.csv": "mine"}
    assert "is bad" in (quarantine.folder / "reasons.csv").read_text(encoding="utf-8")


def test_a_link_is_moved_but_never_followed(quarantine, tmp_path):
    """What it points to may be anything."""
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    link = tmp_path / "link.jpg"
    link.symlink_to(tmp_path / "secret")
    refuse(quarantine, link)
    assert not contents(quarantine)

    refuse(quarantine, link, move=True)
    assert (quarantine.folder / "link.jpg").is_symlink()
    assert (tmp_path / "secret").exists()
