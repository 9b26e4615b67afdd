"""The Lightning logger of a training: MLFlowLogger on an existing run, which ignores points that the run already has.

Separate from runs.py because it needs PyTorch; registration and rollback do not.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from mlflow.exceptions import MlflowException
from pytorch_lightning.loggers import MLFlowLogger
from pytorch_lightning.utilities import rank_zero_only

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

EPOCH = "epoch"  # Lightning logs it with every metric; its chart is a straight line


def is_rank_zero() -> bool:
    """True for the process of a training that logs and writes."""
    return int(getattr(rank_zero_only, "rank", 0) or 0) == 0


class RunLogger(MLFlowLogger):
    """Logs to one run, in batches.

    A resumed training repeats steps that it has logged before: those are dropped. A lost server does not end the
    training: it is reported once, and `register` adds the missing points from history.csv.

    Args:
        uri: Address of the server.
        run_id: Id of the run; empty in processes that do not log.
        resumed: True if the run may have points already.
    """

    def __init__(self, uri: str, run_id: str, *, resumed: bool = False) -> None:
        super().__init__(tracking_uri=uri, run_id=run_id)
        self._resumed = resumed
        self._seen: dict[str, set[int]] = {}
        self._lost = False

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Logs those metrics of a step that the run lacks."""
        self._try(lambda: self._log_fresh(metrics, step or 0))

    @rank_zero_only
    def log_hyperparams(self, params: object, *args: object, **kwargs: object) -> None:
        """Does nothing: params are logged when the run is opened, from params.yaml and not from a module."""

    @rank_zero_only
    def finalize(self, status: str = "success") -> None:
        """Ends the run, as FINISHED or FAILED."""
        self._lost = False  # try again to log the end
        self._try(lambda: self._end(status))

    def _end(self, status: str) -> None:
        _ = self.experiment  # an opened run is ended, even if nothing was logged
        super().finalize(status)

    def _log_fresh(self, metrics: Mapping[str, float], step: int) -> None:
        wanted = {name: value for name, value in metrics.items() if name != EPOCH}
        fresh = {name: value for name, value in wanted.items() if not self._has(name, step)}
        if fresh:
            super().log_metrics(fresh, step)

    def _has(self, name: str, step: int) -> bool:
        if not self._resumed:
            return False
        if name not in self._seen:
            points = self.experiment.get_metric_history(str(self.run_id), name)
            self._seen[name] = {point.step for point in points}
        return step in self._seen[name]

    def _try(self, act: Callable[[], None]) -> None:
        if self._lost:
            return
        try:
            act()
        except (MlflowException, OSError) as error:
            self._lost = True
            message = f"MLflow cannot be written to; the training continues without it: {error}"
            warnings.warn(message, RuntimeWarning, stacklevel=3)
