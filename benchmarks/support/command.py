"""Command line and output that the benchmarks share."""

from __future__ import annotations

import argparse
import logging
import warnings


def new_parser(name: str, about: str | None) -> argparse.ArgumentParser:
    """A parser of `python -m benchmarks.NAME`, with `--quick`."""
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a smoke run: small, and its figures mean little")
    return parser


def quiet() -> None:
    """Silences Lightning's tips and warnings, which do not belong to the figures."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
