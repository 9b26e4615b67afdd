from __future__ import annotations

import json
import re
from itertools import count

import pytest

from registry.mlflow import model_versions
from registry.mlflow.model_versions import CHAMPION, HOLD, REJECTED, SIGNED
from registry.mlflow.runs import RegistryError
from registry.promotion import rollback
from registry.promotion.rollback import NothingToRestoreError
from tests.support.dying import DyingClient, Killed
from tests.support.studio import BEST, POOR, POOREST

pytestmark = pytest.mark.slow


def champion(mlflow, studio):
    """The number of the family's champion."""
    return model_versions.standing(mlflow, studio.family.name).champion.number


def back(studio, client=None):
    """Rolls the studio's family back."""
    return rollback.rollback(studio.family.name, "sees ghosts", client, studio.state)


@pytest.fixture
def two(studio, mlflow):
    """A studio with two champions behind it: v1, and v2 in use."""
    studio.nightly(POOREST)
    studio.nightly(BEST)
    assert champion(mlflow, studio) == 2
    return studio


def test_rollback_restores_and_holds(mlflow, two):
    """The previous champion is restored, the bad one is rejected, and both have the time and the reason."""
    done = back(two)
    bad, good = model_versions.versions(mlflow, two.family.name)

    assert (done.rejected, done.restored, champion(mlflow, two)) == (2, 1, 1)
    assert bad.tags["rushes.rejected_why"] == rollback.on_hold(two.family.name).reason == "sees ghosts"
    assert bad.tags[REJECTED] == good.tags["rushes.restored"] == rollback.on_hold(two.family.name).since


def test_an_unsigned_version_is_known_as_such(mlflow, two):
    """A version that was registered before there was a key; a killed rollback that is finished handles it too."""
    name = two.family.name
    good = model_versions.read_version(mlflow, name, 1)
    assert not back(two).is_signed
    _as_before(mlflow, name)
    model_versions.tag_version(mlflow, good, {SIGNED: "0" * 64})
    assert back(two).is_signed
    mlflow.set_registered_model_tag(name, "rushes.rollback", json.dumps({"rejected": 2, "restored": 1, "at": ""}))
    assert back(two).is_signed


def test_held_until_released(mlflow, two):
    """After a rollback the nightly unchanged, then with new samples: the champion moves only once released."""
    back(two)
    unchanged = two.nightly(BEST)
    fresh = two.nightly(POOR, seed=1)
    held_at = champion(mlflow, two)
    family = re.search(r"-m flows release (\S+) ends it", fresh.reasons[0])[1]
    hold = rollback.release(family)
    released = two.nightly(POOR, seed=1)

    assert (unchanged.registered, unchanged.promoted) == (False, False)
    assert (fresh.registered, fresh.promoted, held_at) == (True, False, 1)
    assert "on hold since" in fresh.reasons[0]
    assert fresh.held == str(hold)
    assert (released.registered, released.promoted, champion(mlflow, two)) == (False, True, 3)


def test_rejected_is_never_promoted_again(mlflow, two):
    """Released, and by far the best: a rejected bundle stays rejected."""
    back(two)
    rollback.release(two.family.name)
    decision = two.nightly(BEST)

    assert (decision.promoted, champion(mlflow, two)) == (False, 1)
    assert "was rejected on" in decision.reasons[1]
    assert "sees ghosts" in decision.reasons[1]


def test_walks_past_rejected(mlflow, studio):
    """Two rollbacks in a row: the second goes past the version that the first rejected."""
    for shift in (POOREST, POOR, BEST):
        studio.nightly(shift)
    first, second = back(studio), back(studio)

    assert (first.rejected, first.restored) == (3, 2)
    assert (second.rejected, second.restored, champion(mlflow, studio)) == (2, 1, 1)


def test_never_champion_is_not_restored(mlflow, studio):
    """A version that was registered but never in use is nothing to go back to."""
    studio.nightly(POOREST)
    studio.nightly(POOR, promote=False)
    studio.nightly(BEST)

    assert back(studio).restored == 1
    assert champion(mlflow, studio) == 1


def test_champion_by_hand_belongs_to_the_history(mlflow, studio):
    """A version that a person made champion in MLflow's pages is met, and gone back to, like any other."""
    studio.nightly(POOREST, promote=False)
    mlflow.set_registered_model_alias(studio.family.name, CHAMPION, "1")
    met = studio.nightly(POOREST)
    studio.nightly(BEST)

    assert (met.registered, met.promoted, met.champion_after) == (False, False, 1)
    assert back(studio).restored == 1


