"""The decision of `register`, as the flow writes it to build/F/decision.json."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from registry.promotion.rules import Gain

Outcome = Literal["promoted", "kept", "held", "other branch", "not asked", "no champion left"]


class Decision(BaseModel):
    """The action of `register` and its reasons, for the table, the report and the pager.

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
        run_id: The run in MLflow.
        run_url: The run in MLflow's pages.
        version_url: The version there; empty if a person has deleted it.
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
    run_id: str = ""
    run_url: str
    version_url: str = ""
