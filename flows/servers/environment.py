"""Environment of a run and its child processes: quiet, private to this checkout, the same everywhere."""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from common.commands import python as python  # noqa: PLC0414 - re-exported for printing hints
from common.commands import set_aside
from common.yaml_files import YamlFileError, read_plain_text
from rushes.errors import MisuseError

if TYPE_CHECKING:
    from common.settings import Settings

TELEMETRY_OFF = {
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # ONNX Runtime reads it on import; its disable_telemetry_events() is too late for the first event.
    "ORT_DISABLE_TELEMETRY": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "RAY_USAGE_STATS_ENABLED": "0",
}

# Files in the working folder that libraries read when they are imported.
READ_ON_IMPORT = {
    ".env": "Prefect",
    "prefect.toml": "Prefect",
    "matplotlibrc": "Matplotlib",
    ".numba_config.yaml": "Numba",
}


def checkout_root() -> Path:
    """Root of the checkout that contains this code."""
    return Path(__file__).resolve().parents[2]


def set_up(root: Path, settings: Settings) -> Path:
    """Sets the environment of this process and its children; call it before importing Prefect or MLflow.

    Returns:
        The absolute state folder, so that child processes of a trial, which run in another tree, share it.

    Raises:
        MisuseError: A file that a library reads on import cannot be read.
    """
    _check_read_on_import(root)
    state = (root / settings.state).resolve()
    state.mkdir(parents=True, exist_ok=True)
    os.environ.update(TELEMETRY_OFF)
    os.environ.update(
        {
            # dvc.yaml calls `python`, which a bare machine lacks.
            "PATH": _with_ours_first(os.environ.get("PATH", os.defpath)),
            "RUSHES_STATE": str(state),
            # HOME may be missing, empty or read-only.
            "MPLCONFIGDIR": str(state / "matplotlib"),
            "PREFECT_HOME": str(state / "prefect"),
            "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",  # s, the minimum; its absence reveals a killed run
            "GIT_TERMINAL_PROMPT": "0",
            "PYTHONUNBUFFERED": "1",
        }
    )
    return state


def _check_read_on_import(root: Path) -> None:
    """Refuses files at which the import of a library would block, or fail with a trace back."""
    for name, library in READ_ON_IMPORT.items():
        try:
            text = read_plain_text(root / name)
            if name.endswith(".toml"):
                tomllib.loads(text)
        except FileNotFoundError:
            continue
        except (YamlFileError, tomllib.TOMLDecodeError) as error:
            message = f"{name}, which {library} reads, cannot be read: {error}"
            raise MisuseError(message, set_aside([name], root)) from error


def _with_ours_first(path: str) -> str:
    ours = str(Path(sys.executable).parent)
    return os.pathsep.join([ours, *(folder for folder in path.split(os.pathsep) if folder != ours)])


def silence_prefect() -> None:
    """Keeps Prefect's own log lines off the terminal; its server still receives them."""
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "INFO")
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
