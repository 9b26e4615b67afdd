"""Settings of the environment: settings.toml, overridden by environment variables. No setting may change a result."""

from __future__ import annotations

import os
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ModelWrapValidatorHandler, PrivateAttr, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from common.commands import set_aside
from common.renamed_keys import describe, find_renamed
from common.yaml_files import YamlFileError, read_plain_text
from rushes.errors import MisuseError
from rushes.redaction import Login, split_login

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

FILE = "settings.toml"
PREFIX = "RUSHES_"
RENAMED_SETTINGS = {
    "schedule.zone": "schedule.timezone",
    "schedule.dead_after_s": "schedule.heartbeat_timeout_s",
    "budget.machine": "budget.processor",
}


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _AddressTable(_Table):
    """Table whose `url` may be given with user name and password; the stored `url` has no login."""

    url: str = ""
    _login: Login = PrivateAttr(default=Login())

    @property
    def login(self) -> Login:
        """User name and password from the given address."""
        return self._login

    @model_validator(mode="wrap")
    @classmethod
    def _take_login(cls, given: object, validate: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(given, dict) or not isinstance(given.get("url"), str):
            return validate(given)
        url, login = split_login(given["url"])
        table = validate({**given, "url": url})
        table._login = login  # noqa: SLF001 - of the object that is being made
        return table


class RegistrySettings(_AddressTable):
    """MLflow server. Empty `url`: the server of `make up`, or one started for the run and stopped after it.

    `host`: the address on which the server of `make up` listens; 0.0.0.0 for all addresses of this machine. The server
    does not require a password.
    """

    port: int = Field(5000, ge=1, le=65535)
    host: str = Field("127.0.0.1", min_length=1)


class PrefectSettings(_AddressTable):
    """Prefect server. Empty `url`: the server of `make up`, or one started for the run and stopped after it."""

    port: int = Field(4200, ge=1, le=65535)


class RemoteSettings(_AddressTable):
    """DVC remote with the team's data. Empty: no remote; the data is only on this machine."""


class ScheduleSettings(_Table):
    """Schedule of the run. 04:15 exists once every night, even when clocks change.

    `heartbeat_timeout_s`: seconds without a heartbeat after which Prefect marks a run as crashed. A run sends a
    heartbeat every 30 s.
    """

    cron: str = "15 4 * * *"
    timezone: str = "UTC"
    heartbeat_timeout_s: int = Field(300, ge=60)


Choice = Literal["auto", "on", "off"]


class GpuSettings(_Table):
    """Use of a GPU. None of these changes a result by more than the order of its sums does.

    Attributes:
        resident_share: Share of the device's free memory up to which a whole split is kept there; a larger one is
            copied batch by batch, ahead of its use.
        channels_last: Memory format of convolutions.
        fused: The optimiser's update of all weights in one kernel.
        compile: The networks' forward and backward pass through torch.compile.
        cuda_graphs: The same, recorded once as CUDA graphs; `on` compiles the networks too.
    """

    resident_share: float = Field(0.25, ge=0.0, le=1.0)
    channels_last: Choice = "auto"
    fused: Choice = "auto"
    compile: Choice = "auto"
    cuda_graphs: Choice = "auto"


class TrainingSettings(_Table):
    """Place and number of the processes that train a network; docs/cluster.md describes each engine.

    Attributes:
        engine: `local`: this machine; `torchrun`: the nodes that torchrun or srun start; `ray`: a Ray cluster.
        accelerator: For Lightning's Trainer.
        devices: Devices per node; for `local` and `torchrun`.
        strategy: `ddp`: every process keeps all weights; `fsdp`: each keeps a share of them, not for `ray`; `auto`:
            `ddp` if there are several processes.
        threads: CPU threads of each process; 0: all cores, or with `ray` as many as it reserves.
        num_nodes: Nodes of `torchrun`.
        address: HOST:PORT; for `torchrun` where the nodes meet, the first of them; for `ray` that of an existing
            cluster, which if empty is started for the run and stopped after it.
        workers: Processes of `ray`.
        min_workers: Processes with which `ray` and `torchrun` go on after nodes have left; 0: as many as at first.
        resources_per_worker: Resources that Ray reserves for each process.
        node_timeout_s: Seconds that a node which has left is waited for; for `torchrun`, that further nodes are waited
            for once there are enough.
        storage: Folder or s3:// address of the checkpoints, which every node can reach; empty: in `state`.
        keep_days: Days that the checkpoints of a training which was given up, its set, and compiled kernels are kept.
        gpu: Use of a GPU.
    """

    engine: Literal["local", "torchrun", "ray"] = "local"
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: int = Field(1, ge=1)
    strategy: Literal["auto", "ddp", "fsdp"] = "auto"
    threads: int = Field(0, ge=0)
    num_nodes: int = Field(1, ge=1)
    address: str = ""
    workers: int = Field(1, ge=1)
    min_workers: int = Field(0, ge=0)
    resources_per_worker: dict[str, float] = {"CPU": 1.0}
    node_timeout_s: int = Field(30, ge=1)
    storage: str = ""
    keep_days: int = Field(14, ge=1)
    gpu: GpuSettings = GpuSettings()


class SigningSettings(_Table):
    """Private key (PEM) with which `register` signs bundles. Empty: bundles are not signed."""

    key: str = ""


class BudgetSettings(_Table):
    """Processor to which the milliseconds of budgets in params.yaml apply. Empty: that of the compressing machine."""

    processor: str = ""


class NotifySettings(_Table):
    """Command that receives the pager's text on standard input when a run fails. Empty: none."""

    command: str = ""


class SearchSettings(_AddressTable):
    """Database of the searches for params, for Optuna. Empty `url`: a file in `state`."""


class _SettingsFile(TomlConfigSettingsSource):
    """Source of settings.toml, with or without the byte order mark that Windows adds to UTF-8."""

    def _read_file(self, file_path: Path | Traversable) -> dict[str, Any]:
        return tomllib.loads(file_path.read_text(encoding="utf-8-sig"))


class Settings(BaseSettings):
    """All settings; see settings.example.toml."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, toml_file=FILE
    )

    registry: RegistrySettings = RegistrySettings()
    prefect: PrefectSettings = PrefectSettings()
    remote: RemoteSettings = RemoteSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    training: TrainingSettings = TrainingSettings()
    notify: NotifySettings = NotifySettings()
    signing: SigningSettings = SigningSettings()
    budget: BudgetSettings = BudgetSettings()
    search: SearchSettings = SearchSettings()
    state: Path = Path(".state")  # servers' databases, checkpoints, locks, logs

    @model_validator(mode="before")
    @classmethod
    def _refuse_renamed(cls, given: object) -> object:
        if renamed := find_renamed(given, RENAMED_SETTINGS) if isinstance(given, dict) else {}:
            raise RenamedSettingError(renamed)
        return given

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # pydantic passes it by name
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # pydantic passes it by name
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Sources in order of precedence: the environment, then the file; there is no other source."""
        assert isinstance(env_settings, EnvSettingsSource)  # noqa: S101 - pydantic's own
        # RUSHES_REGISTRY is the variable of `rushes pull` in the wheel; here the variable is RUSHES_REGISTRY__URL.
        env_settings.env_vars = {key: value for key, value in env_settings.env_vars.items() if key != "rushes_registry"}
        return init_settings, env_settings, _SettingsFile(settings_cls)


class RenamedSettingError(MisuseError):
    """Old name of a setting, in the file or in the environment."""

    def __init__(self, renamed: Mapping[str, str]) -> None:
        there = {name.upper() for name in os.environ}
        messages = []
        for old, new in renamed.items():
            if _variable(old) in there:
                messages.append(f"{describe(_variable(old), _variable(new))}; rename it in the environment")
            else:
                messages.append(f"{describe(old, new)}; rename it in {FILE}")
        super().__init__("; ".join(messages), f"{FILE.replace('.', '.example.')} has every setting")


def _variable(path: str) -> str:
    """Environment variable of a setting."""
    return PREFIX + path.upper().replace(".", "__")


class SettingsFileError(MisuseError):
    """Unreadable settings.toml; `remedy` is a command that moves it away."""

    def __init__(self, why: str) -> None:
        remedy = f"{set_aside([FILE], Path())}   # then write it again: {FILE.replace('.', '.example.')} has all"
        super().__init__(f"{FILE} {why}", remedy)


def _check_file(path: Path) -> None:
    """Refuses a file that would raise an error deep inside a library, or be ignored as if there were no settings."""
    if not os.path.lexists(path):
        return
    try:
        with suppress(tomllib.TOMLDecodeError):  # raised again later, with the line
            tomllib.loads(read_plain_text(path).removeprefix("\ufeff"))
    except RecursionError as error:
        message = "is nested too deeply"
        raise SettingsFileError(message) from error
    except FileNotFoundError as error:
        message = f"cannot be read: {error.strerror}"
        raise SettingsFileError(message) from error
    except YamlFileError as error:
        message = f"cannot be read: {error}"
        raise SettingsFileError(message) from error


def load_settings() -> Settings:
    """Reads settings.toml of the working folder and the environment (RUSHES_REGISTRY__URL=...).

    Raises:
        RenamedSettingError: A setting has its old name.
        SettingsFileError: settings.toml is not UTF-8, is not a file, is nested too deeply, or may not be read.
        tomllib.TOMLDecodeError: settings.toml is not valid TOML.
        pydantic.ValidationError: A key is unknown, or a value has another type.
    """
    _check_file(Path(FILE))
    settings = Settings()
    export_logins(settings.registry.login, settings.prefect.login)
    return settings


def export_logins(mlflow: Login = Login(), prefect: Login = Login()) -> None:  # noqa: B008 - immutable
    """Exports logins from addresses to the environment variables of the official clients."""
    if mlflow:
        os.environ |= {"MLFLOW_TRACKING_USERNAME": mlflow.user, "MLFLOW_TRACKING_PASSWORD": mlflow.password}
    if prefect:
        os.environ["PREFECT_API_AUTH_STRING"] = f"{prefect.user}:{prefect.password}"
