"""Models on a machine, their origin, and rolled back versions: listed, refused or named."""

import json

import pytest

from rushes.bundle.manifest import sha256_file
from rushes.errors import NothingFitsError
from rushes.loading import find_named
from rushes.pull.pull import pull
from rushes.store.records import read_records
from rushes.store.store import find_model, use_bundle
from tests.support.certified import public_key, sign, signer
from tests.support.command import command_line
from tests.support.runtime import write_bundle


@pytest.fixture
def rushes(monkeypatch, capsys, tmp_path):
    """The command, on a machine without a history."""
    monkeypatch.setenv("RUSHES_MACHINE_STATE", str(tmp_path / "state"))
    return command_line(monkeypatch, capsys)


@pytest.fixture
def studio(mlflow, tmp_path):
    """A registry with 7, which was rolled back, and 8, the champion."""
    write_bundle(tmp_path / "v8", detector=b"another")
    mlflow.versions[8], mlflow.aliases["champion"] = tmp_path / "v8", 8
    return mlflow


def _reject(studio, version, folder):
    studio.version_tags[version] = {
        "rushes.rejected": "2031-05-01T10:00:00",
        "rushes.rejected_why": "reads every face as sad",
        "rushes.digest": sha256_file(folder / "manifest.json"),
    }


def test_what_was_rolled_back_is_refused(studio, tmp_path, rushes):
    """For a request by number: time, reason, the current version, and an override; both remedies work."""
    _reject(studio, 7, tmp_path / "v7")
    to = ["--registry", studio.url, "--to", tmp_path / "store"]
    status, _, err = rushes("pull", "expression@7", *to)
    assert status == 3
    assert "was rolled back on 2031-05-01: reads every face as sad" in err
    assert rushes("pull", "expression", *to)[0] == 0
    newest = find_model(tmp_path / "store", "expression")
    status, _, err = rushes("pull", "expression@7", "--rejected", *to)

    assert (status, find_model(tmp_path / "store", "expression")) == (0, newest)
    assert f"use it: rushes capture --show --model {tmp_path / 'store/expression/v7-'}" in err


def test_what_is_proposed_was_not_rolled_back(studio, tmp_path, rushes):
    """For a server or a stick without the version, the printed command works."""
    for version in (7, 8):
        pull(f"expression@{version}", studio.url, tmp_path / "stick")
    _reject(studio, 8, tmp_path / "v8")
    studio.aliases["champion"] = 7
    pull("expression", studio.url, tmp_path / "stick")

    for place in (studio.url, tmp_path / "stick"):
        err = rushes("pull", "expression@9", "--registry", place, "--to", tmp_path / "set")[2]
        assert "there: 7, 8 (rolled back). Take one: rushes pull expression@7" in err
        words = err.split("Take one: rushes ")[1].split()
        assert rushes(*words, "--to", tmp_path / "set")[0] == 0


def test_a_rollback_after_the_pull_is_named(studio, tmp_path, capsys):
    """7 was pulled by number and is the newest; a later pull records its rollback, and its use prints a warning."""
    older = pull("expression@7", studio.url, tmp_path / "store").folder
    _reject(studio, 7, tmp_path / "v7")
    pull("expression", studio.url, tmp_path / "store")
    capsys.readouterr()
    use_bundle(find_named("expression", older))

    assert "expression v7 was rolled back on 2031-05-01: reads every face as sad" in capsys.readouterr().err
    assert use_bundle(find_named("expression", tmp_path / "store")).folder.name.startswith("v8-")
    assert capsys.readouterr().err == ""


def test_a_stick_carries_the_news(studio, tmp_path):
    """A version on a stick is refused once the stick has recorded its rollback."""
    pull("expression@7", studio.url, tmp_path / "stick")
    _reject(studio, 7, tmp_path / "v7")
    pull("expression", studio.url, tmp_path / "stick")

    with pytest.raises(NothingFitsError, match=r"expression@7 at .*stick was rolled back.*--rejected"):
        pull("expression@7", str(tmp_path / "stick"), tmp_path / "set")
    pull("expression", str(tmp_path / "stick"), tmp_path / "set")
    assert [one.version for one in read_records(tmp_path / "set/expression").rejected.values()] == [7]


def test_list_shows_the_store(studio, tmp_path, rushes):
    """Family, version, digest, signer, time of the pull, the version in use, rollbacks."""
    key = public_key(tmp_path / "studio.pub", signer())
    sign(tmp_path / "v8", signer(), 8)
    folders = [pull(f"expression@{version}", studio.url, tmp_path / "store").folder for version in (7, 8)]
    _reject(studio, 7, tmp_path / "v7")
    pull("expression", studio.url, tmp_path / "store")
    status, out, _ = rushes("list", "--model", tmp_path / "store", "--trust", key)
    listed = json.loads(rushes("list", "--model", tmp_path / "store", "--json")[1])

    lines = out.splitlines()
    assert status == 0
    assert lines[1].startswith("* expression  v8    ")
    assert "signed by studio.pub" in lines[1]
    assert lines[2].startswith("  expression  v7    ")
    assert "was rolled back on 2031-05-01" in lines[3]
    assert [(one["version"], one["in_use"], one["folder"]) for one in listed] == [
        (8, True, str(folders[1])),
        (7, False, str(folders[0])),
    ]
    assert all(one["registry"] == studio.url and one["pulled"].startswith("20") for one in listed)


def test_an_empty_list_names_the_command(tmp_path, rushes):
    """An empty store has its own exit status."""
    (tmp_path / "empty").mkdir()
    status, out, err = rushes("list", "--model", tmp_path / "empty")

    assert (status, out) == (3, "")
    assert "fetch one with: rushes pull expression" in err


def test_a_mistyped_family_is_guessed(studio, tmp_path, rushes):
    """For a server, a stick and the store; the suggested command works."""
    pull("expression", studio.url, tmp_path / "stick")
    for words in (
        ("pull", "expresion", "--registry", studio.url, "--to", tmp_path / "store"),
        ("pull", "Expression", "--registry", tmp_path / "stick", "--to", tmp_path / "store"),
        ("check", "expressoin", "--model", tmp_path / "stick"),
    ):
        status, _, err = rushes(*words)
        assert status == 3
        assert "Did you mean 'expression'?" in err
    assert rushes("pull", "expression", "--registry", studio.url, "--to", tmp_path / "store")[0] == 0


def test_lines_of_json_carry_their_model(studio, tmp_path, rushes, clip, monkeypatch, detector):
    """Family, version and the whole digest, in each."""
    folder = pull("expression", studio.url, tmp_path / "store").folder
    monkeypatch.setattr("rushes.faces.face_search.open_finder", lambda _: detector)
    rushes("capture", "--model", tmp_path / "store", "--source", clip, "--json", tmp_path / "lines.jsonl")
    models = [json.loads(line)["model"] for line in (tmp_path / "lines.jsonl").read_text().splitlines()]

    assert len(models) == 10
    assert {(one["family"], one["version"]) for one in models} == {("expression", 8)}
    assert folder.name.endswith(models[0]["digest"][:12])
    assert len(models[0]["digest"]) == 64
