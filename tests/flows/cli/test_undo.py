"""The effect of an ingest is printed beforehand, and can be undone: with real git and DVC."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest

from common.commands import python
from common.settings import RemoteSettings, Settings
from curation.ingest import ingest
from curation.params import load_collection
from flows import __main__ as cli
from flows.cli import commands
from flows.cli.undo import FILE, NothingToUndoError
from flows.servers import environment
from registry.dvc import versions
from rushes.screenplay.fountain import write
from tests.curation.planted import picture
from tests.support.repos import ROOT, code_repo, git, silence
from tests.support.scripts import script

pytestmark = pytest.mark.slow


@pytest.fixture
def root(tmp_path, monkeypatch, tmp_path_factory):
    """A checkout with a starter of faces and of scripts, which real ones replace, and a version of them."""
    silence(monkeypatch, tmp_path_factory.mktemp("home"))
    root = code_repo(tmp_path / "checkout")
    params = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (root / "params.yaml").write_text(re.sub(r"starter_share: \S+", "starter_share: 0", params), encoding="utf-8")
    starter = tmp_path / "starter"
    for number in range(30):
        picture(starter / ("happy", "sad")[number % 2] / f"{number}.png", number, 48)
    ingest(starter, root, "faces", load_collection(root / "params.yaml", "faces"), source="starter", starter=True)
    for number in range(12):
        (tmp_path / "plays").mkdir(exist_ok=True)
        (tmp_path / "plays" / f"{number}.fountain").write_text(write(script(number)), encoding="utf-8")
    params = load_collection(root / "params.yaml", "scripts")
    ingest(tmp_path / "plays", root, "scripts", params, source="starter", starter=True)
    versions.commit(root, settings(root), starter=True)
    monkeypatch.setattr(environment, "checkout_root", lambda: root)
    monkeypatch.chdir(root)
    return root


def settings(root):
    """Settings without a team or a remote."""
    return Settings(state=root / ".state", remote=RemoteSettings(url=""))


def laid(root):
    """Every file of datasets/ with its content."""
    files = (path for path in (root / "datasets").rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def _shoot(folder, count=40):
    for number in range(count):
        picture(folder / ("happy", "angry")[number % 2] / f"{number}.png", 900 + number, 48)
    return folder


def test_undo_brings_back_what_was_replaced_and_redo_what_came(root, tmp_path, capsys):
    """Byte for byte, with the version; a second undo is a redo."""
    before, version = laid(root), (root / "datasets.dvc").read_text()
    commands.run_ingest(root, settings(root), _shoot(tmp_path / "day-12"), "faces")
    after = laid(root)
    output = capsys.readouterr().out
    commands.run_undo(root, settings(root))

    assert "replaces faces: the starter, 30 pictures" in output
    assert "flows ingest --undo" in output
    assert "datasets/faces/starter/index.parquet" not in after
    assert (laid(root), (root / "datasets.dvc").read_text()) == (before, version)
    commands.run_undo(root, settings(root))
    assert laid(root) == after
    assert "undo of the ingest of faces/day-12 is undone" in capsys.readouterr().out


def test_what_clean_will_drop_is_printed_before_the_starter_goes(root, tmp_path, capsys):
    """Four scripts of one scene: the number that stays, the reasons and params for the others, and the way back."""
    folder = tmp_path / "drafts"
    folder.mkdir()
    for number in range(4):
        text = write(script(50 + number))
        (folder / f"{number}.fountain").write_text(text[: text.index("\n\n", 400)], encoding="utf-8")
    commands.run_ingest(root, settings(root), folder, "scripts")
    output = capsys.readouterr().out
    lines = output.splitlines()

    assert lines[0].startswith("  replaces scripts: the starter, 12 scripts")
    assert "clean    will keep 0 of" in output
    assert "collections.scripts.script.min_" in output
    assert "a run will stop with" in output
    assert output.index("will keep 0") < output.index("added")


def test_a_later_ingest_prints_what_is_added_and_kept(root, tmp_path, capsys):
    """Copies of existing files, one damaged file and new pictures: the forecast equals the ingest's result."""
    commands.run_ingest(root, settings(root), _shoot(tmp_path / "day-12"), "faces")
    capsys.readouterr()
    for number in range(6):
        picture(tmp_path / "day-13" / "sad" / f"{number}.png", 900 + number if number < 2 else 2000 + number, 48)
    (tmp_path / "day-13" / "sad" / "torn.png").write_bytes(b"no picture")
    commands.run_ingest(root, settings(root), tmp_path / "day-13", "faces")
    output = capsys.readouterr().out.splitlines()

    assert output[0] == "  adds     faces/day-13: 6 pictures new, 1 refused; none of the 40 in day-12 is removed"
    assert re.fullmatch(r"  clean    will keep 4 of 6 new, and (38|40) of the 40 there", output[1])
    assert "faces/day-13: 6 added, 0 already there, 1 refused" in output


