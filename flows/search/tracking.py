"""A search in MLflow: one run, with a nested run for each training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from registry.mlflow import runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from mlflow import MlflowClient

SEARCH, TRIAL, RESULT = "rushes.search", "rushes.search_trial", "rushes.search_result"
PARENT = "mlflow.parentRunId"
STATUS = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}


@dataclass(frozen=True)
class SearchRuns:
    """The runs of a search.

    Attributes:
        client: Returns a client of the server, which is started again if it has died.
        family: The family, whose experiment holds the runs.
        parent: Id of the search's own run.
    """

    client: Callable[[], MlflowClient]
    family: str
    parent: str

    def open_trial(self, title: str, name: str) -> str:
        """Opens the nested run of a training, which logs its params and figures there; a retry continues in its run.

        Returns:
            The id of the run.
        """
        mlflow = self.client()
        known = runs.runs(mlflow, self.family, f"tags.`{PARENT}` = '{self.parent}' and tags.`{TRIAL}` = '{name}'")
        if known:
            return str(runs.reopen(mlflow, known[0]).info.run_id)
        tags = {runs.FAMILY: self.family, PARENT: self.parent, TRIAL: name}
        return str(runs.open_run(mlflow, self.family, title, tags).info.run_id)

    def close_trial(self, run_id: str, state: str, value: float | None) -> None:
        """Ends it. A pruned training was ended by the search: KILLED."""
        mlflow = self.client()
        if value is not None:
            mlflow.log_metric(run_id, "search_value", value)
        mlflow.set_tag(run_id, RESULT, state)
        mlflow.set_terminated(run_id, STATUS[state])

    def close(self, figures: Mapping[str, float], files: Iterable[Path], verdict: str) -> None:
        """Ends the search's run, with its figures, its page and its patch."""
        mlflow = self.client()
        for name, value in figures.items():
            mlflow.log_metric(self.parent, name, value)
        for path in files:
            mlflow.log_artifact(self.parent, str(path))
        mlflow.set_tag(self.parent, "mlflow.note.content", verdict)
        mlflow.set_terminated(self.parent, "FINISHED")

    def abandon(self) -> None:
        """Ends the search's run, and the nested runs of the trainings in progress, as KILLED."""
        mlflow = self.client()
        condition = f"attributes.status = 'RUNNING' and tags.`{PARENT}` = '{self.parent}'"
        for run_id in [run.info.run_id for run in runs.runs(mlflow, self.family, condition)] + [self.parent]:
            mlflow.set_terminated(run_id, "KILLED")


def open_runs(client: Callable[[], MlflowClient], family: str, study: str, params: Mapping[str, Any]) -> SearchRuns:
    """Opens the run of a search; one that was stopped continues in its run."""
    mlflow = client()
    runs.end_abandoned(mlflow, family)
    known = runs.runs(mlflow, family, f"tags.`{SEARCH}` = '{study}'")
    if known:
        run = runs.reopen(mlflow, known[0])
    else:
        run = runs.open_run(mlflow, family, f"search {study}", {runs.FAMILY: family, SEARCH: study})
    mlflow.log_batch(run.info.run_id, params=runs.fresh_params(run, runs.flat(params)))
    return SearchRuns(client, family, str(run.info.run_id))
