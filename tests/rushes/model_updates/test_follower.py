import re
import threading
from datetime import UTC, datetime

import pytest

from rushes.bundle.manifest import BundleError
from rushes.errors import TransientError, UserError
from rushes.model_updates import follower as followers
from rushes.pull.http_guard import Limits
from rushes.pull.pull import pull
from tests.support.certified import public_key, sign, signer
from tests.support.follows import Following
from tests.support.lying import endless, lying, silence, text

GRAPH = "bundle/expression.onnx"
QUICK = Limits(connect_s=1, silence_s=0.25, window_s=0.3, min_bytes_per_s=5000, download_s=3, attempts=1)


def _taken(following):
    """Version that the capture gets before its next frame; None if it goes on with the one that runs."""
    candidate = following.follower.take()
    return candidate and int(candidate.bundle.folder.name.partition("-")[0].removeprefix("v"))


def _files(registry):
    return [path for path in registry.asked if path.endswith((".onnx", ".tflite"))]


def test_a_new_version_is_ready_after_one_look(following, tmp_path):
    """It is fetched into the store and prepared once; the capture takes it once."""
    following.promote(8)
    following.follower.poll()

    assert (following.prepared, _taken(following), _taken(following)) == ([8], 8, None)
    assert len(list((tmp_path / "store/expression").glob("v8-*"))) == 1
    assert following.follower.running.folder.name.startswith("v8-")


def test_a_look_without_news_fetches_nothing(following, registry):
    """Three requests, and no file."""
    registry.asked.clear()
    following.follower.poll()

    assert len(registry.asked) == 3
    assert (_taken(following), following.lines) == (None, [])


def test_a_rollback_is_there_after_one_look(following):
    """From 8 to 7, which is in the store; and to 8 again."""
    found = []
    for version in (8, 7, 8):
        following.promote(version)
        found.append(_taken(following))

    assert found == [8, 7, 8]


def test_a_version_that_waits_is_withdrawn(following):
    """The alias goes back before the next frame, or on to another one."""
    following.promote(8)
    following.promote(7)
    withdrawn = _taken(following)
    following.promote(8)
    following.promote(9)

    assert (withdrawn, _taken(following), _taken(following)) == (None, 9, None)


def test_a_registry_that_is_away_is_noted_and_comes_back(following, registry):
    """The running version goes on, its age is shown, and one line is logged at each change."""
    pulled_s = following.now_s = datetime.now(UTC).timestamp()
    url, away = registry.url, "http://127.0.0.1:9"
    following.move_to(away)
    for hours in (1, 50, 75):
        following.now_s = pulled_s + 3600 * hours
        following.follower.poll()
    note = following.follower.note
    following.move_to(url)
    following.follower.poll()

    since = datetime.fromtimestamp(pulled_s + 3600, UTC).astimezone()
    assert note == f"registry not reachable since {since:%Y-%m-%d %H:%M}, expression v7 (pulled 3 days ago)"
    assert following.follower.note == ""
    assert len(following.lines) == 2
    assert f"since {since:%H:%M}, expression v7 (pulled 1 hour ago) goes on: {away} cannot be" in following.lines[0]
    assert following.lines[1] == "the registry answers again: expression@champion is followed"


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (OSError(5, "Input/output error"), "not reachable"),
        (TransientError("the stick is gone"), "not reachable"),
        (UserError("the model store is full"), "not used"),
    ],
)
def test_a_registry_in_a_folder_or_a_full_store_is_noted(following, monkeypatch, error, state):
    """Neither is a bug, and a full disk of this machine is not the registry's."""

    def fails(*_):
        raise error

    monkeypatch.setattr(followers, "open_registry", fails)
    following.follower.poll()

    assert following.follower.note.startswith(f"registry {state} since ")
    assert len(following.lines) == 1
    assert str(error) in following.lines[0]


@pytest.mark.parametrize("place", ["registered-models/alias", GRAPH])
def test_a_registry_that_is_slow(following, registry, monkeypatch, place):
    """The look ends at its limits, and nothing is taken; a later look gets the version."""
    monkeypatch.setattr(followers, "POLL_LIMITS", QUICK)
    with lying(registry) as server:
        server.place, server.lie = place, silence
        following.move_to(server.url)
        following.promote(8)
        note, taken = following.follower.note, _taken(following)
        server.place = "nowhere"
        following.follower.poll()

    assert "registry not reachable since" in note
    assert (taken, _taken(following), following.follower.note) == (None, 8, "")


