"""Where things run: settings.toml, overridden by the environment. Nothing here may change a result."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RegistrySettings(_Table):
    """`url` empty: the MLflow server of `make up`, or one started for the run and stopped after it.

    `host`: the address at which that of `make up` answers; 0.0.0.0 for all of this machine's. It asks for no password.
    """

    url: str = ""
    port: int = Field(5000, ge=1, le=65535)
    host: str = Field("127.0.0.1", min_length=1)


class PrefectSettings(_Table):
    """`url` empty: the Prefect server of `make up`, or one started for the run and stopped after it."""

    url: str = ""
    port: int = Field(4200, ge=1, le=65535)


class RemoteSettings(_Table):
    """The DVC remote that holds the team's data. Empty: none, the data lives on this machine alone."""

    url: str = ""


class ScheduleSettings(_Table):
    """When the night starts. 04:15 exists once in every night, also when clocks change."""

    cron: str = "15 4 * * *"
    zone: str = "UTC"


class TrainingSettings(_Table):
    """The devices that training uses; handed to Lightning's Trainer."""

    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: int = Field(1, ge=1)
    strategy: Literal["auto", "ddp"] = "auto"
    threads: int = Field(0, ge=0)  # 0: all cores


class SigningSettings(_Table):
    """The private key (PEM) that `register` signs with. Empty: bundles are not signed."""

    key: str = ""


class BudgetSettings(_Table):
    """Whose milliseconds the budgets of params.yaml mean. Empty: those of the machine that compresses."""

    machine: str = ""


class NotifySettings(_Table):
    """A command that is given the pager's text on standard input when a night fails. Empty: none."""

    command: str = ""


class Settings(BaseSettings):
    """Every setting; see settings.example.toml."""

    model_config = SettingsConfigDict(
        env_prefix="RUSHES_", env_nested_delimiter="__", extra="forbid", frozen=True, toml_file="settings.toml"
    )

    registry: RegistrySettings = RegistrySettings()
    prefect: PrefectSettings = PrefectSettings()
    remote: RemoteSettings = RemoteSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    training: TrainingSettings = TrainingSettings()
    notify: NotifySettings = NotifySettings()
    signing: SigningSettings = SigningSettings()
    budget: BudgetSettings = BudgetSettings()
    state: Path = Path(".state")  # servers' databases, checkpoints, locks, logs

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # pydantic passes it by name
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # pydantic passes it by name
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment goes before the file, and there is no other source."""
        assert isinstance(env_settings, EnvSettingsSource)  # noqa: S101 - pydantic's own
        # The wheel's, where `rushes pull` fetches from; here it is RUSHES_REGISTRY__URL that counts.
        env_settings.env_vars = {key: value for key, value in env_settings.env_vars.items() if key != "rushes_registry"}
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings() -> Settings:
    """Reads settings.toml of the working folder and the environment (RUSHES_REGISTRY__URL=...).

    Raises:
        pydantic.ValidationError: A key is unknown, or a value has another type.
    """
    return Settings()
