"""Numbers of actors who come back: by the face where it is seen clearly, else by place."""

import pytest

from rushes.tracking.appearance import Describer
from tests.support.tracked_stage import FIRST, FPS, SECOND, at, states


def who(results):
    """Persons by number, in the last frame."""
    return {face.actor: round(float(face.units[0]), 2) for face in results[-1] if face.state == "tracked"}


NEWCOMER = (320, 300, 120, 0.6)


@pytest.mark.parametrize("exposure", [0.5, 1.0, 1.5])
@pytest.mark.parametrize("away_frames", [10, 40])
def test_actors_who_come_back_on_swapped_sides_keep_their_numbers(play, away_frames, exposure):
    """Also when only one does, and while the other is only just lost."""
    assert who(play(40, FIRST, SECOND, actors=2, exposure=1)) == {0: 0.8, 1: 0.4}
    play(away_frames)
    assert who(play(4, at(SECOND, FIRST), exposure=exposure)) == {1: 0.4}
    assert who(play(4, at(SECOND, FIRST), at(FIRST, SECOND), exposure=exposure)) == {0: 0.8, 1: 0.4}


def test_one_leaves_and_another_moves_to_that_place(play):
    """The first comes back where the other was."""
    play(40, FIRST, SECOND, actors=3, exposure=1)
    play(40, SECOND, exposure=1)
    for step in range(1, 26):
        play(1, (SECOND[0] - 10 * step, *SECOND[1:]), exposure=1)

    assert who(play(15, at(SECOND, FIRST), at(FIRST, SECOND), exposure=0.7)) == {0: 0.8, 1: 0.4}


def test_a_newcomer_gets_a_new_number_while_there_is_one(play):
    """At the place of one who left, who then comes back elsewhere with the old number."""
    play(40, FIRST, SECOND, actors=3, exposure=1)
    play(40, SECOND, exposure=1)
    assert who(play(40, at(NEWCOMER, FIRST), SECOND, exposure=1)) == {1: 0.4, 2: 0.6}
    play(40, SECOND, exposure=1)
    assert who(play(15, SECOND, at(FIRST, NEWCOMER), exposure=1)) == {0: 0.8, 1: 0.4}


def test_a_newcomer_without_a_number_left_does_not_change_what_an_actor_looks_like(play):
    """They get the number of the place; the actor is known again afterwards, at the place of the other."""
    play(80, FIRST, SECOND, actors=2, exposure=1)
    play(40)
    assert who(play(80, at(NEWCOMER, FIRST), exposure=1)) == {0: 0.6}
    play(40)

    assert who(play(4, at(FIRST, SECOND), exposure=1)) == {0: 0.8}


def test_a_number_given_without_a_clear_view_is_put_right(play):
    """In the dark the place decides; in the first lit frame the face does, and the wrong number is held, then eases."""
    play(40, FIRST, SECOND, actors=2, exposure=1)
    play(40)
    assert who(play(30, at(SECOND, FIRST))) == {0: 0.4}
    results = play(40, at(SECOND, FIRST), exposure=1)

    assert states(results)[0] == ("held", "tracked")
    assert who(results) == {1: 0.4}
    assert all(face.actor == 1 for face in results[-1])
    assert who(play(15, at(SECOND, FIRST), at(FIRST, SECOND), exposure=1)) == {0: 0.8, 1: 0.4}


@pytest.mark.parametrize("place", [FIRST, SECOND])
def test_a_face_covered_on_entry_is_known_once_it_is_not(play, place):
    """Within half a second; the number that it had meanwhile is free again."""
    play(80, FIRST, SECOND, actors=4, exposure=1)
    play(40)
    assert who(play(4, at(FIRST, place), exposure=1, covered=True)) == {2: 0.8}
    assert who(play(13, at(FIRST, place), exposure=1)) == {0: 0.8}
    play(30, at(FIRST, place), exposure=1)
    assert who(play(15, at(FIRST, place), NEWCOMER, exposure=1)) == {0: 0.8, 2: 0.6}


def test_a_face_covered_for_a_moment_keeps_its_number(play):
    """Also in the first seconds of all."""
    play(1, FIRST, actors=3, exposure=1, covered=True)
    for _ in range(4):
        assert who(play(20, FIRST, exposure=1)) == {0: 0.8}
        assert who(play(20, FIRST, exposure=1, covered=True)) == {0: 0.8}


@pytest.mark.parametrize(("actors", "descriptors"), [(1, 0), (2, 6)])
def test_faces_are_described_twice_a_second_with_several_actors_only(play, monkeypatch, actors, descriptors):
    """Each in every 13th frame."""
    play(1, FIRST, SECOND, actors=actors, exposure=1)
    described, describe = [], Describer.describe
    monkeypatch.setattr(Describer, "describe", lambda *given: described.append(1) or describe(*given))
    play(2 * FPS + 1, FIRST, SECOND, exposure=1)

    assert len(described) == descriptors
