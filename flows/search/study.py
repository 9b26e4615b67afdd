"""The study: Optuna's storage, the order of trials, and what a killed search has left.

A *trial number* here counts configurations. Optuna's own number counts attempts: a configuration whose process was
killed is tried a second time. Sampler and pruner draw by (seed, trial number) and ignore the killed attempt, so a
search that was killed continues as if it had not been.
"""

from __future__ import annotations

import warnings
import zlib
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import optuna
from optuna.pruners import HyperbandPruner
from optuna.samplers import TPESampler
from optuna.trial import TrialState
from sqlalchemy import create_engine, inspect
from sqlalchemy.exc import SQLAlchemyError

from registry.mlflow.runs import is_dead, me
from rushes.errors import UserError
from rushes.redaction import join_login

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

    from common.settings import SearchSettings

NUMBER, OWNER, KILLED, STOPPED = "number", "owner", "killed", "stopped"  # user attributes of a trial
REASON, BEGAN, SECONDS = "reason", "began", "seconds"
RANDOM_TRIALS = 5  # of each bracket of Hyperband, before TPE has something to learn from
REDUCTION = 3  # of so many trials that reach a checkpoint of a bracket, one goes on
SHORTEST = REDUCTION**2  # no trial is pruned before this part of its epochs
ATTEMPTS = 2
NOWHERE = -1  # bracket of an attempt that counts for nothing


class StorageError(UserError):
    """Raised if the storage of studies cannot be opened."""


