"""Captures that follow a registry, and pins, by the commands of a set."""

import json
import re
import shlex

import pytest

from rushes.faces import face_search
from rushes.pull.pull import pull
from tests.support.command import command_line
from tests.support.runtime import BrightSquare, write_bundle


@pytest.fixture
def rushes(monkeypatch, capsys, mlflow, tmp_path):
    """The command line on a machine with a model store; the registry has 7, the champion, and 8."""
    write_bundle(tmp_path / "v8", crop={"scale": 1.3})
    mlflow.versions[8] = tmp_path / "v8"
    monkeypatch.setenv("RUSHES_MODELS", str(tmp_path / "store"))
    monkeypatch.setenv("RUSHES_REGISTRY", mlflow.url)
    monkeypatch.setattr("rushes.store.store.prove_once", lambda _: None)
    monkeypatch.setattr(face_search, "open_finder", lambda _: BrightSquare())
    return command_line(monkeypatch, capsys)


def _models(out):
    return {json.loads(line)["model"]["version"] for line in out.splitlines()}


def test_capture_takes_the_champion_of_a_registry(rushes, mlflow, clip):
    """Fetched at the start, whatever is cached; without network the cached one goes on, with a note in the summary."""
    words = ("capture", "--model", "expression@champion", "--source", clip, "--registry")
    first = _models(rushes(*words, mlflow.url)[1])
    mlflow.aliases["champion"] = 8
    second = _models(rushes(*words, mlflow.url)[1])
    status, out, err = rushes(*words, "http://127.0.0.1:9")

    assert (first, second, _models(out), status) == ({7}, {8}, {8}, 0)
    assert "http://127.0.0.1:9 cannot be reached: Connection refused" in err
    assert err.splitlines()[-1].startswith("registry not reachable since")
    assert err.splitlines()[-1].endswith(", expression v8 (pulled just now)")


@pytest.mark.parametrize("words", [("pin", "expression@8"), ("capture", "--model", "expression@8", "--source")])
def test_a_version_that_is_missing_is_fetched_by_the_printed_command(rushes, mlflow, clip, words):
    """From the registry, and not from the store that lacks it; then the command works."""
    rushes("pull", "expression@7")
    words = (*words, *([clip] if words[0] == "capture" else []))
    status, _, err = rushes(*words)
    printed = re.search(r"Versions of expression there: 7\. Fetch it: rushes (pull .+)", err)

    assert (status, bool(printed)) == (3, True), err
    assert mlflow.url in printed[1]
    assert rushes(*shlex.split(printed[1]))[0] == 0
    assert rushes(*words)[0] == 0


def test_a_pin_fixes_the_version_for_a_shoot(rushes, mlflow, clip):
    """`list` shows it, `capture` uses it and follows nothing, `pull` names the folder; removed, all is as before."""
    capture = ("capture", "--model", "expression@champion", "--registry", mlflow.url, "--source", clip)
    rushes("pull", "expression@7")
    status, out, _ = rushes("pin", "expression@7")
    assert (status, out.startswith("expression is pinned to v7-")) == (0, True)
    mlflow.aliases["champion"] = 8
    assert "rushes capture --show --model " in rushes("pull", "expression")[2]
    listed = rushes("list")[1].splitlines()
    _, pinned, err = rushes(*capture)
    plain = rushes("capture", "--source", clip)[1]
    removed = rushes("pin", "--remove", "expression")[0]

    assert [("*" in line, "pinned" in line, "v7" in line) for line in listed[1:]] == [(True, True, True), (False,) * 3]
    assert (_models(pinned), _models(plain), removed) == ({7}, {7}, 0)
    assert "expression v7 is pinned, and expression@champion not followed" in err
    assert _models(rushes(*capture)[1]) == {8}
    assert rushes("pin", "--remove", "expression")[0] == 3


