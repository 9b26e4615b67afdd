"""The command `rushes check`: checks and measures a model on the machine that will run it."""

from __future__ import annotations

import json
import math
from pathlib import Path  # noqa: TC003  # typer reads the annotations when it runs
from typing import TYPE_CHECKING, Annotated

import typer

from rushes.cli.options import TrustOption, UncertifiedOption  # noqa: TC001  # typer reads them when it runs
from rushes.errors import FAILED, MisuseError, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rushes.inference.check import Checked

KIB, THOUSAND = 1024, 1000
CHECK_EXAMPLES = """\b
Examples:
  rushes check expression
  rushes check expression@champion --trust studio.pub
  rushes check /media/stick/expression/v7-0123456789ab
  rushes check scene@7 --model models --json
  rushes check scene@7 --budget-ms 20

\b
The certificate holds the budget: how much the objective may drop, milliseconds (the 95th percentile on one
thread) and bytes of the graphs. Milliseconds are judged only on the machine that the budget names, and printed
elsewhere. --budget-ms replaces them and is judged on this machine.

\b
Exit status: 0 met or nothing to judge, 1 missed or refused, 2 misuse, 3 no such model.
"""


def _milliseconds(value: float | None) -> float | None:
    if value is not None and not 0 < value < math.inf:
        message = f"--budget-ms {value:g}: give milliseconds, more than 0"
        raise MisuseError(message)
    return value


def check_command(
    wanted: Annotated[
        str, typer.Argument(metavar="DIR|NAME[@champion|@7]", help="A bundle, or a model of the model store.")
    ],
    model: Annotated[
        Path | None,
        typer.Option(
            "--model", exists=True, file_okay=False, metavar="DIR", help="Model store; by default your data folder."
        ),
    ] = None,
    budget_ms: Annotated[
        float | None,
        typer.Option(
            callback=_milliseconds, metavar="MS", help="Limit for one sample on this machine, 95th percentile."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    trust: TrustOption = None,
    uncertified: UncertifiedOption = False,
) -> None:
    """Check hashes and signature of a pulled model, and measure its latency and size on this machine."""
    from rushes.bundle.manifest import BundleError  # noqa: PLC0415  # imported when used, so that --help is quick
    from rushes.bundle.signature import load_trust  # noqa: PLC0415  # for a quick --help
    from rushes.inference.check import check, find_checked  # noqa: PLC0415  # for a quick --help

    keys = load_trust(trust)
    try:
        checked = check(find_checked(wanted, model), keys, uncertified=uncertified, budget_ms=budget_ms)
    except BundleError as error:
        if as_json:
            typer.echo(json.dumps({"refused": str(error)}))
        raise
    if as_json:
        typer.echo(json.dumps({**checked.model_dump(), "met": checked.met, "not_judged": checked.not_judged}, indent=2))
    else:
        # Names, objectives and machines come from the bundle: a line break in one must not forge a line.
        typer.echo("\n".join(map(plain, _lines(checked))))
    if checked.met is False:
        raise typer.Exit(FAILED)


def _lines(checked: Checked) -> Iterator[str]:
    yield f"{checked.model}, digest {checked.digest[:12]}"
    size, known, machine = checked.size_bytes, checked.known_contract, checked.machine
    rows = {
        "hashes": f"right for {checked.files} file{'s' if checked.files > 1 else ''}",
        "contract": f"{checked.contract}; this runtime reads up to {known}",
        "certificate": _certificate(checked),
        **(
            {"candidate": checked.certificate["candidate"]}
            if checked.certificate and checked.certificate["candidate"]
            else {}
        ),
        "signature": checked.signature,
        "outputs": checked.outputs,
        "size": f"{_size(size['graphs'])} of graphs, {_size(size['bundle'])} in total",
        "machine": f"{machine['processor']}, {machine['system']}, ONNX Runtime {machine['onnxruntime']}",
    }
    yield from (f"  {name:<12} {text}" for name, text in rows.items())
    yield from _latencies(checked)
    yield from _budget(checked)


def _certificate(checked: Checked) -> str:
    certificate = checked.certificate
    if certificate is None:
        return "none: this model was not measured"
    figures = ", ".join(
        f"{side} {certificate[side]:.4f}" for side in ("compressed", "fp32") if certificate[side] is not None
    )
    taken = ", ".join(f"{side} {ms:.2f} ms" for side, ms in sorted(certificate["latency_ms"].items()))
    where = certificate["machine"].get("processor", "another machine")
    return "; ".join(
        filter(None, (f"{certificate['objective']} {figures}".strip(), f"{taken} on {where}" if taken else ""))
    )


def _latencies(checked: Checked) -> Iterator[str]:
    wide = max([5, *map(len, checked.latency_ms)])
    yield ""
    yield f"  {'graph':<{wide}}  threads   p50 ms   p95 ms   p99 ms"
    for name, spread in checked.latency_ms.items():
        for row, (threads, part) in enumerate(spread.items()):
            figures = "".join(f"{ms:>9.3f}" for ms in part.values())
            yield f"  {'' if row else name:<{wide}}  {threads:>7}{figures}"


def _budget(checked: Checked) -> Iterator[str]:
    yield ""
    if not checked.budget:
        yield "  the certificate has no budget: nothing to judge"
        return
    yield f"  {'budget':<14}  {'at most':>12}  {'found':>12}"
    for line in checked.budget:
        found = "unknown" if line.found is None else _figure(line.found)
        verdict = {True: "met", False: "missed", None: f"not judged: {line.why}"}[line.met]
        yield f"  {_words(line.name):<14}  {_figure(line.allowed):>12}  {found:>12}  {verdict}"
    summary = {True: _met(checked), False: "the budget is missed", None: "no part of the budget was judged"}
    yield f"  {summary[checked.met]}"


def _met(checked: Checked) -> str:
    if not checked.not_judged:
        return "the budget is met"
    names = ", ".join(map(_words, checked.not_judged))
    return f"the judged parts of the budget are met; not judged: {names}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= THOUSAND else f"{value:.4g}"


def _size(size_bytes: float) -> str:
    for unit in ("B", "KB", "MB"):
        if size_bytes < KIB:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= KIB
    return f"{size_bytes:.1f} GB"
