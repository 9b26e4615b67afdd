"""Closes Prefect's flow runs of killed nightly runs; otherwise they would stay Running.

A flow run is tagged with its checkout once it holds the lock of that checkout. The holder of the lock therefore knows
that every other open flow run with the tag belongs to a dead process.
"""

import socket
from pathlib import Path

import prefect.runtime
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Crashed

MESSAGE = "its process was killed; closed by the next run of this checkout"
OPEN = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]


def tag_of(state: Path) -> str:
    """Tag of flow runs that hold the lock in a state folder."""
    return f"checkout:{socket.gethostname()}:{state}"


def close_killed(state: Path) -> list[str]:
    """Tags the current flow run with its checkout, and sets earlier open ones with the tag to Crashed.

    Call it inside the flow, with the lock of the checkout held.

    Returns:
        Names of the closed flow runs.
    """
    with get_client(sync_client=True) as client:
        tag, current = tag_of(state), client.read_flow_run(prefect.runtime.flow_run.id)
        tags = FlowRunFilterTags(all_=[tag])
        states = FlowRunFilterState(type=FlowRunFilterStateType(any_=OPEN))
        found = client.read_flow_runs(flow_run_filter=FlowRunFilter(tags=tags, state=states))
        killed = [run for run in found if run.id != current.id]
        for run in killed:
            _close(client, run)
        client.update_flow_run(current.id, tags=sorted({*current.tags, tag}))
        return [run.name for run in killed]


def _close(client: SyncPrefectClient, run: FlowRun) -> None:
    """Sets a flow run and its open tasks to Crashed, which also releases its concurrency slot."""
    states = TaskRunFilterState(type=TaskRunFilterStateType(any_=OPEN))
    tasks = client.read_task_runs(
        flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id])), task_run_filter=TaskRunFilter(state=states)
    )
    for task in tasks:
        client.set_task_run_state(task.id, Crashed(message=MESSAGE), force=True)
    client.set_flow_run_state(run.id, Crashed(message=MESSAGE), force=True)
