"""The nightly flow as a deployment: Prefect starts it by cron, or on demand."""

from __future__ import annotations

import os
from datetime import timedelta

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy, StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType

from flows.nightly.form import describe_deployment
from flows.nightly.prefect_flow import SCHEDULER, nightly
from flows.servers import environment

NAME = "nightly"
AUTOMATION = "rushes: a run that was killed is marked as crashed"
# Runs that the runner accepts at a time. Only one may be active; the next is accepted, finds the slot taken, and is
# cancelled. With 1 it would wait, and start late, after the other has ended.
TAKEN_ON = 8


def serve(cron: str, timezone: str, heartbeat_timeout_s: int) -> None:
    """Waits for runs to start, until stopped. While this process does not run, the schedule is paused: none pile up.

    Args:
        cron: Schedule of the runs.
        timezone: The time zone of `cron`.
        heartbeat_timeout_s: Seconds without a heartbeat after which a run is marked as crashed.
    """
    _automate(heartbeat_timeout_s)
    os.environ[SCHEDULER] = str(os.getpid())
    nightly.serve(
        name=NAME,
        description=describe_deployment(environment.checkout_root()),
        schedule=Cron(cron, timezone=timezone),
        paused=False,
        limit=TAKEN_ON,
        # A run that is due while another is active is dropped: there is one tomorrow too.
        global_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW),
        entrypoint_type=EntrypointType.MODULE_PATH,
        print_starting_message=False,
    )


def _automate(timeout_s: int) -> None:
    """Has the server mark runs as crashed that were killed together with the scheduler, which would otherwise do it."""
    wanted = _automation(timeout_s)
    with get_client(sync_client=True) as client:
        known = client.read_automations_by_name(AUTOMATION)
        if known:
            client.update_automation(known[0].id, wanted)
        else:
            client.create_automation(wanted)


def _automation(timeout_s: int) -> AutomationCore:
    beat = "prefect.flow-run.heartbeat"
    ends = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed", "Nothing fits")}
    return AutomationCore(
        name=AUTOMATION,
        description=f"No heartbeat of a {NAME} for {timeout_s} s: its process was killed, or its machine is off.",
        trigger=EventTrigger(
            after={beat},
            expect={beat, *ends},
            match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
            match_related=ResourceSpecification({"prefect.resource.role": "flow", "prefect.resource.name": NAME}),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=timeout_s),
        ),
        actions=[
            ChangeFlowRunState(state=StateType.CRASHED, message=f"no sign of life for {timeout_s} s: it was killed")
        ],
    )
