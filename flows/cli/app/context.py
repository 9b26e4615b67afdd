"""Beginning of every command: the checkout as working folder, and its settings."""

from __future__ import annotations

import os
import tomllib
from typing import TYPE_CHECKING

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError

from common.settings import Settings, load_settings
from flows.servers import environment
from rushes.errors import MISUSE
from rushes.redaction import redact

if TYPE_CHECKING:
    from pathlib import Path


def enter() -> Path:
    """Changes to the checkout, which contains settings.toml, params.yaml and the DVC files; returns it."""
    root = environment.checkout_root()
    os.chdir(root)
    return root


def enter_and_read() -> Settings:
    """Changes to the checkout, and returns its settings."""
    enter()
    return read_settings()


def state_folder(settings: Settings) -> Path:
    """The state folder; a read-only command creates and starts nothing."""
    return (environment.checkout_root() / settings.state).resolve()


def read_settings() -> Settings:
    """The settings; exits with status 2 and the correction if they are wrong."""
    try:
        return load_settings()
    except tomllib.TOMLDecodeError as error:
        typer.echo(f"settings.toml is not TOML: {error}", err=True)
    except SettingsError as error:
        typer.echo(f"settings: {error}", err=True)
    except ValidationError as error:
        for fault in error.errors():
            name = ".".join(str(part) for part in fault["loc"])
            # The value of an unknown name may be a password.
            given = "" if fault["type"] == "extra_forbidden" else f", not {fault['input']!r}"
            typer.echo(redact(f"settings: {name}: {fault['msg']}{given}"), err=True)
    typer.echo("  settings.example.toml has every setting; RUSHES_... in the environment overrides it", err=True)
    raise typer.Exit(MISUSE)
