"""The rules of promotion, hold and rollback on a registry in memory: alone, interleaved and killed at every call."""

from __future__ import annotations

import contextlib
import copy
import itertools
from itertools import count, pairwise

import pytest

from registry.mlflow import model_versions, runs
from registry.mlflow.model_versions import CHAMPION
from registry.promotion import alias_moves, rollback
from registry.promotion import rules as promotion
from registry.promotion.rollback import NothingToRestoreError
from tests.support.dying import Killed
from tests.support.fake_registry import FakeClient
from tests.support.studio import BEST, POOR, POOREST, make_studio, register_at_once

GOOD = 10.0  # between POOR and BEST


@pytest.fixture
def studio(tmp_path, registry):  # noqa: ARG001  the server
    """A tree as the stages leave it."""
    return make_studio(tmp_path, "dots")


def interleave(monkeypatch, registry, moment, act):
    """From now on, `act` happens once, before call number `moment` of the next client; its number of calls is kept."""
    started = []

    def client(*_):
        if started:
            return FakeClient(registry)
        started.append(FakeClient(registry, lambda number, _name: act() if number == moment else None))
        return started[0]

    monkeypatch.setattr(runs, "client", client)
    return started


def alias(registry, name="dots"):
    """Number of the champion."""
    number = registry.models[name].aliases.get(CHAMPION)
    return number and int(number)


def consistent(registry, name="dots"):
    """The history ends with the champion, nobody in it twice in a row, and the champion was not rejected."""
    log = model_versions.standing(FakeClient(registry), name).log
    champion = registry.versions[name][alias(registry)]
    chain = alias_moves.extended(log.history, model_versions.version_of(champion))
    return model_versions.REJECTED not in champion.tags and all(a != b for a, b in pairwise(chain))


@pytest.fixture
def played(registry, studio, monkeypatch):
    """For each call of a registration of v3, with v1 and v2 behind it: a registry, and what `act` gave before it."""
    verdicts = {}

    def decide(rules, *sides):  # a bootstrap takes longer than all calls of a registration together
        key = tuple(str(getattr(side, "metrics", side and "")) for side in sides)
        verdicts[key] = verdicts.get(key) or promotion.decide(rules, *sides)
        return verdicts[key]

    monkeypatch.setattr("registry.promotion.register.decide", decide)
    for shift in (POOREST, POOR):
        studio.nightly(shift)
    studio.stages(GOOD)

    def play(act):
        for moment in count():
            held = copy.deepcopy(registry)
            inner = []
            started = interleave(monkeypatch, held, moment, lambda held=held, inner=inner: inner.append(act(held)))
            yield held, inner
            if moment >= len(started[0].calls):
                assert moment > 20
                return

    return play


def test_a_rollback_amid_a_registration_stands(played, studio):
    """Wherever it comes in between: what it restored is champion in the end, and the family is held."""

    def back(held):
        return rollback.rollback("dots", "sees ghosts", FakeClient(held), studio.state)

    for held, inner in played(back):
        studio.register()
        if inner:
            assert alias(held) == inner[0].restored
            assert rollback.on_hold("dots", FakeClient(held)).rejected == inner[0].rejected
            assert consistent(held)


def test_a_rollback_that_was_released_amid_a_registration_stands(played, studio):
    """The rejected version is not in use; one better than the restored one may be."""

    def back_and_free(held):
        done = rollback.rollback("dots", "sees ghosts", FakeClient(held), studio.state)
        rollback.release("dots", FakeClient(held))
        return done

    for held, inner in played(back_and_free):
        studio.register()
        assert consistent(held)
        if inner:
            assert alias(held) != inner[0].rejected


def test_the_better_of_two_registrations_wins(played, studio):
    """A better bundle, registered and promoted by another machine in between, is not replaced by a poorer one."""
    (studio.root / "other").mkdir()
    elsewhere = make_studio(studio.root / "other", "dots")
    elsewhere.stages(BEST)
    won = []
    for held, inner in played(lambda _: elsewhere.register()):
        ours = studio.register()
        best = inner[0].digest if inner and inner[0].promoted else ours.digest
        won += [best != ours.digest]
        assert model_versions.standing(FakeClient(held), "dots").champion.digest == best
        assert consistent(held)
    assert sum(won) > 10