class Brackets(HyperbandPruner):
    """Hyperband with brackets by seed and trial number, which a second attempt shares with the killed one.

    Optuna's own go by the name of the study and the number of the attempt.

    Args:
        seed: Of the search.
        epochs: The most epochs of a trial.
    """

    def __init__(self, seed: int, epochs: int) -> None:
        shortest = min(epochs, max(2, epochs // SHORTEST))  # the learning rate still rises in the first epoch
        super().__init__(min_resource=shortest, max_resource=epochs, reduction_factor=REDUCTION)
        self._seed = seed

    def _get_bracket_id(self, study: Study, trial: FrozenTrial) -> int:
        del study
        if trial.user_attrs.get(KILLED):
            return NOWHERE
        number = trial.user_attrs.get(NUMBER, trial.number)
        named: Any = SimpleNamespace(study_name=self._seed, number=number)
        return super()._get_bracket_id(named, named)


@dataclass
class SearchStudy:
    """A study of one search.

    Attributes:
        study: Optuna's.
        distributions: Of the searched params.
        seed: Of the sampler.
    """

    study: Study
    distributions: Mapping[str, Any]
    seed: int

    def attempts(self, number: int) -> list[FrozenTrial]:
        """The attempts of a trial, the last one is the one that counts."""
        return self._attempts().get(number, [])

    def ended(self) -> dict[int, FrozenTrial]:
        """The trials that have ended, by number; without those that are to be tried again."""
        return {
            number: attempts[-1]
            for number, attempts in self._attempts().items()
            if attempts[-1].state.is_finished() and not self._may_retry(attempts)
        }

    def _attempts(self) -> dict[int, list[FrozenTrial]]:
        """The attempts of each trial, by number."""
        trials = [trial for trial in self.study.get_trials(deepcopy=False) if NUMBER in trial.user_attrs]
        numbers = sorted({trial.user_attrs[NUMBER] for trial in trials})
        return {number: [trial for trial in trials if trial.user_attrs[NUMBER] == number] for number in numbers}

    def close_killed(self) -> list[int]:
        """Fails the attempts of dead processes; returns their trial numbers."""
        found = []
        for trial in self.study.get_trials(states=(TrialState.RUNNING,)):
            owner = trial.user_attrs.get(OWNER, "")
            if not owner or is_dead(owner) or owner == me():
                self._mark(trial, KILLED, value=True)
                self.study.tell(trial.number, state=TrialState.FAIL)
                found.append(trial.user_attrs.get(NUMBER, trial.number))
        return found

    def next_trial(self, default: Mapping[str, Any]) -> Trial:
        """Asks for the params of the next trial: the default first, then a killed trial again, then a new one."""
        waiting = self.study.get_trials(states=(TrialState.WAITING,))
        number = waiting[0].user_attrs[NUMBER] if waiting else self._enqueue(default)
        self.study.sampler = TPESampler(
            seed=zlib.crc32(f"{self.seed} {number}".encode()), n_startup_trials=RANDOM_TRIALS, multivariate=True,
            constant_liar=True,  # trials in progress count as bad ones, so that the next one is not beside them
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Fixed parameter")  # a default outside the ranges
            trial = self.study.ask(fixed_distributions=dict(self.distributions))
        trial.set_user_attr(OWNER, me())
        return trial

    def spans(self) -> list[tuple[float, float]]:
        """Begin and seconds of all attempts, killed ones included."""
        attributes = [trial.user_attrs for trial in self.study.get_trials(deepcopy=False)]
        return [(one[BEGAN], one[SECONDS]) for one in attributes if SECONDS in one]

    def _enqueue(self, default: Mapping[str, Any]) -> int:
        """Puts the next trial into the queue, so that its number is known before its params are drawn."""
        taken = {*self.ended(), *self._running()}
        number = next(count for count in range(len(taken) + 1) if count not in taken)
        before = self.attempts(number)
        fixed = before[-1].params if before else dict(default) if number == 0 else {}
        self.study.enqueue_trial(fixed, user_attrs={NUMBER: number, OWNER: me()})
        return number

    def _running(self) -> set[int]:
        """Trials in progress: of this search, and of other machines that share the storage."""
        return {trial.user_attrs[NUMBER] for trial in self.study.get_trials(states=(TrialState.RUNNING,))}

    def _may_retry(self, attempts: list[FrozenTrial]) -> bool:
        if attempts[-1].user_attrs[NUMBER] == 0 and attempts[-1].state == TrialState.FAIL:
            return True  # there is no search without the default
        counted = [
            attempt for attempt in attempts if not attempt.user_attrs.get(STOPPED)
        ]  # a person may stop a search often
        return bool(attempts[-1].user_attrs.get(KILLED)) and len(counted) < ATTEMPTS

    def _mark(self, trial: FrozenTrial, name: str, *, value: object) -> None:
        self.study._storage.set_trial_user_attr(trial._trial_id, name, value)  # noqa: SLF001 - of a trial of another process


def open_study(
    settings: SearchSettings,
    state: Path,
    name: str,
    *,
    less_is_better: bool,
    epochs: int,
    distributions: Mapping[str, Any],
    seed: int,
) -> SearchStudy:
    """Opens a study, or creates it.

    Args:
        settings: Address of the storage; empty: a file in the state folder.
        state: The state folder.
        name: Name of the study.
        less_is_better: True if the monitored figure is to be low.
        epochs: The most epochs of a trial.
        distributions: Of the searched params.
        seed: Of the sampler.

    Raises:
        StorageError: The storage cannot be opened.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    (state / "search").mkdir(parents=True, exist_ok=True)
    url = join_login(settings.url, settings.login) if settings.url else f"sqlite:///{state / 'search' / 'optuna.db'}"
    try:
        _check_own(url, settings.url)
        study = optuna.create_study(
            storage=url,
            study_name=name,
            direction="minimize" if less_is_better else "maximize",
            pruner=Brackets(seed, epochs),
            load_if_exists=True,
        )
    except (SQLAlchemyError, RuntimeError, ImportError) as error:
        where = settings.url or f"{state / 'search' / 'optuna.db'}"
        message = f"the storage of searches cannot be opened: {where}: {str(error).splitlines()[0]}"
        raise StorageError(
            message, "correct search.url in settings.toml, or leave it empty: a file is then used"
        ) from error
    return SearchStudy(study, distributions, seed)


def _check_own(url: str, shown: str) -> None:
    """Refuses the database of another program, such as MLflow: both keep the version of their tables in one table.

    Raises:
        StorageError: It is one.
    """
    engine = create_engine(url)
    try:
        names = inspect(engine).get_table_names()
    finally:
        engine.dispose()
    if "alembic_version" in names and "studies" not in names:
        message = f"{shown} is the database of another program, such as MLflow, whose tables would clash with Optuna's"
        raise StorageError(message, "CREATE DATABASE optuna on the same server, and name that in search.url")
