"""Commands for signing keys: python -m flows keys new."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from flows.servers import environment

app = typer.Typer(help="Keys for signing bundles.", no_args_is_help=True)

EXAMPLES = """Examples:

    python -m flows keys new keys/studio.pem
    RUSHES_SIGNING__KEY=keys/studio.pem python -m flows nightly

Exit status: 0 done, 1 failed, 2 misuse.
"""


@app.callback()
def keys() -> None:
    """Keys for signing bundles."""


@app.command("new", epilog=EXAMPLES)
def keys_new(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="File for the private key, such as keys/studio.pem.")],
) -> None:
    """Create a key pair: the private key signs what is registered here, the public one is trusted on set."""
    from registry.signing import new_pair  # noqa: PLC0415  # heavy, and --help is not

    private = path.absolute()
    public, name = new_pair(private, environment.checkout_root())
    typer.echo(f"private  {private}   (stays here; in settings.toml, under [signing]: key = {str(private)!r})")
    typer.echo(f"public   {public}   (for the laptops on set: rushes pull ... --trust {public.name})")
    typer.echo(f"called   {name}")