def test_nothing_to_go_back_to(mlflow, studio):
    """The only champion there was stays in use and the family is not held, or nothing could ever replace it."""
    studio.nightly(POOREST)
    with pytest.raises(NothingToRestoreError, match="nothing was changed") as error:
        back(studio)
    replaced = studio.nightly(BEST)

    assert error.value.exit_status == 3
    assert REJECTED not in model_versions.read_version(mlflow, studio.family.name, 1).tags
    assert replaced.promoted


def test_damaged_one_is_passed_over(mlflow, studio):
    """The restored version is loaded first: damaged ones are skipped and reported."""
    for shift in (POOREST, POOR, BEST):
        studio.nightly(shift)
    damaged = model_versions.read_version(mlflow, studio.family.name, 2)
    mlflow.log_text(damaged.run_id, "damaged", "bundle/dots.onnx")
    done = rollback.rollback(studio.family.name, "sees ghosts", None, studio.root / "elsewhere")

    assert (done.restored, champion(mlflow, studio)) == (1, 1)
    assert "v2" in done.broken[0]


def test_graph_that_does_not_run_is_refused(studio, mlflow):
    """A bundle whose hashes hold and whose graph is not a graph is not restored."""
    studio.nightly(POOR)
    bundle = model_versions.fetch(mlflow, model_versions.read_version(mlflow, studio.family.name, 1), studio.state)
    (bundle.folder / "dots.onnx").write_bytes(b"no graph")

    with pytest.raises(RegistryError, match="does not run"):
        model_versions.prove(bundle)


def test_killed_rollback_is_finished(mlflow, two):
    """Killed before any of its acts and run again: one step back, not two; the same tags; the family held."""
    name = two.family.name
    for last in count():
        try:
            back(two, DyingClient(mlflow, last))
        except Killed:
            done = back(two)
        else:
            break
        bad, good = model_versions.versions(mlflow, name)

        assert (done.rejected, done.restored, champion(mlflow, two)) == (2, 1, 1)
        assert REJECTED in bad.tags
        assert REJECTED not in good.tags
        assert "rushes.rollback" not in model_versions.standing(mlflow, name).tags
        _as_before(mlflow, name)
    assert last > 5


def test_killed_rollback_is_not_taken_for_another(mlflow, two):
    """Begun and killed, then left: once others have moved the champion on, a rollback rejects that one."""
    rollback.rollback(two.family.name, "sees ghosts", None, two.state)
    begun = '{"rejected": 2, "restored": 1, "at": "2026-03-04T04:41:00"}'
    mlflow.set_registered_model_tag(two.family.name, "rushes.rollback", begun)
    rollback.release(two.family.name)
    two.nightly(POOR)
    before = champion(mlflow, two)
    done = back(two)

    assert before == 3
    assert (done.rejected, done.restored, champion(mlflow, two)) == (3, 1, 1)


def _as_before(mlflow, name):
    """Takes a rollback back: v2 is champion, nothing rejected, nothing held."""
    assert rollback.on_hold(name) is not None
    mlflow.set_registered_model_alias(name, CHAMPION, "2")
    mlflow.delete_registered_model_tag(name, HOLD)
    mlflow.delete_model_version_tag(name, "2", REJECTED)


def test_champions_are_listed(mlflow, two):  # noqa: ARG001  the server
    """Every family with what it has in use, since when, and why it is held."""
    back(two)
    (found,) = [one for one in rollback.champions() if one.family == two.family.name]

    assert found.version == 1
    assert found.since == found.hold.since
    assert str(found.hold).endswith("sees ghosts")


def test_release_without_hold(mlflow, studio):  # noqa: ARG001  the server
    """Releasing a family that is not held changes nothing and reports that."""
    studio.nightly(POOR)

    assert rollback.release(studio.family.name) is None


@pytest.mark.parametrize("act", [rollback.release, lambda family: rollback.rollback(family, "why")])
def test_unknown_family(mlflow, act):  # noqa: ARG001  the server
    """A family that the registry does not have: exit status 3, and what there is."""
    with pytest.raises(NothingToRestoreError, match="there are:") as error:
        act("nobody")

    assert error.value.exit_status == 3


def test_reason_is_needed(mlflow):
    """A rollback without a reason is refused before anything is looked at."""
    with pytest.raises(ValueError, match="needs a reason"):
        rollback.rollback("dots", "  ", mlflow)
