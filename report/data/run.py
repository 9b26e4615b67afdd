"""Record of a run as the flow saw it: filled by flows, read by the page, the table and the pager.

Everything but `started` has a default, so a run that died early can still be reported.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, field_validator

from rushes.redaction import redact

State = Literal["ran", "skipped", "failed", "not reached"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class StageRun(_Part):
    """One row of the stage table.

    Attributes:
        name: As a person reads it and DVC calls it: `train@expression`; acts of the flow too: `register@expression`.
        family: The family that it belongs to; None for what all share (`clean@faces`, `version`).
        why: `skipped: same data, params and code`, `params changed: expression.train.epochs`, or the failure.
    """

    name: str
    family: str | None = None
    state: State
    why: str = ""
    seconds: float = 0.0

    @field_validator("why")
    @classmethod
    def _without_secrets(cls, text: str) -> str:
        return redact(text)

    @property
    def stage(self) -> str:
        """The name without its item: `train` of `train@expression`."""
        return self.name.partition("@")[0]

    @property
    def item(self) -> str:
        """The part after the @: a collection or a family; empty if there is none."""
        return self.name.partition("@")[2]

    @property
    def done(self) -> bool:
        """True if running again would skip it."""
        return self.state in ("ran", "skipped")


class Failure(_Part):
    """Failure of a stage, or of the whole run, as text for a person.

    Attributes:
        family: None if it is not the matter of one family (the data, the registry, the disk).
        remedy: What fixes it; empty if `again` is all there is.
        log: Path of the log as a person would type it; empty if there is none.
        log_tail: Its last lines.
        resumes: What running again starts from (`resumes at epoch 12`); empty if from the start of the stage.
        again: The command that runs it again.
        unfit: Whether nothing is broken, and nothing that was made holds what was asked for.
    """

    family: str | None = None
    stage: str
    message: str
    remedy: str = ""
    log: str = ""
    log_tail: list[str] = []
    resumes: str = ""
    again: str = "make nightly"
    unfit: bool = False

    @field_validator("message", "remedy", "log_tail", "again")
    @classmethod
    def _without_secrets(cls, text: str | list[str]) -> str | list[str]:
        return redact(text) if isinstance(text, str) else [redact(line) for line in text]


class NightlyRun(_Part):
    """One run of the nightly or of a trial.

    Attributes:
        seconds: The whole run, set-up included.
        record: The commit that holds the tree that ran; empty if there is none.
        data_md5: The version of datasets/ (from datasets.dvc).
        starter: Whether the data are the starter collection: then the page carries its notices.
        stages: In the order in which they were reached.
        champions: The version in use of each family as the run ends; None for a family with none yet. The whole is
            None if the registry could not be asked.
        urls: Where the servers answer, by name (`mlflow`, `prefect`); empty if they were stopped with the run.
        overrides: What `--set` changed, by key.
    """

    started: datetime
    finished: datetime | None = None
    seconds: float = 0.0
    mode: Literal["nightly", "trial"] = "nightly"
    families: list[str] = []
    record: str = ""
    data_md5: str = ""
    starter: bool = False
    stages: list[StageRun] = []
    failures: list[Failure] = []
    champions: dict[str, int | None] | None = {}
    urls: dict[str, str] = {}
    overrides: dict[str, Any] = {}

    @property
    def failed(self) -> bool:
        """True if the run ends as failed."""
        return bool(self.failures) or any(stage.state == "failed" for stage in self.stages)

    @property
    def unfit(self) -> bool:
        """True if all that failed is that nothing holds what was asked for."""
        return bool(self.failures) and all(failure.unfit for failure in self.failures)

    @property
    def ended(self) -> datetime:
        """Time at which it finished, or started if the end was not recorded."""
        return self.finished or self.started

    def state(self, stage: str, item: str) -> State | None:
        """State of a stage in this run; None if the run does not list it."""
        states = [run.state for run in self.stages if run.name == f"{stage}@{item}"]
        return states[-1] if states else None

    def decided(self, family: str) -> bool:
        """True if build/F/decision.json is tonight's: a family that failed still has the file of an earlier run."""
        state = self.state("register", family)
        if state is not None:
            return state in ("ran", "skipped")
        touched = [failure.family for failure in self.failures] + [
            run.family for run in self.stages if run.state in ("failed", "not reached")
        ]
        return family not in touched and None not in touched