def test_undo_takes_the_quarantine_back_too(root, tmp_path):
    """An undo reverts new refusals and keeps earlier ones; and a second undo redoes them."""
    day, place = _shoot(tmp_path / "day-12"), root / "quarantine" / "faces" / "day-12"
    held = []
    for number in range(2):
        (day / "happy" / f"torn-{number}.png").write_bytes(b"no picture")
        picture(day / "happy" / f"new-{number}.png", 3000 + number, 48)
        commands.run_ingest(root, settings(root), day, "faces")
        held.append({path.name: path.read_bytes() for path in place.rglob("*.*")})
    commands.run_undo(root, settings(root))

    assert "torn-1.png" in held[1]
    assert {path.name: path.read_bytes() for path in place.rglob("*.*")} == held[0]
    commands.run_undo(root, settings(root))
    assert {path.name: path.read_bytes() for path in place.rglob("*.*")} == held[1]


def test_an_ingest_that_refuses_everything_is_undone_itself(root, tmp_path):
    """It only leaves a quarantine: undo removes that, and not the data of the earlier ingest."""
    commands.run_ingest(root, settings(root), _shoot(tmp_path / "day-12"), "faces")
    before = laid(root)
    (tmp_path / "torn" / "sad").mkdir(parents=True)
    (tmp_path / "torn" / "sad" / "0.png").write_bytes(b"no picture")
    assert commands.run_ingest(root, settings(root), tmp_path / "torn", "faces") == 3
    commands.run_undo(root, settings(root))

    assert laid(root) == before
    assert not (root / "quarantine" / "faces" / "torn").exists()


def test_a_quarantine_that_changed_since_is_left_alone(root, tmp_path, capsys):
    """A later file may be the only copy."""
    (tmp_path / "torn" / "sad").mkdir(parents=True)
    (tmp_path / "torn" / "sad" / "0.png").write_bytes(b"no picture")
    commands.run_ingest(root, settings(root), tmp_path / "torn", "faces")
    later = root / "quarantine" / "faces" / "torn" / "later.png"
    later.write_bytes(b"only copy")
    commands.run_undo(root, settings(root))

    assert later.read_bytes() == b"only copy"
    assert "quarantine/faces/torn was changed since then, and is left as it is" in capsys.readouterr().out


def test_edits_since_are_undone_and_redone_too(root, tmp_path, capsys):
    """No file there is lost, whatever its origin."""
    commands.run_ingest(root, settings(root), _shoot(tmp_path / "day-12"), "faces")
    (root / "datasets" / "faces" / "corrections.csv").write_text("id,label\n", encoding="utf-8")
    edited = laid(root)
    commands.run_undo(root, settings(root))

    assert "was changed again" in capsys.readouterr().out
    assert "datasets/faces/corrections.csv" not in laid(root)
    commands.run_undo(root, settings(root))
    assert laid(root) == edited


def test_starter_that_was_never_fetched_is_fetched_by_the_next_run(root, tmp_path):
    """If the previous version has no files here, undo leaves none: the run creates the starter again."""
    shutil.rmtree(root / "datasets")
    shutil.rmtree(root / ".dvc" / "cache")
    commands.run_ingest(root, settings(root), _shoot(tmp_path / "day-12"), "faces")
    commands.run_undo(root, settings(root))

    assert not (root / "datasets").exists()
    assert versions.state(root, settings(root)).wants_starter


def test_nothing_to_undo_is_reported_with_a_remedy_that_works(root, tmp_path):
    """Exit status 3; the printed commands restore an older version, and the next version is that one."""
    git(root, "add", versions.VERSION)
    git(root, "commit", "--quiet", "--message", "data")
    before, commit = laid(root), git(root, "rev-parse", "HEAD").strip()
    commands.run_ingest(root, settings(root), _shoot(tmp_path / "day-12"), "faces")
    (root / ".state" / FILE).unlink()
    with pytest.raises(NothingToUndoError) as caught:
        commands.run_undo(root, settings(root))
    output = caught.value.remedy.partition("these: ")[2].replace("COMMIT", commit).replace(python(), sys.executable)
    subprocess.run(["/bin/sh", "-c", output], cwd=root, check=True)

    assert caught.value.exit_status == 3
    assert laid(root) == before
    versions.commit(root, settings(root), starter=True)
    assert not git(root, "status", "--porcelain", versions.VERSION)


@pytest.mark.parametrize("words", [["ingest"], ["ingest", "faces"], ["ingest", "faces", ".", "--undo"]])
@pytest.mark.usefixtures("root")
def test_what_is_missing_or_too_much_is_misuse(monkeypatch, capsys, words):
    """Exit status 2, with an example or the reason."""
    monkeypatch.setattr("sys.argv", ["flows", *words])
    with pytest.raises(SystemExit) as caught:
        cli.main()

    assert caught.value.code == 2
    assert capsys.readouterr().err