@pytest.mark.parametrize(
    ("place", "lie", "reason"),
    [
        (GRAPH, text(b"another graph"), r"expression\.onnx has 13 bytes, not"),
        (GRAPH, endless(b"", b" "), "does not have the"),
        ("bundle/manifest.json", text(b'{"family": "expre'), "cannot be read"),
        ("bundle/manifest.json", text(b"{}"), "registered with the digest"),
    ],
)
def test_a_registry_that_lies(following, registry, tmp_path, place, lie, reason):
    """The version is not taken, nothing of it is kept, and it is not fetched again; one line reports it."""
    registry.version_tags[8] = {"rushes.digest": "8" * 64} if "digest" in reason else {}
    with lying(registry) as server:
        server.place, server.lie = place, lie
        following.move_to(server.url)
        following.promote(8)
        asked = len(server.asked)
        following.follower.poll()

    assert (_taken(following), following.prepared, len(server.asked) - asked) == (None, [], 3)
    assert not list((tmp_path / "store/expression").glob("*v8-*"))
    [line] = following.lines
    assert re.match(rf"expression v8 is not taken, and not tried again in this capture: .*{reason}", line)


def test_a_download_that_breaks_off_is_resumed(following, registry):
    """By the next look; one with two attempts needs none."""
    registry.cut = 2
    following.promote(8)
    note = following.follower.note
    registry.asked.clear()
    following.follower.poll()

    assert "registry not reachable" in note
    assert (_taken(following), len(_files(registry))) == (8, 1)


def test_other_outputs_than_certified_are_refused(following, monkeypatch):
    """The reference outputs are compared before a version may run."""

    def prove(bundle):
        message = f"{bundle.folder.name[:2]} differs from its certificate"
        raise BundleError(message)

    monkeypatch.setattr("rushes.store.store.prove_once", prove)
    following.promote(8)

    assert (_taken(following), following.prepared) == (None, [])
    assert "v8 differs from its certificate" in following.lines[0]


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (ZeroDivisionError("by zero"), r"ZeroDivisionError: by zero \((tests|rushes)/"),
        (UserError("x.tflite is not BlazeFace"), "x.tflite is not BlazeFace"),
        (TransientError("for now"), "for now"),
    ],
)
def test_a_version_that_cannot_be_opened_is_refused(following, monkeypatch, error, shown):
    """Whatever it raises, with the place of a bug; the registry is not to blame, and another version is taken."""

    def fails(*_):
        raise error

    monkeypatch.setattr(following.follower, "_prepare", fails)
    following.promote(8)
    following.follower.poll()
    monkeypatch.setattr(following.follower, "_prepare", following.prepare)
    note = following.follower.note
    following.promote(9)

    assert re.match(rf"expression v8 is not taken, and not tried again in this capture: {shown}", following.lines[0])
    assert (note, len(following.lines), _taken(following)) == ("", 1, 9)


def test_a_version_that_was_rolled_back_is_refused(following, registry):
    """An alias may still name it for a moment."""
    registry.version_tags[8] = {"rushes.rejected": "2031-05-01", "rushes.rejected_why": "sad"}
    following.promote(8)

    assert _taken(following) is None
    assert "was rolled back on 2031-05-01: sad" in following.lines[0]


def test_only_signed_versions_where_a_key_is_trusted(registry, tmp_path):
    """As for `rushes pull`."""
    sign(tmp_path / "v7", signer(), 7)
    sign(tmp_path / "v9", signer(), 9)
    key = public_key(tmp_path / "studio.pub", signer())
    following = Following(registry, trust=[key])
    following.promote(8)
    unsigned = _taken(following)
    following.promote(9)

    assert (unsigned, _taken(following)) == (None, 9)
    assert "v8" in following.lines[0]


def test_a_stick_is_followed(registry, tmp_path, following):
    """A folder that a pull has filled; a pull from it on the set does not need the network."""
    pull("expression@champion", registry.url, tmp_path / "stick")
    following.move_to(str(tmp_path / "stick"))
    following.follower.poll()
    before = _taken(following)
    registry.aliases["champion"] = 8
    pull("expression@champion", registry.url, tmp_path / "stick")
    following.follower.poll()

    assert (before, _taken(following)) == (None, 8)


def test_a_thread_looks_at_its_interval(following, registry):
    """A version that is promoted later is prepared there; the end of the capture ends it."""
    ready, threads = threading.Event(), []
    following.follower._prepare = lambda *_: threads.append(threading.current_thread()) or ready.set()
    following.follower.start(interval_s=0.01)
    registry.aliases["champion"] = 8

    assert ready.wait(30)
    following.follower.close()
    assert not threads[0].is_alive()
    assert threads[0].name == "follower of expression@champion"


def test_a_bug_in_a_look_ends_nothing(following, monkeypatch):
    """It is reported once, and the thread goes on."""
    ready, asked = threading.Event(), []
    poll = following.follower.poll
    monkeypatch.setattr(
        following.follower, "poll", lambda: asked.append(1) or (1 / 0 if len(asked) < 3 else poll() or ready.set())
    )
    following.follower.start(interval_s=0.01)

    assert ready.wait(30)
    following.follower.close()
    assert [line.partition(",")[0].partition(" 0.")[0] for line in following.lines] == ["this is a bug in rushes"]