def test_killed_at_any_call_and_run_again(played, studio, monkeypatch):
    """One version of that bundle: champion, tagged `settled`, in the history once; no run left open."""

    def die(_held):
        raise Killed

    for held, _ in played(die):
        try:
            studio.register()
        except Killed:
            monkeypatch.setattr(runs, "client", lambda *_, held=held: FakeClient(held))
            studio.register()
        assert (alias(held), sorted(held.versions["dots"])) == (3, [1, 2, 3])
        assert model_versions.standing(FakeClient(held), "dots").log.history == [1, 2, 3]
        assert {run.info.status for run in held.runs.values()} == {"FINISHED"}


@pytest.mark.parametrize("last", ["any", "the alias"])
def test_killed_once_a_rollback_came_in_between(played, studio, monkeypatch, last):
    """Nobody is left to put the alias back, if it was moved: whoever looks next, does."""
    set_alias = FakeClient.set_registered_model_alias

    def back(held):
        done = rollback.rollback("dots", "sees ghosts", FakeClient(held), studio.state)
        if last == "any":
            raise Killed
        monkeypatch.setattr(FakeClient, "set_registered_model_alias", last_act)
        return done

    def last_act(self, *args):
        set_alias(self, *args)
        raise Killed

    for held, _ in played(back):
        with contextlib.suppress(Killed):
            studio.register()
        monkeypatch.setattr(FakeClient, "set_registered_model_alias", set_alias)
        monkeypatch.setattr(runs, "client", lambda *_, held=held: FakeClient(held))
        studio.register()
        assert consistent(held)
        assert (rollback.on_hold("dots", FakeClient(held)) is None) == (alias(held) == 3)


def test_a_killed_rollback_is_finished_by_the_next(registry, studio):
    """Killed before any of its calls and run again: one step back, held, and nothing rejected but the champion."""
    for shift in (POOREST, POOR, BEST):
        studio.nightly(shift)
    for moment in count():
        held = copy.deepcopy(registry)

        def die(number, _name, moment=moment):
            if number == moment:
                raise Killed

        try:
            rollback.rollback("dots", "sees ghosts", FakeClient(held, die), studio.state)
        except Killed:
            rollback.rollback("dots", "sees ghosts", FakeClient(held), studio.state)
        else:
            break
        assert alias(held) == 2
        assert [n for n, one in held.versions["dots"].items() if model_versions.REJECTED in one.tags] == [3]
        assert "rushes.rollback" not in held.models["dots"].tags
    assert moment > 8


def test_a_poor_challenger_is_not_crowned_while_the_alias_is_missing(registry, studio):
    """It is compared with the last champion of the history, and the way to put the alias back is shown."""
    studio.nightly(POOREST)
    studio.nightly(BEST)
    FakeClient(registry).delete_registered_model_alias("dots", CHAMPION)
    poor = studio.nightly(POOR)
    same = studio.nightly(BEST)

    assert (poor.promoted, alias(registry)) == (False, None)
    assert "compared with dots v2, the last champion" in poor.reasons[-1]
    assert (same.promoted, same.version) == (False, 2)
    assert "open version 2 in MLflow's pages and give it the alias champion" in same.reasons[-1]


def test_the_champion_before_is_the_yardstick_once_the_champion_was_deleted(registry, studio):
    """The poorest is not promoted as the first one; what is better than the champion before, is."""
    studio.nightly(POOR)
    studio.nightly(GOOD)
    FakeClient(registry).delete_model_version("dots", "2")
    poorest = studio.nightly(POOREST)
    deleted = studio.nightly(GOOD)
    best = studio.nightly(BEST)

    assert (poorest.promoted, deleted.registered, deleted.promoted) == (False, False, False)
    assert "was deleted by hand; it is not registered again" in deleted.reasons[0]
    assert (best.promoted, best.champion_before, alias(registry)) == (True, 1, best.version)


