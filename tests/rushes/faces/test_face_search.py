"""Places and times of the search for faces: the networks are fakes, and count their calls."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from rushes.faces import face_search
from rushes.faces.face_search import FaceFinder, FilmDetector, open_finder

LARGE = (1080, 1920)


class Spots:
    """A network that takes a bright spot for a face if it fills at least a share of the picture."""

    def __init__(self, least, score=0.9):
        self.least, self.score, self.looks = least, score, 0

    def look(self, part_bgr, x_px, y_px, min_score):
        """A box around each spot that is large enough."""
        self.looks += 1
        _, _, stats, _ = cv2.connectedComponentsWithStats((part_bgr[..., 0] > 200).view(np.uint8))
        rows = []
        for left, top, w, h, _ in stats[1:]:
            if h >= self.least * max(part_bgr.shape) and self.score > min_score:
                x, y = x_px + left + w / 2, y_px + top + h / 2
                rows.append([self.score, x, y, w, h, *[x, y] * 6])
        return np.array(rows).reshape(-1, 17)


def _frame(*spots, level=40, size=(480, 640)):
    frame = np.full((*size, 3), level, np.uint8)
    for x, y, side in spots:  # sides are multiples of 5
        texture = np.random.default_rng(side).integers(205, 256, (5, 5))
        frame[y : y + side, x : x + side] = np.kron(texture, np.ones((side // 5,) * 2))[..., None]
    return frame


@pytest.fixture
def networks():
    """Short and full range, with a fifth and a twentieth of the picture as least share."""
    return Spots(0.2), Spots(0.05, 0.4)


def test_a_small_face_beside_a_big_one_is_found(networks):
    """A face in the quick look does not end the search."""
    big, small = FaceFinder(*networks).detect(_frame((60, 100, 200), (500, 300, 40)))

    np.testing.assert_allclose(big.box_xywh_px, (60, 100, 200, 200), atol=1)
    np.testing.assert_allclose(small.box_xywh_px, (500, 300, 40, 40), atol=1)


@pytest.mark.parametrize(("score", "found"), [(0.7, 0), (0.78, 1)])
def test_a_proposal_is_proved_by_a_second_look(networks, score, found):
    """A proposal of the full range gets the score of the short range's close look."""
    short_range, full_range = networks
    short_range.score = score

    assert len(FaceFinder(short_range, full_range).detect(_frame((500, 300, 40)))) == found


def test_a_bundle_without_the_full_range_searches_with_the_short_one(networks):
    """Smaller squares compensate for its coarseness on the whole frame."""
    [face] = FaceFinder(networks[0]).detect(_frame((450, 300, 60)))

    np.testing.assert_allclose(face.box_xywh_px, (450, 300, 60, 60), atol=1)


def test_a_film_is_not_searched_every_frame(networks):
    """A known face costs a look every other frame, and the search for others a look every few frames."""
    tracker, frames = FilmDetector(FaceFinder(*networks)), 24
    found = [tracker.detect(_frame((400 + 5 * number, 300, 40))) for number in range(frames)]

    assert [round(face.box_xywh_px[0]) for [face] in found] == list(range(400, 520, 5))
    assert networks[1].looks <= 2 + frames / face_search.PART_EVERY
    assert networks[0].looks < 0.75 * frames


@pytest.mark.parametrize("frames", [5, 6])
def test_a_face_that_goes_is_gone_at_once(networks, frames):
    """Also in the tracked frames between two looks."""
    tracker = FilmDetector(FaceFinder(*networks))
    for _ in range(frames):
        assert len(tracker.detect(_frame((400, 300, 40)))) == 1

    assert tracker.detect(_frame()) == []


def test_two_tracks_of_one_face_become_one(networks):
    """Two people who cross are not counted twice."""
    tracker = FilmDetector(FaceFinder(*networks))
    for number in range(16):
        faces = tracker.detect(_frame((300 + 5 * number, 300, 40), (460 - 5 * number, 300, 40)))

    assert len(faces) == 1


