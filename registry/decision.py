"""What `register` decided, as the flow writes it to build/F/decision.json."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from registry.promotion import Gain

Outcome = Literal["promoted", "kept", "held", "other branch", "not asked"]


class Decision(BaseModel):
    """What `register` did and why, for the table, the report and the pager.

    Attributes:
        family: Whose.
        version: The version that holds the bundle.
        digest: Of the bundle.
        registered: Whether this run made it a version; False when it was one already.
        promoted: Whether this run made it champion.
        champion_before: The champion's version when this run began.
        champion_after: And when it ended.
        reasons: In plain words, what speaks against it first.
        objective: Name, both sides, gain and its interval.
        fp32: The objective of the graphs before compression, as certified.
        compressed: And after.
        size_bytes: Of the graphs, `fp32`, `compressed` and `champion`; of all files that travel, `bundle`.
        latency_ms: As certified, `fp32` and `compressed`; measured in turns here, `challenger` and `champion`.
        held: Why the family is on hold.
        run_url: The run in MLflow's pages.
    """

    model_config = ConfigDict(extra="forbid")

    family: str
    version: int | None
    digest: str
    registered: bool
    promoted: bool
    champion_before: int | None
    champion_after: int | None
    reasons: list[str]
    objective: Gain
    fp32: float | None
    compressed: float | None
    size_bytes: dict[str, int]
    latency_ms: dict[str, float]
    held: str | None
    run_url: str
