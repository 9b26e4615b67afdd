"""The nightly as Prefect runs it, against a real server; what it runs is planted."""

import os
from contextlib import contextmanager

import pytest
import requests

from flows import failures, publish, servers
from flows.environment import TELEMETRY_OFF
from flows.servers import PREFECT, free_port, start, stop_own, wait_healthy
from tests.support.night import SAME

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A Prefect server of these tests' own."""
    state = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in TELEMETRY_OFF.items():
            patch.setenv(name, value)
        server = start(state, PREFECT, free_port(), "a run")
        wait_healthy([server], deadline_s=servers.DEADLINE_S)
        yield server
    stop_own(state, [server])


@pytest.fixture
def night(server, world, monkeypatch):
    """Runs the flow in the planted world; gives its final state."""
    monkeypatch.setitem(os.environ, "PREFECT_API_URL", server.api)
    from prefect.settings import PREFECT_API_URL, temporary_settings  # noqa: PLC0415  # after the server's address stands in the environment

    from flows import nightly  # noqa: PLC0415 - Prefect reads the environment when it is imported

    @contextmanager
    def planted(*_):
        yield world.run().session

    monkeypatch.setattr(nightly, "session", planted)
    monkeypatch.setattr(publish, "to_mlflow", lambda _run: "")
    monkeypatch.setattr(failures, "BACKOFF_S", 0.05)
    with temporary_settings({PREFECT_API_URL: server.api}):
        yield lambda **how: nightly.nightly(return_state=True, **how)
        nightly.flush()


def task_runs(server, state):
    """Name -> (state's name, its message), as Prefect knows them in the end."""
    asked = {"flow_runs": {"id": {"any_": [str(state.state_details.flow_run_id)]}}}
    found = requests.post(f"{server.api}/task_runs/filter", json=asked, timeout=30).json()
    return {run["name"]: (run["state_name"], (run["state"] or {}).get("message")) for run in found}


def test_transient_fault_is_retried_and_passes(server, world, night):
    """Twice the network is away, the third try gets through, and the night is done."""
    world.break_stage("train@expression", "transient", "connection reset", times=2)
    state = night()

    assert state.is_completed()
    assert world.asked.count("train@expression") == 3
    _eventually(lambda: task_runs(server, state)["train@expression"][0] == "Completed")


def test_lasting_fault_is_not_retried_and_its_reason_comes_first(server, world, night):
    """One try, the other family gets through, and the flow run ends as failed with the reason."""
    world.break_stage("train@expression", "user", "out of memory in epoch 12", "a smaller batch")
    state = night()

    assert state.is_failed()
    assert state.message.startswith("expression: train, out of memory in epoch 12")
    assert world.asked.count("train@expression") == 1
    assert "register@scene" in world.asked
    _eventually(lambda: task_runs(server, state)["train@expression"][0] == "Failed")


def test_transient_fault_that_stays_fails_after_all_tries(world, night):
    """Retries have an end."""
    world.break_stage("train@scene", "transient", "connection reset")
    state = night()

    assert state.is_failed()
    assert world.asked.count("train@scene") == failures.TRIES + 1


def test_skipped_stage_says_so_in_prefect(server, world, night):
    """A task a stage, its state `Skipped`, with the words of DVC; and the summary is an artifact."""
    world.changes = dict.fromkeys(world.changes, SAME)
    state = night()

    _eventually(lambda: task_runs(server, state)["train@scene"][0] == "Skipped")
    assert task_runs(server, state)["train@scene"][1] == "skipped: same data, params and code"
    artifacts = requests.post(f"{server.api}/artifacts/filter", json={}, timeout=30).json()
    assert {"nightly", "report"} <= {artifact["key"] for artifact in artifacts}


def test_parameters_are_typed(night):
    """What the UI's form sends is checked before anything starts."""
    from prefect.exceptions import ParameterTypeError  # noqa: PLC0415  # heavy, and only here

    for wrong in ({"families": ["expresion"]}, {"overrides": {"expression": {"train": {"epochs": "three"}}}}):
        state = night(**wrong)
        with pytest.raises(ParameterTypeError):
            state.result()


def test_slot_of_a_night_is_known_to_the_next_server(tmp_path):
    """A machine that loses its power amid a scheduled night: the slot's lease is still there to run out.

    In memory alone it would be lost and the slot stay taken, so that Prefect cancels every night to come.
    """
    with _prefect(tmp_path) as first:
        limits = f"{first.api}/v2/concurrency_limits"
        _answer(f"{limits}/", {"name": "nights", "limit": 1})
        taken = _answer(f"{limits}/increment-with-lease", {"slots": 1, "names": ["nights"]}).json()
        first.process.kill()
    with _prefect(tmp_path) as second:
        renewed = _answer(f"{second.api}/v2/concurrency_limits/leases/{taken['lease_id']}/renew", {})

    assert renewed.status_code == 204


@contextmanager
def _prefect(state):
    """A Prefect server on that state, gone with the block."""
    server = start(state, PREFECT, free_port(), "a run")
    try:
        wait_healthy([server])
        yield server
    finally:
        stop_own(state, [server])


def _answer(url, asked):
    """What the server answers, as soon as it is not busy: just started, its database may be locked for a moment."""
    until = servers.time.monotonic() + servers.DEADLINE_S
    while (answer := requests.post(url, json=asked, timeout=30)).status_code >= 500:
        assert servers.time.monotonic() < until, answer.text
        servers.time.sleep(0.2)
    assert answer.ok, answer.text
    return answer


def _eventually(holds, deadline_s=20.0):
    """Prefect writes task runs down from events, a moment later."""
    until = servers.time.monotonic() + deadline_s
    while True:
        try:
            assert holds()
        except (AssertionError, KeyError):
            if servers.time.monotonic() > until:
                raise
            servers.time.sleep(0.2)
        else:
            return
