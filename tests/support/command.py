"""The command `rushes`, run in the process of the test."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rushes.cli import app

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

# Modules that a laptop on set lacks, and that must not slow down --help.
HEAVY = {"torch", "pytorch_lightning", "prefect", "mlflow", "dvc", "onnx", "pandas", "matplotlib", "huggingface_hub"}


def command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs a command line; returns its status, standard output and standard error."""
    for name in ("RUSHES_DEBUG", "RUSHES_TRUST"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["rushes", *map(str, words)])
        try:
            app.main()
            status = 0
        except SystemExit as leaving:
            status = leaving.code or 0
        return status, *capsys.readouterr()

    return run


def store_with(folder: Path, family: str, write_bundle: Callable[[Path], str]) -> Path:
    """A model store with version 3 of a tiny model."""
    digest = write_bundle(folder / family / "new")
    (folder / family / "new").rename(folder / family / f"v3-{digest[:12]}")
    return folder
