"""MLflow runs: one a training, identified by its key, logged to live, and never left RUNNING.

MLflow is only accessed through its server. Its import takes seconds, so that is done on first use.
"""

from __future__ import annotations

import json
import os
import platform
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import psutil
import requests

from common.settings import export_logins
from rushes.errors import TransientError, UserError
from rushes.redaction import redact, split_login

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow import MlflowClient
    from mlflow.entities import Param, Run, RunInfo

    from registry.mlflow.lightning_logger import RunLogger

# Tags on runs, models and versions; see mlflow/README.md.
FAMILY = "rushes.family"
KEY = "rushes.key"
DIGEST = "rushes.digest"
OWNER = "rushes.owner"
# Environment variable with the run that a training logs to, in place of the run of its key: a trial of a search.
OWN_RUN = "_RUSHES_MLFLOW_RUN"

HEALTH_TIMEOUT_S = 10.0
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # Its own default waits four minutes before it reports that a server is down.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
}


class RegistryError(UserError):
    """Raised if the registry cannot do something; `remedy` is a command that fixes it."""


class RegistryDownError(TransientError):
    """Raised if the MLflow server does not answer; worth a retry."""


def address() -> str:
    """The MLflow server of this run, from MLFLOW_TRACKING_URI; empty if there is none.

    A login in it is moved to MLFLOW_TRACKING_USERNAME and _PASSWORD, since MLflow prints the address in its messages.
    """
    uri, login = split_login(os.environ.get("MLFLOW_TRACKING_URI", ""))
    if login:
        export_logins(mlflow=login)
        os.environ["MLFLOW_TRACKING_URI"] = uri
    return uri.rstrip("/")


def client(uri: str = "") -> MlflowClient:
    """A client of the server at `uri`, or else of the one in the environment.

    Raises:
        RegistryError: None is configured, or it is not a server but a folder or a database.
        RegistryDownError: It does not answer.
    """
    uri, login = split_login(uri.rstrip("/") or address())
    export_logins(mlflow=login)
    if not uri:
        message = "no MLflow server is configured"
        raise RegistryError(message, "start one with: make up, or name the team's as registry.url in settings.toml")
    if urlsplit(uri).scheme not in {"http", "https"}:
        message = f"{redact(uri)} is not an MLflow server: only a server may open folders and databases"
        raise RegistryError(message, "give registry.url in settings.toml as http://HOST:PORT")
    _check_health(uri)
    silence()
    from registry.mlflow.retrying_client import RetryingClient  # noqa: PLC0415  MLflow takes two seconds; not every run needs it

    return RetryingClient(uri, uri)


def silence() -> None:
    """Turns off MLflow's telemetry, progress bars and long waits; call it before importing MLflow."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


def _check_health(uri: str) -> None:
    try:
        answer = requests.get(f"{uri}/health", timeout=HEALTH_TIMEOUT_S, auth=http_login())
    except requests.RequestException as error:
        message = f"MLflow does not answer at {uri}: check with make status, then run again"
        raise RegistryDownError(message) from error
    if answer.status_code in (requests.codes.unauthorized, requests.codes.forbidden):
        message = f"MLflow at {uri} refuses the login (status {answer.status_code})"
        raise RegistryError(message, "export MLFLOW_TRACKING_USERNAME=NAME MLFLOW_TRACKING_PASSWORD=PASSWORD")
    if answer.status_code >= requests.codes.server_error:
        message = f"MLflow answers {answer.status_code} at {uri}: look at its log, then run again"
        raise RegistryDownError(message)


def http_login() -> tuple[str, str] | None:
    """The login that MLflow's client sends, for requests that are not made by it."""
    user, password = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD")
    return (user, password) if user and password else None


def transient(error: BaseException) -> bool:
    """True if a retry may help: the network or the server failed, not the request itself."""
    if isinstance(error, (TransientError, ConnectionError, TimeoutError, requests.ConnectionError, requests.Timeout)):
        return True
    status = getattr(error, "get_http_status_code", lambda: 0)()
    return bool(status >= requests.codes.server_error or status == requests.codes.too_many_requests)