def test_a_deleted_version_comes_back_when_its_run_is_deleted_too(registry, studio):
    """The remedy that is printed, followed."""
    studio.nightly(POOR)
    studio.nightly(GOOD)
    client = FakeClient(registry)
    run = client.get_model_version("dots", "2").run_id
    client.delete_model_version("dots", "2")
    output = studio.nightly(GOOD)
    client.delete_run(run)
    back = studio.nightly(GOOD)

    assert f"delete its run {client.get_run(run).info.run_name} in MLflow's pages" in output.reasons[1]
    assert (back.registered, back.promoted, alias(registry)) == (True, True, 3)


def test_without_any_champion_left_promotion_stops(registry, studio):
    """The only champion was deleted: the poorest is not a beginning; given the alias by hand, it is."""
    studio.nightly(BEST)
    FakeClient(registry).delete_model_version("dots", "1")
    poorest = studio.nightly(POOREST)
    stopped = alias(registry)
    FakeClient(registry).set_registered_model_alias("dots", CHAMPION, str(poorest.version))
    better = studio.nightly(POOR)

    assert (poorest.registered, poorest.promoted, stopped) == (True, False, None)
    assert "the champions (v1) were deleted or rejected" in poorest.reasons[0]
    assert (better.promoted, better.champion_before) == (True, poorest.version)


@pytest.mark.parametrize("hours", [(0, -5, -9), (0, 9, 5), (0, 0, 0)])
def test_rollback_asks_no_clock(registry, studio, monkeypatch, hours):
    """With clocks behind, ahead and standing still, the champion before comes back."""
    for shift, hour in zip((POOREST, POOR, BEST), hours, strict=True):
        monkeypatch.setattr(model_versions, "now", lambda hour=hour: f"2026-03-04T{10 + hour:02d}:00:00.000+00:00")
        studio.nightly(shift)
    done = rollback.rollback("dots", "sees ghosts", FakeClient(registry), studio.state)

    assert (done.rejected, done.restored, alias(registry)) == (3, 2, 2)


def test_a_registry_without_a_history_is_read_by_its_chain(registry, studio):
    """Registered by an older version, with clocks behind: champion_before has the order."""
    for shift in (POOREST, POOR, BEST):
        studio.nightly(shift)
    del registry.models["dots"].tags[model_versions.CHAMPIONS]
    for number, version in registry.versions["dots"].items():
        version.tags[model_versions.CHAMPION_SINCE] = f"2026-03-0{9 - number}"
    done = rollback.rollback("dots", "sees ghosts", FakeClient(registry), studio.state)

    assert (done.rejected, done.restored) == (3, 2)


def test_rollback_without_alias_names_the_last_champion(registry, studio):
    """It does not guess what a person has taken away."""
    studio.nightly(POOREST)
    FakeClient(registry).delete_registered_model_alias("dots", CHAMPION)
    with pytest.raises(NothingToRestoreError, match="dots v1 was the last champion") as error:
        rollback.rollback("dots", "sees ghosts", FakeClient(registry), studio.state)

    assert "give it the alias champion" in error.value.remedy


@pytest.mark.parametrize("tag", [model_versions.HOLD, model_versions.CHAMPIONS, model_versions.ROLLBACK])
@pytest.mark.parametrize("text", ["{", "7", '{"rejected": "x"}', "\x00"])
def test_a_tag_that_cannot_be_read_holds_the_family(registry, studio, tag, text):
    """Edited by hand: named, nothing moves, and release clears it."""
    studio.nightly(POOREST)
    registry.models["dots"].tags[tag] = text
    held = studio.nightly(POOR)
    (listed,) = rollback.champions(FakeClient(registry))
    text_is_log = tag == model_versions.CHAMPIONS and text.startswith('{"')
    if text_is_log:  # a table without any of its fields is an empty one
        return
    assert (held.promoted, tag in held.held, tag in str(listed.hold)) == (False, True, True)
    assert rollback.release("dots", FakeClient(registry)) is not None
    assert (studio.nightly(POOR).promoted, alias(registry)) == (True, 2)


