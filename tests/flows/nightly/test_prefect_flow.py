"""The nightly run in Prefect, with a real server and stub steps."""

import json
import os
from contextlib import contextmanager

import pytest
import requests

from flows.nightly import failures, publish
from flows.servers import servers
from flows.servers.environment import TELEMETRY_OFF
from flows.servers.servers import PREFECT, free_port, start, stop_own, wait_healthy
from tests.support.nightly import SAME

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A Prefect server for these tests."""
    state = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in TELEMETRY_OFF.items():
            patch.setenv(name, value)
        server = start(state, PREFECT, free_port(), "a run")
        wait_healthy([server], deadline_s=servers.DEADLINE_S)
        yield server
    stop_own(state, [server])


@pytest.fixture
def run_flow(server, world, monkeypatch):
    """Runs the flow with the stubs; returns its final state."""
    monkeypatch.setitem(os.environ, "PREFECT_API_URL", server.api)
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings  # noqa: PLC0415  # once the address is set

    from flows.nightly import prefect_flow as nightly  # noqa: PLC0415 - Prefect reads the environment on import

    @contextmanager
    def planted(*_):
        yield world.run().session

    monkeypatch.setattr(nightly, "session", planted)
    monkeypatch.setattr(publish, "to_mlflow", lambda _run: "")
    monkeypatch.setattr(failures, "BACKOFF_S", 0.05)
    with temporary_settings({PREFECT_API_URL: server.api, PREFECT_API_AUTH_STRING: server.login}):
        yield lambda **how: nightly.nightly(return_state=True, **how)
        nightly.flush()


def task_runs(server, state):
    """Name -> (state's name, its message), as finally stored in Prefect."""
    asked = {"flow_runs": {"id": {"any_": [str(state.state_details.flow_run_id)]}}}
    found = requests.post(f"{server.api}/task_runs/filter", json=asked, timeout=30, auth=login_of(server)).json()
    return {run["name"]: (run["state_name"], (run["state"] or {}).get("message")) for run in found}


def test_transient_fault_is_retried_and_passes(server, world, run_flow):
    """The network fails twice, the third attempt succeeds, and the run is completed."""
    world.break_stage("train@expression", "transient", "connection reset", times=2)
    state = run_flow()

    assert state.is_completed()
    assert world.asked.count("train@expression") == 3
    _eventually(lambda: task_runs(server, state)["train@expression"][0] == "Completed")


def test_lasting_fault_is_not_retried_and_its_reason_comes_first(server, world, run_flow):
    """After one attempt the other family succeeds, and the flow run ends as failed with the reason."""
    world.break_stage("train@expression", "user", "out of memory in epoch 12", "a smaller batch")
    state = run_flow()

    assert state.is_failed()
    assert state.message.startswith("expression: train, out of memory in epoch 12")
    assert world.asked.count("train@expression") == 1
    assert "register@scene" in world.asked
    _eventually(lambda: task_runs(server, state)["train@expression"][0] == "Failed")


def test_transient_fault_that_stays_fails_after_all_tries(world, run_flow):
    """Retries have an end."""
    world.break_stage("train@scene", "transient", "connection reset")
    state = run_flow()

    assert state.is_failed()
    assert world.asked.count("train@scene") == failures.TRIES + 1


def test_skipped_stage_is_shown_as_such_in_prefect(server, world, run_flow, monkeypatch):
    """One task per stage, with the state `Skipped` and DVC's text; summary and link are artifacts for a browser."""
    page = "http://127.0.0.1:5000/#/experiments/1"
    monkeypatch.setattr(publish, "to_mlflow", lambda _run: page)
    world.changes = dict.fromkeys(world.changes, SAME)
    state = run_flow()

    _eventually(lambda: task_runs(server, state)["train@scene"][0] == "Skipped")
    assert task_runs(server, state)["train@scene"][1] == "skipped: same data, params and code"
    artifacts = requests.post(f"{server.api}/artifacts/filter", json={}, timeout=30, auth=login_of(server)).json()
    assert {"nightly", "report"} <= {artifact["key"] for artifact in artifacts}
    assert page in "".join(artifact["data"] for artifact in artifacts if artifact["key"] == "report")
    assert not any("file://" in artifact["data"] for artifact in artifacts)


def test_parameters_are_typed(run_flow):
    """Input from the form is checked before anything starts."""
    from prefect.exceptions import ParameterTypeError  # noqa: PLC0415  # heavy, and needed only here

    for wrong in ({"families": ["expresion"]}, {"epochs": -1}, {"overrides": "three"}):
        state = run_flow(**wrong)
        with pytest.raises(ParameterTypeError):
            state.result()


def test_what_the_form_sends_is_honoured(world, run_flow):
    """The server accepts the form, untouched and filled in; the run has its params, and invalid input is refused."""
    from prefect.client.orchestration import get_client  # noqa: PLC0415 - Prefect reads the environment on import
    from prefect.exceptions import PrefectHTTPStatusError  # noqa: PLC0415  # likewise

    from flows.nightly.prefect_flow import nightly  # noqa: PLC0415  # likewise

    untouched = {name: field["default"] for name, field in nightly.parameters.properties.items()}
    sent = {"families": ["expression"], "epochs": 3, "overrides": {"expression.train.learning_rate": 0.002}}
    with get_client(sync_client=True) as client:
        schema = nightly.parameters.model_dump()
        form = client.create_deployment(client.create_flow(nightly), "form", parameter_openapi_schema=schema)
        client.create_flow_run_from_deployment(form, parameters=untouched)
        run = client.create_flow_run_from_deployment(form, parameters=untouched | sent)
        with pytest.raises(PrefectHTTPStatusError, match="epochs"):
            client.create_flow_run_from_deployment(form, parameters=untouched | {"epochs": "three"})
    run_flow(**run.parameters)

    last = json.loads((world.root / ".state/last-trial.json").read_text())
    assert last["overrides"] == {"expression.train.epochs": 3, "expression.train.learning_rate": 0.002}
    assert last["families"] == ["expression"]


def test_slot_of_a_run_is_known_to_the_next_server(tmp_path):
    """A machine that loses power during a scheduled run: the slot's lease is stored, and can expire.

    In memory alone it would be lost and the slot stay taken, so that Prefect would cancel all later runs.
    """
    with _prefect(tmp_path) as first:
        _answer(first, "", {"name": "runs", "limit": 1})
        taken = _answer(first, "increment-with-lease", {"slots": 1, "names": ["runs"]}).json()
        first.process.kill()
    with _prefect(tmp_path) as second:
        renewed = _answer(second, f"leases/{taken['lease_id']}/renew", {})

    assert renewed.status_code == 204


@contextmanager
def _prefect(state):
    """A Prefect server with that state, stopped at the end of the block."""
    server = start(state, PREFECT, free_port(), "a run")
    try:
        wait_healthy([server])
        yield server
    finally:
        stop_own(state, [server])


def login_of(server):
    """User name and password."""
    return tuple(server.login.split(":"))


def _answer(server, path, asked):
    """The server's response, retried while it is busy: at its start the database may be locked for a moment."""
    until, url = servers.time.monotonic() + servers.DEADLINE_S, f"{server.api}/v2/concurrency_limits/{path}"
    while (answer := requests.post(url, json=asked, timeout=30, auth=login_of(server))).status_code >= 500:
        assert servers.time.monotonic() < until, answer.text
        servers.time.sleep(0.2)
    assert answer.ok, answer.text
    return answer


def _eventually(holds, deadline_s=20.0):
    """Retries a check: Prefect stores task runs from events, a moment later."""
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


def test_killed_run_is_closed_by_the_next(run_flow):
    """The flow run of a killed process and its task are Crashed; one of another checkout is not changed."""
    from prefect.client.orchestration import get_client  # noqa: PLC0415 - Prefect reads the environment on import
    from prefect.states import Running  # noqa: PLC0415  # likewise

    from flows.nightly import prefect_flow as nightly  # noqa: PLC0415  # likewise
    from flows.servers import crashed_runs  # noqa: PLC0415  # likewise

    mine = run_flow()
    with get_client(sync_client=True) as client:
        tags = client.read_flow_run(mine.state_details.flow_run_id).tags
        started = [client.create_flow_run(nightly.nightly, tags=own, state=Running()) for own in (tags, ["checkout:x"])]
        task = client.create_task_run(nightly.task(lambda: None), started[0].id, "x", state=Running())
        run_flow()
        found = [client.read_flow_run(run.id).state for run in started]
        task_state = client.read_task_run(task.id).state

    assert [state.name for state in found] == ["Crashed", "Running"]
    assert (found[0].message, task_state.name) == (crashed_runs.MESSAGE, "Crashed")
