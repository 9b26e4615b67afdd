"""The nightly as a deployment: Prefect starts it by cron, and by a person's click."""

from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType

from flows.nightly import nightly

NAME = "nightly"


def serve(cron: str, zone: str) -> None:
    """Waits for nights to start, until stopped. While nobody serves, the schedule is paused: none pile up."""
    nightly.serve(
        name=NAME,
        description="Every family, retrained on the data as they are. With overrides it is a trial.",
        schedule=Cron(cron, timezone=zone),
        limit=1,
        # A night that should start while another runs is dropped: tomorrow has one too.
        global_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW),
        entrypoint_type=EntrypointType.MODULE_PATH,
        print_starting_message=False,
    )