def flat(params: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Flattens nested params to `train.epochs: "16"`; lists as JSON."""
    result: dict[str, str] = {}
    for key, value in params.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            result |= flat(value, f"{name}.")
        else:
            result[name] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return result


def experiment(mlflow: MlflowClient, family: str) -> str:
    """Id of the family's experiment; created, or restored after deletion, if necessary."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415  # MLflow takes seconds to import

    found = mlflow.get_experiment_by_name(family)
    if found is None:
        try:
            return str(mlflow.create_experiment(family))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return experiment(mlflow, family)  # another machine was faster
    if found.lifecycle_stage == "deleted":
        mlflow.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def find_experiment(mlflow: MlflowClient, family: str) -> str:
    """Id of the family's experiment; empty if it does not exist. The id of a name never changes."""
    found = mlflow.get_experiment_by_name(family)
    return "" if found is None else str(found.experiment_id)


def runs(mlflow: MlflowClient, family: str, condition: str, where: str = "") -> list[Run]:
    """The family's runs that match a condition in MLflow's filter language, the oldest first."""
    where = where or find_experiment(mlflow, family)
    return list(mlflow.search_runs([where], condition, order_by=["attributes.start_time ASC"])) if where else []


def by_key(mlflow: MlflowClient, family: str, key: str, where: str = "") -> list[Run]:
    """The runs of one training, the first one first."""
    return runs(mlflow, family, f"tags.`{KEY}` = '{key}'", where)


def create_run(mlflow: MlflowClient, family: str, key: str, tags: Mapping[str, str] | None = None) -> Run:
    """A new run of a key, RUNNING and owned by this process."""
    return open_run(mlflow, family, f"{family} {key[:8]}", {FAMILY: family, KEY: key, **(tags or {})})


def open_run(mlflow: MlflowClient, where: str, title: str, tags: Mapping[str, str]) -> Run:
    """A new run in the experiment `where`, RUNNING; owned by this process, so that it is ended if that is killed."""
    return mlflow.create_run(experiment(mlflow, where), tags={OWNER: me(), **tags}, run_name=title)


def fresh_params(run: Run, params: Mapping[str, str]) -> list[Param]:
    """The params that the run does not have yet; MLflow refuses to change one."""
    from mlflow.entities import Param  # noqa: PLC0415  # MLflow takes seconds to import

    return [Param(key, value) for key, value in params.items() if key not in run.data.params]


def run_logger(family: str, key: str, params: Mapping[str, Any]) -> RunLogger | None:
    """The Lightning logger of a training: on the run of a key, created if there is none.

    A killed training continues in its run, and a trial of a search logs to the run that the search has opened. Only
    rank 0 uses the server.

    Returns:
        None if MLFLOW_TRACKING_URI is empty: `register` then creates the run from the files.

    Raises:
        RegistryDownError: The server does not answer.
    """
    if not address():
        return None
    silence()
    from registry.mlflow.lightning_logger import RunLogger, is_rank_zero  # noqa: PLC0415  imports PyTorch

    if not is_rank_zero():
        return RunLogger(address(), "")
    mlflow = client()
    where = find_experiment(mlflow, family)
    end_abandoned(mlflow, family, where)
    own = os.environ.get(OWN_RUN)
    known = [mlflow.get_run(own)] if own else by_key(mlflow, family, key, where)
    run = reopen(mlflow, known[0]) if known else create_run(mlflow, family, key)
    mlflow.log_batch(run.info.run_id, params=fresh_params(run, flat(params)))
    return RunLogger(address(), run.info.run_id, resumed=bool(known))


def reopen(mlflow: MlflowClient, run: Run) -> Run:
    """Sets a run RUNNING again, owned by this process."""
    mlflow.set_tag(run.info.run_id, OWNER, me())
    mlflow.update_run(run.info.run_id, status="RUNNING")
    return run


def finish(logger: RunLogger | None, *, failed: bool = False) -> None:
    """Ends the run of a training. Lightning does so too; this is for failures outside its Trainer."""
    if logger is not None:
        logger.finalize("failed" if failed else "success")


def end_abandoned(mlflow: MlflowClient, family: str, where: str = "") -> list[str]:
    """Ends the runs of an experiment that dead processes of this machine left RUNNING.

    Runs of other machines are left to them, since their processes cannot be examined from here. `where` is the id of
    the experiment, if known.

    Returns:
        The ids of the ended runs.
    """
    ended = []
    for run in runs(mlflow, family, "attributes.status = 'RUNNING'", where):
        if is_dead(run.data.tags.get(OWNER, "")):
            mlflow.set_terminated(run.info.run_id, "KILLED")
            ended.append(run.info.run_id)
    return ended


def page(uri: str, *parts: str) -> str:
    """A page of MLflow's interface, in the mode for models; without the last parameter it opens the one for prompts.

    The interface routes behind the hash, so the mode is read there.
    """
    return f"{uri}/#/{'/'.join(quote(part, safe='') for part in parts)}?workflowType=machine_learning"


def run_page(uri: str, info: RunInfo, *parts: str) -> str:
    """The page of a run, or one below it, such as `artifacts`."""
    return page(uri, "experiments", str(info.experiment_id), "runs", str(info.run_id), *parts)


def close(mlflow: MlflowClient, run: Run) -> None:
    """Ends a run as FINISHED, unless it had ended when it was read."""
    if run.info.status == "RUNNING":
        mlflow.set_terminated(run.info.run_id, "FINISHED")


def me() -> str:
    """Identity of this process: machine, pid and start time, since a pid may be reused."""
    return f"{platform.node()} {os.getpid()} {psutil.Process().create_time():.0f}"


def is_dead(owner: str) -> bool:
    """True if the owner was a process of this machine that has ended; unknown for other machines, hence false."""
    parts = owner.rsplit(" ", 2)
    if len(parts) != len(("machine", "pid", "created")) or parts[0] != platform.node():
        return False
    try:
        return abs(psutil.Process(int(parts[1])).create_time() - float(parts[2])) > 1.0
    except psutil.NoSuchProcess:
        return True
    except (psutil.Error, ValueError):  # not accessible, or a tag written by hand
        return False


def metric_steps(mlflow: MlflowClient, run_id: str, name: str) -> set[int]:
    """The steps at which a run has a metric."""
    return {metric.step for metric in mlflow.get_metric_history(run_id, name)}