@pytest.mark.parametrize("tag", ["rushes.measured", "rushes.objective", "rushes.champion_before"])
def test_a_versions_tag_that_cannot_be_read_is_left_out(registry, studio, tag):
    """The decision is reported without it."""
    studio.nightly(POOREST)
    registry.versions["dots"][1].tags[tag] = "{nonsense"

    assert studio.nightly(POOREST).version == 1


def _lose_to_v2(client):
    """Tags v1 as where its mover has lost the lease to that of v2 and has not ended."""
    client.set_model_version_tag("dots", "1", model_versions.DECIDED_ON, "")


def test_a_move_that_is_about_to_be_put_back_is_not_inherited(registry, studio, monkeypatch):
    """A mover that lost its lease sets the alias late: the next one compares with the champion on record."""
    studio.nightly(POOREST)
    studio.nightly(BEST)
    client = FakeClient(registry)
    _lose_to_v2(client)
    real = model_versions.standing
    asked = []

    def late(*about):
        asked.append(about)
        if len(asked) == 2:  # after the run has read who is champion
            client.set_registered_model_alias("dots", CHAMPION, "1")
        return real(*about)

    monkeypatch.setattr(model_versions, "standing", late)
    assert not studio.nightly(GOOD).promoted
    assert len(asked) > 2
    assert (alias(registry), real(client, "dots").log.history) == (2, [1, 2])


def test_a_killed_move_is_put_back_by_the_tags_of_now(registry, studio):
    """A version that was read before, and then moved the alias against the record: its old tags do not count."""
    studio.nightly(POOREST)
    studio.nightly(BEST)
    client = FakeClient(registry)
    before = model_versions.read_version(client, "dots", 1)
    _lose_to_v2(client)
    client.set_registered_model_alias("dots", CHAMPION, "1")

    assert alias_moves.repaired(client, "dots", [before]).champion.number == 2
    assert alias(registry) == 2


@pytest.mark.parametrize(("wrote_s", "waited_s"), [(0.1, 1.0), (4.0, 5.0)])
def test_a_mover_waits_for_others_that_are_as_slow(registry, studio, monkeypatch, wrote_s, waited_s):
    """A second where the server is quick; longer than its own read and write where passwords make it slow."""
    studio.nightly(POOREST)
    clock, slept = itertools.chain([0.0, 0.0, 0.0], itertools.repeat(wrote_s)), []
    monkeypatch.setattr(alias_moves, "HANDOVER_S", 1.0)
    monkeypatch.setattr(alias_moves.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(alias_moves.time, "sleep", slept.append)
    standing = alias_moves._Lease(FakeClient(registry), "dots", 2).take()

    assert slept == [waited_s]
    assert (standing.log.to, standing.log.history, standing.log.done) == (2, [1], False)


def test_a_lease_that_another_wrote_meanwhile_is_not_held(registry, studio, monkeypatch):
    """The one that writes last moves: the other reads a foreign token after its wait, and begins again."""
    studio.nightly(POOREST)
    client, other = FakeClient(registry), alias_moves._Lease(FakeClient(registry), "dots", 3)
    wrote = []

    def meanwhile(_seconds):
        if not wrote:
            wrote.append(other.token)
            other.write([1])

    monkeypatch.setattr(alias_moves.time, "sleep", meanwhile)
    monkeypatch.setattr(alias_moves.runs, "is_dead", lambda _owner: True)  # so that nobody waits for the other's end
    lease = alias_moves._Lease(client, "dots", 2)
    tokens = []
    real = lease.write
    monkeypatch.setattr(lease, "write", lambda history: tokens.append(real(history)))

    assert lease.take().log.token == lease.token
    assert len(tokens) == 2


def test_several_at_once(registry, studio, monkeypatch):
    """Four machines register four bundles in the same second: the best is champion, and the history leads to it."""
    monkeypatch.setattr(alias_moves, "LEASE_S", 60.0)
    monkeypatch.setattr(alias_moves, "POLL_S", 0.001)
    decisions = register_at_once(studio.root, "dots", (POOREST, 24.0, POOR, BEST))
    best = max(decisions, key=lambda decision: decision.objective.challenger)

    assert len({decision.version for decision in decisions}) == 4
    assert model_versions.standing(FakeClient(registry), "dots").champion.digest == best.digest
    assert consistent(registry)