def test_the_printed_commands_end_and_set_a_pin(rushes, mlflow, clip):
    """That of a capture with a pin; the version by default is pinned without a number."""
    rushes("pull", "expression")
    rushes("pin", "expression")
    mlflow.aliases["champion"] = 8
    words = ("capture", "--model", "expression@champion", "--registry", mlflow.url, "--source", clip)
    _, out, err = rushes(*words)
    assert _models(out) == {7}
    command = err.splitlines()[0].split("To follow it: rushes ")[1]

    assert rushes(*command.split())[0] == 0
    assert _models(rushes(*words)[1]) == {8}


@pytest.mark.parametrize("remedy", ["Fetch it: rushes ", "Or remove the pin: rushes "])
def test_a_pinned_version_that_is_gone_is_fetched_or_given_up(rushes, mlflow, clip, tmp_path, remedy):
    """No other version is used in its place without a word; both printed commands help."""
    folder = pull("expression@7", mlflow.url, tmp_path / "store").folder
    pull("expression@8", mlflow.url, tmp_path / "store")
    rushes("pin", "expression@7")
    folder.rename(tmp_path / "gone")
    status, _, err = rushes("capture", "--source", clip)
    assert (status, "expression is pinned to v7-" in err) == (3, True)
    assert "*" not in rushes("list")[1]
    command = err.split(remedy)[1].split(". ")[0].strip()

    assert rushes(*command.split())[0] == 0
    assert _models(rushes("capture", "--source", clip)[1]) == ({7} if "Fetch" in remedy else {8})


def test_a_version_that_was_swapped_back_is_kept_away_by_the_printed_pin(rushes, registry_follower, mlflow, clip):
    """Also where the alias moves away from it and back."""
    command = registry_follower.lines[-1].split("To stay with expression v7: rushes ")[1]
    words = ("capture", "--model", "expression@champion", "--registry", mlflow.url, "--source", clip)

    assert rushes(*command.split())[0] == 0
    for version in (7, 8):
        mlflow.aliases["champion"] = version
        assert _models(rushes(*words)[1]) == {7}


def test_a_version_that_was_swapped_back_is_tried_again_by_the_printed_pull(rushes, registry_follower, mlflow, clip):
    """The next capture skips it, and prints the command too; `list` gives the reason."""
    words = ("capture", "--model", "expression@champion", "--registry", mlflow.url, "--source", clip)
    _, out, err = rushes(*words)
    listed = rushes("list")[1].splitlines()
    commands = [
        text.split("To try it again in the next capture: rushes ")[1].split(". ")[0]
        for text in (registry_follower.lines[-1], err)
    ]

    assert (_models(out), commands[0]) == ({7}, commands[1].splitlines()[0])
    assert ("*" in listed[1], "v7" in listed[1], "v8" in listed[2]) == (True, True, True)
    assert "was swapped back on 20" in listed[3]
    assert rushes(*commands[0].split())[0] == 0
    assert _models(rushes(*words)[1]) == {8}
    assert not any("swapped back" in line for line in rushes("list")[1].splitlines())


@pytest.fixture
def registry_follower(rushes, mlflow):  # noqa: ARG001  # its environment
    """A capture in which 8 was swapped back."""
    from tests.support.follows import Following, Paced, frames  # noqa: PLC0415  # only here

    following = Following(mlflow)
    following.analysers[8] = Paced(following.clock, fails=ValueError("planted"))
    following.promote(8)
    following.run(frames(0, 2))
    return following


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ("pin expression@9", 3, "Versions of expression there: 7. Fetch it"),
        ("pin scene", 3, "no scene model in"),
        ("pin --remove scene", 3, "scene is not pinned in"),
        ("pin expression --model {bundle}", 2, "is not in a model store"),
        ("pin ../expression", 2, "is not the name of a model"),
        (f"pin {'x' * 101}", 2, "is not the name of a model"),
        ("capture --registry http://127.0.0.1:9 --model {bundle}", 2, "--registry follows an alias"),
    ],
)
def test_mistakes_are_named(rushes, mlflow, tmp_path, words, status, message):
    """And nothing is pinned."""
    pull("expression", mlflow.url, tmp_path / "store")
    found, _, err = rushes(*words.format(bundle=tmp_path / "v7").split())

    assert (found, message in err) == (status, True), err
    assert not list(tmp_path.rglob(".pinned"))
