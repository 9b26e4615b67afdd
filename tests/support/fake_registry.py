"""MLflow's client without a server: models, versions, aliases, tags and runs in memory, with the server's semantics.

tests/registry/mlflow/test_fake_registry.py runs the same calls against this fake and a real server.
"""

# ruff: noqa: D102, EM101, TRY003  # the calls are documented by MLflow, the messages are words of a fake
from __future__ import annotations

import shutil
from collections import defaultdict
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_ALREADY_EXISTS, RESOURCE_DOES_NOT_EXIST
from mlflow.store.entities import PagedList

if TYPE_CHECKING:
    from collections.abc import Callable


class FakeRegistry:
    """Contents of a server. `clients` use it; its artifacts lie in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.models: dict[str, SimpleNamespace] = {}
        self.versions: dict[str, dict[int, SimpleNamespace]] = defaultdict(dict)
        self.taken: dict[str, int] = defaultdict(int)
        self.experiments: dict[str, SimpleNamespace] = {}
        self.runs: dict[str, SimpleNamespace] = {}
        self.clock = count(1)


class FakeClient:
    """The calls of MlflowClient that the registry makes.

    Args:
        registry: The server.
        before: Called with the number and the name of every call, before it is made.
    """

    tracking_uri = "http://fake"

    def __init__(self, registry: FakeRegistry, before: Callable[[int, str], None] | None = None) -> None:
        self._held = registry
        self._before = before
        self.calls: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        value = object.__getattribute__(self, name)
        if name.startswith("_") or name in {"calls", "tracking_uri"}:
            return value

        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls.append(name)
            if self._before is not None:
                self._before(len(self.calls) - 1, name)
            return value(*args, **kwargs)

        return call

    def _model(self, name: str) -> SimpleNamespace:
        if name not in self._held.models:
            raise _missing("Registered Model", name)
        return self._held.models[name]

    def _version(self, name: str, number: str) -> SimpleNamespace:
        if int(number) not in self._held.versions[name]:
            raise _missing("Model Version", name, number)
        return self._held.versions[name][int(number)]

    def _run(self, run_id: str) -> SimpleNamespace:
        if run_id not in self._held.runs:
            raise _missing("Run", run_id)
        return self._held.runs[run_id]

    def create_registered_model(self, name: str, tags: dict[str, str], description: str = "") -> None:
        if name in self._held.models:
            raise _taken("Registered Model", name)
        self._held.models[name] = SimpleNamespace(name=name, tags=dict(tags), aliases={}, description=description)

    def get_registered_model(self, name: str) -> SimpleNamespace:
        if "mlflow.prompt.is_prompt" in self._model(name).tags:
            raise _missing("Registered Model", name)
        return _copy(self._model(name))

    def update_registered_model(self, name: str, description: str) -> None:
        self._model(name).description = description

    def search_registered_models(self, **_: Any) -> PagedList:
        return PagedList([_copy(model) for model in self._held.models.values()], None)

    def set_registered_model_tag(self, name: str, key: str, value: str) -> None:
        self._model(name).tags[key] = value

    def delete_registered_model_tag(self, name: str, key: str) -> None:
        self._model(name).tags.pop(key, None)

    def set_registered_model_alias(self, name: str, alias: str, version: str) -> None:
        self._version(name, version)
        self._model(name).aliases[alias] = str(version)

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        self._model(name).aliases.pop(alias, None)

    def create_model_version(
        self, name: str, source: str, run_id: str, tags: dict[str, str], await_creation_for: int = 0,
        description: str = "",
    ) -> SimpleNamespace:  # fmt: skip
        del await_creation_for
        self._model(name)
        self._held.taken[name] += 1  # the number of a deleted version is never given again
        number = self._held.taken[name]
        made = SimpleNamespace(
            name=name, version=str(number), source=source, run_id=run_id, tags=dict(tags), description=description
        )
        self._held.versions[name][number] = made
        return _copy(made)

    def get_model_version(self, name: str, version: str) -> SimpleNamespace:
        return _copy(self._version(name, version))

    def update_model_version(self, name: str, version: str, description: str) -> None:
        self._version(name, version).description = description

    def search_model_versions(self, condition: str, **_: Any) -> PagedList:
        wanted = _conditions(condition)
        return PagedList(
            [
                _copy(one)
                for one in self._held.versions[wanted.pop("name")].values()
                if all(one.tags.get(key) == value for key, value in wanted.items())
            ],
            None,
        )

    def set_model_version_tag(self, name: str, version: str, key: str, value: str) -> None:
        self._version(name, version).tags[key] = value

    def delete_model_version_tag(self, name: str, version: str, key: str) -> None:
        self._version(name, version).tags.pop(key, None)

    def delete_model_version(self, name: str, version: str) -> None:
        self._version(name, version)
        del self._held.versions[name][int(version)]
        aliases = self._model(name).aliases
        for alias in [alias for alias, number in aliases.items() if number == str(version)]:
            del aliases[alias]

    def get_experiment_by_name(self, name: str) -> SimpleNamespace | None:
        return self._held.experiments.get(name)

    def create_experiment(self, name: str) -> str:
        if name in self._held.experiments:
            raise _taken("Experiment", name)
        number = str(len(self._held.experiments) + 1)
        self._held.experiments[name] = SimpleNamespace(experiment_id=number, lifecycle_stage="active")
        return number

    def create_run(self, experiment_id: str, tags: dict[str, str], run_name: str) -> SimpleNamespace:
        started = next(self._held.clock)
        run_id = f"run{started}"
        info = SimpleNamespace(
            run_id=run_id, run_name=run_name, experiment_id=experiment_id, status="RUNNING", start_time=started,
            artifact_uri=f"mlflow-artifacts:/{experiment_id}/{run_id}/artifacts", lifecycle_stage="active",
        )  # fmt: skip
        data = SimpleNamespace(tags=dict(tags), params={}, metrics={})
        self._held.runs[run_id] = SimpleNamespace(info=info, data=data, points=[])
        return self._snapshot(run_id)

    def _snapshot(self, run_id: str) -> SimpleNamespace:
        """A copy: the results of earlier calls do not change."""
        run = self._run(run_id)
        return SimpleNamespace(info=_copy(run.info), data=_copy(run.data))

    def get_run(self, run_id: str) -> SimpleNamespace:
        return self._snapshot(run_id)

    def search_runs(self, experiments: list[str], condition: str, **_: Any) -> list[SimpleNamespace]:
        wanted = _conditions(condition)
        found = [run for run in self._held.runs.values() if run.info.experiment_id in experiments]
        return [
            self._snapshot(run.info.run_id)
            for run in found
            if run.info.lifecycle_stage == "active"
            and all((run.info.status if key == "status" else run.data.tags.get(key)) == wanted[key] for key in wanted)
        ]

    def set_tag(self, run_id: str, key: str, value: str) -> None:
        self._run(run_id).data.tags[key] = value

    def log_batch(self, run_id: str, metrics: Any = (), params: Any = (), tags: Any = ()) -> None:
        run = self._run(run_id)
        for param in params:
            if run.data.params.setdefault(param.key, param.value) != param.value:
                raise _unchangeable(param.key)
        run.data.metrics |= {metric.key: metric.value for metric in metrics}
        run.data.tags |= {tag.key: tag.value for tag in tags}
        run.points += [point for point in metrics if point not in run.points]

    def get_metric_history(self, run_id: str, name: str) -> list[Any]:
        return [point for point in self._run(run_id).points if point.key == name]

    def log_inputs(self, run_id: str, datasets: Any) -> None:
        del datasets
        self._run(run_id)

    def update_run(self, run_id: str, status: str) -> None:
        self._run(run_id).info.status = status

    def set_terminated(self, run_id: str, status: str) -> None:
        self._run(run_id).info.status = status

    def delete_run(self, run_id: str) -> None:
        self._run(run_id).info.lifecycle_stage = "deleted"

    def _place(self, run_id: str, name: str) -> Path:
        path = self._held.folder / run_id / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def log_artifact(self, run_id: str, path: str, folder: str = ".") -> None:
        shutil.copyfile(path, self._place(run_id, f"{folder}/{Path(path).name}"))

    def log_artifacts(self, run_id: str, folder: str, name: str = ".") -> None:
        shutil.copytree(folder, self._place(run_id, name), dirs_exist_ok=True)

    def log_text(self, run_id: str, text: str, name: str) -> None:
        self._place(run_id, name).write_text(text)


def download(client: FakeClient, version: Any, draft: Path) -> Path:
    """Replaces `catalogue._download`, without a server."""
    return Path(shutil.copytree(client._held.folder / version.run_id / "bundle", draft / "bundle"))


def _conditions(text: str) -> dict[str, str]:
    """Parses `name = 'a' AND tags.`b` = 'c'` into a table."""
    pairs = (part.split(" = ") for part in text.split(" AND ") if part)
    return {key.removeprefix("tags.").removeprefix("attributes.").strip("`"): value.strip("'") for key, value in pairs}


def _copy(one: SimpleNamespace) -> SimpleNamespace:
    return SimpleNamespace(**{key: dict(value) if type(value) is dict else value for key, value in vars(one).items()})


def _missing(*what: str) -> MlflowException:
    return MlflowException(f"{' '.join(what)} not found", error_code=RESOURCE_DOES_NOT_EXIST)


def _taken(*what: str) -> MlflowException:
    return MlflowException(f"{' '.join(what)} already exists", error_code=RESOURCE_ALREADY_EXISTS)


def _unchangeable(param: str) -> MlflowException:
    return MlflowException(f"changing param {param} is not allowed", error_code=INVALID_PARAMETER_VALUE)
