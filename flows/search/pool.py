"""Trainings of a search side by side: one in each worktree, watched by one loop."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flows.cli.console import print_line
from flows.cli.progress import followed
from flows.servers.stopping import undisturbed
from registry.subprocesses import end
from training import storage

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from pathlib import Path

    from flows.search.tracking import SearchRuns
    from flows.search.training import Job, Trained, Training, TrialTree
    from models.family import Monitor
    from training.storage import Place

POLL_S = 0.2


@dataclass(frozen=True)
class Pool:
    """Worktrees in which trainings run side by side.

    Attributes:
        trees: The worktrees.
        runs: The runs in MLflow, of which each training has one.
        monitor: The figure by which trainings are compared.
        folder: Folder of the checkpoints of trainings in progress.
        logs: Folder of the logs.
        poll_s: Pause between looks at the processes.
    """

    trees: Sequence[TrialTree]
    runs: SearchRuns
    monitor: Monitor
    folder: Place
    logs: Path
    poll_s: float = POLL_S

    def run(self, next_job: Callable[[], Job | None]) -> Generator[tuple[Job, Trained]]:
        """Trains; a generator that is closed ends the processes of what is in progress.

        Args:
            next_job: Returns what is trained next, or None. It is called for each free worktree, at the start and
                whenever a training has ended.

        Yields:
            Each training as it ends, with its result.
        """
        free, running = list(self.trees), dict[str, _Running]()
        try:
            while True:
                while free and (job := next_job()) is not None:
                    tree = free.pop(0)
                    running[job.name] = self._start(tree, job)
                if not running:
                    return
                for job, trained in self._wait(list(running.values())):
                    free.append(running.pop(job.name).tree)
                    yield job, trained
        finally:
            with undisturbed():
                end(*(one.training.pid for one in running.values()))
                for one in running.values():
                    one.following.close()

    def _wait(self, running: Sequence[_Running]) -> Iterator[tuple[Job, Trained]]:
        """Yields the trainings that end first."""
        ended = False
        while not ended:
            for one in running:
                trained = one.training.poll()
                if trained is not None:
                    ended = True
                    self._close(one, trained)
                    yield one.job, trained
            if not ended:
                time.sleep(self.poll_s)

    def _start(self, tree: TrialTree, job: Job) -> _Running:
        run_id = self.runs.open_trial(job.title, job.name)
        log = self.logs / f"{job.name}.log"
        spelt = ", ".join(f"{path.removeprefix(f'{tree.family}.')}={value}" for path, value in job.changes.items())
        print_line(f"{job.title}: {spelt} ...")
        with ExitStack() as following:
            following.enter_context(followed(job.title, log))
            training = tree.start(job, self.folder / job.name, log, run_id)
            return _Running(job, tree, training, run_id, following.pop_all())

    def _close(self, one: _Running, trained: Trained) -> None:
        """Ends the run in MLflow; the checkpoints go once a training has ended by itself."""
        one.following.close()
        value = kept_figure(trained.rows, self.monitor) if trained.rows else None
        self.runs.close_trial(one.run_id, trained.state, value)
        storage.remove_folder(self.folder / one.job.name)


@dataclass(frozen=True)
class _Running:
    job: Job
    tree: TrialTree
    training: Training
    run_id: str
    following: ExitStack


def kept_figure(rows: Sequence[dict[str, float]], monitor: Monitor) -> float:
    """Figure of the epoch whose weights a training keeps."""
    figures = [row[monitor.name] for row in rows]
    return figures[-1] if monitor.mode == "last" else max(figures) if monitor.mode == "max" else min(figures)
