"""The decision of `register`, as the flow writes it to build/F/decision.json."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from registry.promotion.rules import Gain

Outcome = Literal["promoted", "kept", "held", "other branch", "not asked", "no champion left"]


class Decision(BaseModel):
    """The action of `register` and its reasons, for the table, the report and the notification.

    Attributes:
        family: The family.
        version: The version of the bundle.
        digest: Digest of the bundle.
        registered: True if this run registered it; False if it was a version already.
        promoted: True if this run made it champion.
        champion_before: The champion's version when this run began.
        champion_after: The champion's version when it ended.
        reasons: As text, objections first.
        objective: Name, both values, gain and its interval.
        fp32: The objective of the graphs before compression, from the certificate.
        compressed: The objective after compression.
        size_bytes: Of the graphs: `fp32`, `compressed` and `champion`; of all shipped files: `bundle`.
        latency_ms: From the certificate: `fp32` and `compressed`; interleaved on this machine: `challenger`,
            `champion`.
        held: The reason of the family's hold.
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
