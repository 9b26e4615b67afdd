"""Policies of a training on Ray: the failures after which it is restarted, and the number of processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.exceptions import UserExceptionWithTraceback
from ray.train.v2._internal.execution.failure_handling import FailureDecision
from ray.train.v2._internal.execution.failure_handling.default import DefaultFailurePolicy
from ray.train.v2._internal.execution.scaling_policy.elastic import ElasticScalingPolicy
from ray.train.v2.api.config import FailureConfig, RunConfig, ScalingConfig
from ray.train.v2.torch.torch_trainer import TorchTrainer

from rushes.errors import RushesError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ray.train.v2.api.exceptions import TrainingFailedError


def own_error(failures: Mapping[int, BaseException]) -> RushesError | None:
    """The error of ours among those of the processes: the others fail because that one has gone."""
    for rank in sorted(failures):
        error: BaseException | None = failures[rank]
        while error is not None:
            if isinstance(error, UserExceptionWithTraceback):
                error = error._base_exc  # noqa: SLF001  # it has no public name
            if isinstance(error, RushesError):
                return error
            error = error.__cause__
    return None


class RetryLost(DefaultFailurePolicy):
    """Restarts after lost processes and nodes, and not after an error that would come again."""

    def make_decision(self, training_failed_error: TrainingFailedError) -> FailureDecision:
        """Decides as Ray does, but for errors that a person has to fix."""
        found = own_error(getattr(training_failed_error, "worker_failures", {}))
        if found is not None and not found.transient:
            return FailureDecision.RAISE
        return super().make_decision(training_failed_error)


class ElasticByCounts(ElasticScalingPolicy):
    """Trains with the largest possible number of processes among which the family's batches can be divided."""

    def __init__(self, scaling_config: ScalingConfig, counts: Sequence[int]) -> None:
        super().__init__(scaling_config)
        self.counts = counts

    def _count_possible_workers(self, reserved_resources: Any) -> int:  # noqa: ANN401  # Ray's own
        possible = super()._count_possible_workers(reserved_resources)
        return max((count for count in self.counts if count <= possible), default=0)


class Trainer(TorchTrainer):
    """Ray Train's trainer with these policies; it has no parameter for them."""

    def __init__(self, *given: Any, counts: Sequence[int], scaling: ScalingConfig, run: RunConfig, **more: Any) -> None:  # noqa: ANN401  # Ray's own
        super().__init__(*given, scaling_config=scaling, run_config=run, **more)
        self.counts, self.scaling, self.failures = counts, scaling, run.failure_config or FailureConfig()

    def _create_default_callbacks(self) -> Any:  # noqa: ANN401  # Ray's own
        # The cleaner asks the dashboard every 2 s, and writes to the log where there is none. What it removes belongs
        # to this driver, and Ray removes it when the driver ends.
        callbacks = super()._create_default_callbacks()
        return [one for one in callbacks if not isinstance(one, PlacementGroupCleanerCallback)]

    def _initialize_and_run_controller(self, **parts: Any) -> Any:  # noqa: ANN401  # Ray's own
        parts["failure_policy"] = RetryLost(self.failures)
        if self.scaling.elasticity_enabled:
            parts["scaling_policy"] = ElasticByCounts(self.scaling, self.counts)
        return super()._initialize_and_run_controller(**parts)
