"""Commands for training: nightly, candidates, search, rayjob."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from flows.cli.app import context
from flows.servers import environment


def nightly(
    families: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A family to work on; may be repeated. All, if left out.")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="A param to change; may be repeated. Makes it a trial."),
    ] = None,
    promote: Annotated[bool, typer.Option("--promote", help="Let a trial be promoted if it is better.")] = False,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="Check that it runs: part of the data, one epoch, no students, nothing registered."
        ),
    ] = False,
) -> None:
    """Retrain on the current data, compress, evaluate and register the models, and promote those that are better.

    With --set it is a trial: it runs in a tree of its own, your params.yaml stays as it is, and nothing is promoted
    unless --promote is given.
    """
    if quick and promote:
        message = "--quick registers nothing, so there is nothing to promote: omit --quick or --promote"
        raise typer.BadParameter(message)
    from flows.cli.commands import run_nightly  # noqa: PLC0415 - heavy, and --help is not

    names = [name for text in families or [] for name in text.split(",") if name]
    root, settings = context.enter(), context.read_settings()
    raise typer.Exit(run_nightly(root, settings, names, change or [], promote=promote, quick=quick))


def candidates(
    family: Annotated[str, typer.Argument(help="A family, such as expression.")],
    change: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Another budget to ask for; may be repeated."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one object of JSON.")] = False,
) -> None:
    """Print the compressed candidates of the last training against a budget, and the one that would be shipped.

    Nothing is trained or written. Exit status 3 where nothing holds the budget.
    """
    from flows.cli.candidates import run_candidates  # noqa: PLC0415 - heavy, and --help is not

    raise typer.Exit(run_candidates(context.enter(), context.read_settings(), family, change or [], as_json=as_json))


def search(
    family: Annotated[str, typer.Argument(help="A family, such as expression.")],
    trials: Annotated[int, typer.Option(min=2, help="Trials, the params of params.yaml as the first of them.")] = 20,
    hours: Annotated[float, typer.Option(min=0.0, help="Time for all of it; 0: no limit.")] = 0.0,
    seeds: Annotated[int, typer.Option(min=2, help="Seeds to compare the best trial and the default with.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the search itself.")] = 0,
    change: Annotated[
        list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="A param of all trials; may be repeated.")
    ] = None,
    ranges: Annotated[
        list[str] | None,
        typer.Option("--range", metavar="PATH=RANGE", help="LOW..HIGH, LOW..HIGH,log or A|B; may be repeated."),
    ] = None,
    only: Annotated[bool, typer.Option("--only-ranges", help="Search nothing but the params of --range.")] = False,
    parallel: Annotated[int, typer.Option(min=1, metavar="N", help="Trainings at once.")] = 1,
    show: Annotated[bool, typer.Option("--show", help="Print the ranges, and start nothing.")] = False,
) -> None:
    """Search for better params of a family by trials on the validation split. Repeated, a stopped search continues.

    The best params come out as a patch of params.yaml to review. Exit status 3 where none are shown to be better.
    """
    from flows.search.request import SearchRequest  # noqa: PLC0415 - heavy, and --help is not
    from flows.search.run import run_search  # noqa: PLC0415  # as above

    wanted = SearchRequest(family, trials, hours, seeds, seed, tuple(change or ()), tuple(ranges or ()), only, parallel)
    raise typer.Exit(run_search(context.enter(), context.read_settings(), wanted, show=show))


def rayjob(
    *,
    image: Annotated[str, typer.Option(help="The image of the pods, which has the checkout in /rushes.")] = "",
    families: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A family to train; may be repeated. All, if left out.")
    ] = None,
    secret: Annotated[
        str, typer.Option(help="The secret with the credentials of S3 and MLflow; none, if empty.")
    ] = "rushes-credentials",  # noqa: S107 - a name
    claim: Annotated[str, typer.Option(help="The volume claim for checkpoints in a folder.")] = "rushes-checkpoints",
    memory: Annotated[str, typer.Option(help="The memory of each pod.")] = "8Gi",
    out: Annotated[Path | None, typer.Option(help="The file; deploy/kubernetes/rayjob.yaml, if left out.")] = None,
    check: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Validate this manifest, and write nothing.")
    ] = None,
    definition: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="The cluster's own definition, to validate by.")
    ] = None,
) -> None:
    """Write a manifest that trains on Kubernetes with KubeRay, from the settings; or validate an edited one.

    --check names each unknown key, missing key, wrong type and wrong value with its line, and then exits with 1.
    """
    from flows.cli import rayjob as job  # noqa: PLC0415 - jsonschema, and --help is light

    if check:
        raise typer.Exit(job.run_check(check, definition))
    path = (out or environment.checkout_root() / job.FILE).absolute()
    deployment = job.Deployment(image or job.IMAGE, ",".join(families or ()), secret, claim, memory)
    raise typer.Exit(job.run_write(context.enter_and_read(), deployment, path))
