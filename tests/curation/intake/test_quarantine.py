"""Refused files are kept, and never overwritten."""

import hashlib

import pytest

from curation.intake.quarantine import Quarantine, Refusal, remove_empty


@pytest.fixture
def quarantine(tmp_path):
    """An empty one."""
    return Quarantine(tmp_path / "quarantine")


def refuse(quarantine, file, *, path=None, move=False):
    """Adds a file to it."""
    refusals = [Refusal(path or file.name, "is bad", "repair it", file)]
    quarantine.keep(refusals, quarantine.note(refusals), move=move)


def contents(quarantine):
    """Every file except the reasons."""
    files = [file for file in quarantine.folder.rglob("*") if file.is_file() and file.name != "reasons.csv"]
    return {file.relative_to(quarantine.folder).as_posix(): file.read_text(encoding="utf-8") for file in files}


@pytest.mark.parametrize("move", [False, True])
def test_a_file_is_copied_or_moved(quarantine, tmp_path, move):
    """A second call changes nothing, and a path with `..` stays inside."""
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
    """A refused file named reasons.csv does not become the list of reasons."""
    file = tmp_path / "reasons.csv"
    file.write_text("mine", encoding="utf-8")
    refuse(quarantine, file)

    assert contents(quarantine) == {"_reasons.csv": "mine"}
    assert "is bad" in (quarantine.folder / "reasons.csv").read_text(encoding="utf-8")


def test_a_link_is_moved_but_never_followed(quarantine, tmp_path):
    """Its target may be anything."""
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    link = tmp_path / "link.jpg"
    link.symlink_to(tmp_path / "secret")
    refuse(quarantine, link)
    assert not contents(quarantine)

    refuse(quarantine, link, move=True)
    assert (quarantine.folder / "link.jpg").is_symlink()
    assert (tmp_path / "secret").exists()


def test_a_long_name_fits(quarantine, tmp_path):
    """With 250 bytes, as in eighty letters of other scripts, the distinguishing suffix does not fit."""
    file = tmp_path / f"{'長' * 82}.jpg"
    for text in ("first", "second"):
        file.write_text(text, encoding="utf-8")
        refuse(quarantine, file)

    assert sorted(contents(quarantine).values()) == ["first", "second"]
    assert all(name.startswith("長長長") and name.endswith(".jpg") for name in contents(quarantine))


def test_what_is_let_go_takes_its_rows_along(quarantine, tmp_path):
    """Also those of its original table, which would otherwise name missing files."""
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_text(name, encoding="utf-8")
        refuse(quarantine, tmp_path / name)
    quarantine.merge("samples.csv", ("path", "label"), [{"path": name, "label": "sad"} for name in ("a.jpg", "b.jpg")])
    quarantine.release({"a.jpg": hashlib.sha256(b"a.jpg").hexdigest()})
    tables = [(quarantine.folder / name).read_text(encoding="utf-8") for name in ("reasons.csv", "samples.csv")]

    assert [table.count(".jpg") for table in tables] == [1, 1]
    quarantine.release({"b.jpg": hashlib.sha256(b"b.jpg").hexdigest()})
    assert not quarantine.folder.exists()


def test_reasons_outlive_a_kill(quarantine, tmp_path, monkeypatch):
    """For files moved out of an inbox they exist nowhere else."""
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_text(name, encoding="utf-8")
        refuse(quarantine, tmp_path / name, move=True)
    monkeypatch.setattr("curation.intake.quarantine.replacing", lambda _: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        quarantine.release({"a.jpg": hashlib.sha256(b"a.jpg").hexdigest()})
    assert "b.jpg,is bad" in (quarantine.folder / "reasons.csv").read_text(encoding="utf-8")


def test_a_table_that_someone_has_saved_again_is_read(quarantine, tmp_path):
    """With an additional column, in another encoding."""
    file = tmp_path / "b.jpg"
    file.write_text("b", encoding="utf-8")
    quarantine.folder.mkdir()
    text = "file,reason,remedy,seen\nfröhlich.jpg,is bad,repair it,yes\n"
    (quarantine.folder / "reasons.csv").write_bytes(text.encode("latin-1"))
    refuse(quarantine, file)

    assert (quarantine.folder / "reasons.csv").read_text(encoding="utf-8").count("is bad") == 2


def test_a_file_that_comes_while_folders_are_removed_stays(tmp_path, monkeypatch):
    """A copy may begin between the check and the removal."""
    (tmp_path / "set" / "sad").mkdir(parents=True)
    (tmp_path / "set" / "sad" / "new.jpg").touch()
    monkeypatch.setattr("pathlib.Path.iterdir", lambda _: iter(()))
    remove_empty(tmp_path / "set")

    assert (tmp_path / "set" / "sad" / "new.jpg").exists()
