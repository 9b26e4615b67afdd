"""The command `rushes`, run in the process of the test."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rushes import cli

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


def command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Takes the words of a command; gives its status, standard output and standard error."""
    monkeypatch.delenv("RUSHES_DEBUG", raising=False)

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["rushes", *map(str, words)])
        try:
            cli.main()
            status = 0
        except SystemExit as leaving:
            status = leaving.code or 0
        return status, *capsys.readouterr()

    return run
