"""A version that was swapped back, in later captures: it is skipped until its alias moves, or a person wants it."""

import json

import pytest

from rushes.bundle.manifest import BundleError, read_head
from rushes.capture import loop
from rushes.capture.outputs import Outputs
from rushes.errors import NothingFitsError
from rushes.model_updates.choice import choose_model
from rushes.pull.pull import pull
from rushes.store.store import version_of
from rushes.store.swap_backs import NAME, forget_swap_backs, read_swap_backs
from tests.support.certified import public_key, sign, signer
from tests.support.follows import Following, Paced

AWAY = "http://127.0.0.1:9"  # nothing listens on the port `discard`


@pytest.fixture
def capture(registry, clip, tmp_path):
    """Captures a clip with 8 failing; the alias moves as given at the fourth frame. Gives versions and log."""

    def run(*promoted, trust=()):
        following = Following(registry, trust=trust)
        following.analysers[8] = Paced(following.clock, fails=ValueError("planted"))
        analyse, moves = following.analyser(following.first).analyse, list(promoted)

        def moving(frame):
            while frame.number == 3 and moves:
                following.promote(moves.pop(0))
            return analyse(frame)

        following.analyser(following.first).analyse = moving
        following.follower.poll()
        loop.capture(str(clip), following.swapping, Outputs(json_to=str(tmp_path / "out")))
        lines = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
        return [line["model"]["version"] for line in lines], following.lines

    return run


def test_the_next_capture_skips_it(capture, registry, tmp_path):
    """It begins with the version before, and logs the reason; nothing is fetched, and no look takes it."""
    first, lines = capture(8)
    registry.asked.clear()
    second, again = capture()

    assert first == second == [7] * 10
    assert "swapped back to expression v7" in lines[1]
    assert len(again) == 1
    assert again[0].startswith("expression v8 is skipped, and expression v7 used: expression v8 was swapped back on 20")
    assert ": frame 4 failed: ValueError: planted (" in again[0]
    assert again[0].endswith(
        f". To try it again in the next capture: rushes pull expression@champion --registry {registry.url}"
    )
    assert not [path for path in registry.asked if path.endswith((".onnx", ".tflite"))]
    swap_back = read_swap_backs(tmp_path / "store/expression")["champion"]
    assert (swap_back.version, len(swap_back.digest)) == (8, 12)


def test_without_the_registry_the_version_before_is_used(capture):
    """That of the alias, and the one in use."""
    capture(8)

    for registry in (AWAY, ""):
        for model in ("expression@champion", "expression"):
            assert version_of(choose_model("expression", model, registry).bundle.folder) == 7
    assert version_of(choose_model("expression", "expression@8", "").bundle.folder) == 8


@pytest.mark.parametrize("during", [True, False])
def test_it_is_forgotten_when_the_alias_moves(capture, registry, tmp_path, during):
    """Before a capture begins or while it runs; the alias may then come back to it."""
    capture(8)
    if during:
        versions, lines = capture(9, 8)
        assert versions == [7] * 10
        assert "expression v8 was swapped back to expression v7" in lines[-1]
    else:
        registry.aliases["champion"] = 9
        assert capture()[0] == [9] * 10
        assert read_swap_backs(tmp_path / "store/expression") == {}
        registry.aliases["champion"] = 8
        assert version_of(choose_model("expression", None, registry.url).bundle.folder) == 8


def test_another_bundle_of_the_same_number_is_another_version(capture, registry):
    """A new registry counts from 1 again."""
    capture(8)
    digest = read_head(registry.versions[9]).digest
    registry.versions[8], registry.version_tags[8] = registry.versions[9], {"rushes.digest": digest}

    assert choose_model("expression", None, registry.url).bundle.digest == digest


def test_a_signed_version_before_is_not_refused_as_older(capture, registry, tmp_path):
    """The machine has seen 8 by then."""
    for version in (7, 8):
        sign(registry.versions[version], signer(), version, f"2031-05-0{version}T12:00:00.000+00:00")
    trust = [public_key(tmp_path / "studio.pub", signer())]
    capture(8, trust=trust)

    assert capture(trust=trust)[0] == [7] * 10


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("during", [True, False])
def test_a_version_that_cannot_be_used_here_stops_no_later_capture(registry, tmp_path, monkeypatch, during, signed):
    """It was fetched before that showed, at the start of a capture or during it; the one before stays in use."""
    trust = ()
    if signed:  # the machine has seen 8 by then
        for version in (7, 8):
            sign(registry.versions[version], signer(), version, f"2031-05-0{version}T12:00:00.000+00:00")
        trust = [public_key(tmp_path / "studio.pub", signer())]
    following = Following(registry, trust=trust)

    def prove(bundle):
        if version_of(bundle.folder) == 8:
            message = "it differs from its certificate"
            raise BundleError(message)

    monkeypatch.setattr("rushes.store.store.prove_once", prove)
    if during:
        following.promote(8)
    registry.aliases["champion"] = 8
    lines = []
    first, second = (
        choose_model("expression", None, registry.url, trust=trust, log=lines.append) for _ in range(2)
    )  # fmt: skip
    offline = choose_model("expression", None, "", trust=trust)

    assert [version_of(one.bundle.folder) for one in (first, second, offline)] == [7, 7, 7]
    assert "expression v8 was swapped back on" in lines[-1]
    assert "it differs from its certificate" in lines[-1]


def test_a_version_that_cannot_be_opened_is_remembered(registry, tmp_path, monkeypatch):
    """Unless that depends on what runs beside it, which may change."""
    for error, version, remembered in ((ZeroDivisionError(), 8, [8]), (NothingFitsError("points"), 9, [])):
        following = Following(registry)

        def fails(*_, error=error):
            raise error

        monkeypatch.setattr(following.follower, "_prepare", fails)
        following.promote(version)
        found = read_swap_backs(tmp_path / "store/expression")
        assert [one.version for one in found.values() if one.version == version] == remembered
        registry.aliases["champion"] = 7


def test_a_store_that_cannot_be_written_ends_no_capture(capture, monkeypatch):
    """A line reports that the next capture tries the version again."""

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rushes.model_updates.choice.add_swap_back", full)
    versions, lines = capture(8)

    assert versions == [7] * 10
    assert lines[-1].startswith("the next capture tries expression v8 again, since ")
    assert "No space left on device" in lines[-1]


def test_a_damaged_record_refuses_nothing(registry, tmp_path):
    """As a missing one; the next capture that swaps back replaces it."""
    folder = pull("expression@champion", registry.url, tmp_path / "store").folder.parent
    (folder / NAME).write_text("{")

    assert read_swap_backs(folder) == {}
    forget_swap_backs(folder, "0" * 64)
    assert (folder / NAME).read_text() == "{"
    assert version_of(choose_model("expression", None, registry.url).bundle.folder) == 7