def test_every_picture_of_a_folder_is_searched(networks):
    """Unlike pictures count as cuts: a small face is found in each, without false ones."""
    tracker = FilmDetector(FaceFinder(*networks))
    pictures = [_frame((300 + 9 * number, 200, 40), level=40 + 60 * (number % 2)) for number in range(4)]

    assert [len(tracker.detect(picture)) for picture in [*pictures, _frame(level=10)]] == [1, 1, 1, 1, 0]


def test_every_face_of_a_crowd_is_found_in_one_picture(networks):
    """The limit of close looks in a film does not apply to a still."""
    crowd = _frame(*((40 + 90 * column, 60 + 90 * row, 35) for column in range(6) for row in range(4)))

    assert len(FilmDetector(FaceFinder(*networks)).detect(crowd)) == 24


@pytest.mark.parametrize(
    ("there", "side", "frames"),
    [((), 130, 4), ((), 40, 8), (((60, 100, 40),), 130, 12), (((60, 100, 40),), 40, 24)],
    ids=["large", "small", "large beside another", "small beside another"],
)
def test_a_face_that_comes_in_is_found_soon(networks, there, side, frames):
    """Within so many frames, at any time."""
    for before in range(1, frames + 1):
        tracker = FilmDetector(FaceFinder(*networks))
        for _ in range(before):
            assert len(tracker.detect(_frame(*there))) == len(there)
        found = [len(tracker.detect(_frame(*there, (400, 300, side)))) for _ in range(frames)]

        assert found[-1] == len(there) + 1, before


@pytest.mark.parametrize("at", [(30, 30), (550, 520), (1870, 1030), (1200, 60)])
def test_a_face_of_40_pixels_that_comes_into_a_large_frame_is_found(networks, at):
    """Within 36 frames, wherever it is; each frame has one look of each network at a part, and close-ups."""
    tracker, empty, there = FilmDetector(FaceFinder(*networks)), _frame(size=LARGE), _frame((*at, 40), size=LARGE)
    tracker.detect(empty)
    for network in networks:
        network.looks = 0
    for frames in range(1, 25):
        assert tracker.detect(empty) == []
        assert sum(network.looks for network in networks) <= frames
    found = [tracker.detect(there) for _ in range(36)]

    assert [len(faces) for faces in found[-1:]] == [1]
    np.testing.assert_allclose(found[-1][0].box_xywh_px, (*at, 40, 40), atol=1)


@pytest.mark.parametrize("side", [40, 60, 100, 150])
@pytest.mark.parametrize("at", [(420, 490), (550, 300), (900, 500)])
def test_a_face_on_the_border_of_tiles_is_one_face(networks, at, side):
    """Cut by one tile, whole in the next, and in the squares: searched all together."""
    finder, frame = FaceFinder(*networks), _frame((*at, side), size=LARGE)
    [face] = finder.search(frame, finder.places(frame), most=50)

    np.testing.assert_allclose(face.box_xywh_px, (*at, side, side), atol=1)


@pytest.mark.parametrize("away", [1, 2, 12, 100])
def test_a_small_face_that_was_lost_is_found_near_within_three_frames(networks, away):
    """Also without tracking of actors, and where other people stay."""
    for other in ((), ((100, 900, 40),)):
        tracker = FilmDetector(FaceFinder(*networks))
        with_it, without = _frame((900, 500, 40), *other, size=LARGE), _frame(*other, size=LARGE)
        near = _frame((940, 480, 40), *other, size=LARGE)
        while len(tracker.detect(with_it)) <= len(other):
            pass
        assert [len(tracker.detect(without)) for _ in range(away)] == [len(other)] * away

        assert len([tracker.detect(near) for _ in range(3)][-1]) == len(other) + 1


@pytest.mark.parametrize("roles", [["detector"], ["detector", "detector_full_range"]])
def test_a_bundle_of_either_kind_opens(monkeypatch, roles):
    """The full range is optional: the contract is unchanged."""
    opened = []
    monkeypatch.setattr(face_search, "BlazeFace", lambda path, *_: opened.append(path))
    files = {role: SimpleNamespace(role=role) for role in roles}
    open_finder(SimpleNamespace(manifest=SimpleNamespace(files=files), path=lambda role: role))

    assert sorted(opened) == roles
