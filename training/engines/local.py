"""The engine `local`: this machine. Lightning starts the other processes, if there are several."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.fit import Devices

if TYPE_CHECKING:
    from common.settings import TrainingSettings
    from training.engines.work import Work
    from training.fit import Fitted


def run(work: Work, training: TrainingSettings) -> Fitted:
    """Trains in this process."""
    return work(Devices(training.accelerator, training.devices, training.strategy, training.threads, gpu=training.gpu))
