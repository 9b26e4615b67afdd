"""The command `rushes list`: lists the models on this machine."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003  # typer reads the annotations when it runs
from typing import TYPE_CHECKING, Annotated

import typer

from rushes.cli.options import TrustOption  # noqa: TC001  # typer reads it when it runs
from rushes.errors import NothingFitsError, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rushes.store.listing import Listed

LIST_EXAMPLES = """\b
Examples:
  rushes list
  rushes list --model /media/stick
  rushes list --json | jq -r '.[] | select(.in_use) | .family'

\b
A star marks the version that commands use by default; it is pinned if `rushes pin` has fixed it.
Exit status: 0 done, 1 failed, 2 misuse, 3 no model there.
"""


def list_command(
    model: Annotated[
        Path | None,
        typer.Option(
            "--model", exists=True, file_okay=False, metavar="DIR", help="Model store; by default your data folder."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list of objects.")] = False,
    trust: TrustOption = None,
) -> None:
    """List the models on this machine: version, digest, time of the pull, signature, and which one is used."""
    from rushes.bundle.signature import load_trust  # noqa: PLC0415  # for a quick --help
    from rushes.store.listing import list_store  # noqa: PLC0415  # imported when used, so that --help is quick
    from rushes.store.store import default_store, pull_hint  # noqa: PLC0415  # for a quick --help

    store = model or default_store()
    found = list_store(store, load_trust(trust))
    if as_json:
        typer.echo(json.dumps([one.model_dump() for one in found], indent=2))
    elif found:
        # Texts of a registry or the name of a key file: a line break in one must not forge a line.
        typer.echo("\n".join(map(plain, _lines(str(store), found))))
    if not found:
        message = f"no model in {store}: fetch one with: {pull_hint('expression', to=model)}"
        raise NothingFitsError(message)


def _lines(store: str, found: list[Listed]) -> Iterator[str]:
    yield f"in {store}"
    wide = max(len(one.family) for one in found)
    for one in found:
        version = f"v{one.version}" if one.version is not None else "-"
        star, pulled = "*" if one.in_use else " ", one.pulled[:16].replace("T", " ") or "unknown"
        signature = f"pinned, {one.signature}" if one.pinned else one.signature
        yield f"{star} {one.family:<{wide}}  {version:<5} {one.digest[:12]}  pulled {pulled:<16}  {signature}"
        if one.rejected:
            yield f"  {'':<{wide}}  {one.rejected}"
