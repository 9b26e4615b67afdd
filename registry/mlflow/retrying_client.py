"""MLflow's client with fewer requests, and with retries for rows that two machines write at the same moment.

MLflow's server first checks whether a row exists and then inserts it. If two clients log the same dataset, or set the
same tag or alias, for the first time, the slower one violates the database's unique constraint: its transaction is
rolled back, and the response is 400 with the database's message (mlflow/store/db/utils.py). Ten registrars at once meet
it about once in five rounds. On a retry the call finds the row and succeeds.

Before each write to a model, MLflow's client reads the whole model to see whether it is a prompt, since models and
prompts share their names. Here every write follows a read that has found the model, and `ensure_model` refuses the name
of a prompt.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")
TRIES = 5
# SQLite and MySQL report IntegrityError, psycopg UniqueViolation; the last: MLflow after three tries of its own.
_COLLISION = re.compile(r"IntegrityError|UniqueViolation|Model Version creation error")


def collided(error: MlflowException) -> bool:
    """True if the server refused a row because another client had just inserted the same one."""
    return bool(_COLLISION.search(str(error)))


def _retried(method: Callable[P, R]) -> Callable[P, R]:
    @functools.wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        for _ in range(TRIES - 1):
            try:
                return method(*args, **kwargs)
            except MlflowException as error:
                if not collided(error):
                    raise
        return method(*args, **kwargs)

    return call


class RetryingClient(MlflowClient):
    """An MlflowClient that retries a write if another client inserted the row first.

    It does not read a model before each write to it; an MLflow without that read is unaffected.
    """

    def _raise_if_prompt(self, name: str) -> None:
        """Does nothing."""

    create_model_version = _retried(MlflowClient.create_model_version)
    log_batch = _retried(MlflowClient.log_batch)
    log_inputs = _retried(MlflowClient.log_inputs)
    set_model_version_tag = _retried(MlflowClient.set_model_version_tag)
    set_registered_model_alias = _retried(MlflowClient.set_registered_model_alias)
    set_registered_model_tag = _retried(MlflowClient.set_registered_model_tag)
    set_tag = _retried(MlflowClient.set_tag)
