"""Descriptions of runs and versions on MLflow's pages, with links between related pages.

Links are relative (`#/models/...`), so they work under any address and port of the server. MLflow folds a description
after about five lines, so the figures and the links come first.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from registry.mlflow import artifacts as ev
from registry.mlflow import runs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow import MlflowClient
    from mlflow.entities import Run, RunInfo

    from registry.mlflow.artifacts import Evidence
    from registry.promotion.decision import Decision

NOTE = "mlflow.note.content"  # shown by MLflow as the description of a run
REPORT = "report"
_REPORT_LINK = re.compile(rf"^(\[{REPORT}\]\([^)]*\) · )?(?=\[)", re.MULTILINE)


def link(*parts: str) -> str:
    """Link to a page of the same server, for descriptions."""
    return runs.page("", *parts).removeprefix("/")


def link_run(info: RunInfo, *parts: str) -> str:
    """Link to a run's page or one below it, such as `artifacts`."""
    return runs.run_page("", info, *parts).removeprefix("/")


def link_version(family: str, number: int) -> str:
    """Link to a version's page."""
    return link("models", family, "versions", str(number))


def relative(url: str) -> str:
    """The address of one of MLflow's pages as a link on another of its pages."""
    return f"#{url.partition('#')[2]}"


def log_version(mlflow: MlflowClient, run: Run, evidence: Evidence, number: int) -> None:
    """Records in a run the version it became: if that is missing later, a person has deleted it."""
    from mlflow.entities import RunTag  # noqa: PLC0415  # MLflow takes seconds to import

    note = describe_run(run, evidence, number)
    mlflow.log_batch(run.info.run_id, tags=[RunTag(ev.VERSION, str(number)), RunTag(NOTE, note)])


def describe_run(run: Run, evidence: Evidence, number: int) -> str:
    """Description of a run, in Markdown, with links to related pages."""
    name = evidence.family.name
    checkout = f"python -m flows checkout {name}@{number} --to ../{name}-v{number}"
    links = {f"{name} version {number}": link_version(name, number), "curves": link_run(run.info, "model-metrics")}
    return "\n\n".join(
        [
            f"**{name}**, trained, compressed and evaluated: {_figures_text(evidence)}",
            _links_text(links | _artifact_links(run.info, evidence)),
            f"To check out its data, code and params in a folder: `{checkout}`.",
        ]
    )


def describe_version(run: Run, evidence: Evidence, commit: str) -> str:
    """Description of a version, in Markdown, with links to related pages."""
    links = {"run: params": link_run(run.info), "curves": link_run(run.info, "model-metrics")}
    code = [f"Code: commit `{commit[:12]}`."] if commit else []
    return "\n\n".join(
        [
            f"**{evidence.family.name}** as ONNX, compressed: {_figures_text(evidence)}",
            _links_text(links | _artifact_links(run.info, evidence)),
            *code,
        ]
    )


def describe_nightly(verdict: str, info: RunInfo, decisions: Mapping[str, Decision]) -> str:
    """Description of a nightly run: its verdict, its report, and the result of each family.

    Args:
        verdict: One line.
        info: The nightly run's own MLflow run, which has the report.
        decisions: By family.
    """
    lines = [verdict, _links_text({REPORT: link_run(info, "artifacts", "index.html")})]
    for family, decision in decisions.items():
        links = {f"{family} run": decision.run_url, f"{family} version {decision.version}": decision.version_url}
        lines.append(_links_text({name: relative(url) for name, url in links.items() if url}))
    return "\n\n".join(lines)


def link_report(mlflow: MlflowClient, run_id: str, model: str, number: int | None, url: str) -> None:
    """Links a run and its version to the report of the nightly run that they come from.

    Safe to repeat: the link replaces an earlier one.

    Args:
        mlflow: The client.
        run_id: Id of the family's run.
        model: The family's name.
        number: The version; None if the run became none.
        url: The report in MLflow's pages.
    """
    note = mlflow.get_run(run_id).data.tags.get(NOTE, "")
    mlflow.set_tag(run_id, NOTE, with_report(note, url))
    if number is not None:
        description = mlflow.get_model_version(model, str(number)).description or ""
        mlflow.update_model_version(model, str(number), with_report(description, url))


def with_report(text: str, url: str) -> str:
    """A description with the link to the report before its other links."""
    target = f"[{REPORT}]({relative(url)})"
    linked, found = _REPORT_LINK.subn(lambda _: f"{target} · ", text, count=1)
    return linked if found else f"{text}\n\n{target}".strip()


def _artifact_links(info: RunInfo, evidence: Evidence) -> dict[str, str]:
    data = f"data: {evidence.collection} {evidence.dataset[:12]}".strip()
    return {
        data: link_run(info, "artifacts", ev.DATA),
        "params.yaml": link_run(info, "artifacts", ev.FILES, "params.yaml"),
        "all figures": link_run(info, "artifacts", ev.FIGURES),
        "pictures": link_run(info, "artifacts", ev.PICTURES_IN),
        "model files": link_run(info, "artifacts", ev.BUNDLE),
    }


def _links_text(links: dict[str, str]) -> str:
    return " · ".join(f"[{name}]({url})" for name, url in links.items())


def _figures_text(evidence: Evidence) -> str:
    """`macro_f1 0.9635 on the test split (fp32 0.9634), 1.59 MB, 0.24 ms.`"""  # noqa: D415  # an example
    certificate = evidence.certificate
    figures = {side: metrics.get(certificate.objective) for side, metrics in certificate.metrics.items()}
    compressed, fp32 = figures.get("compressed"), figures.get("fp32")
    if compressed is None:
        return "not scored."
    before = f" (fp32 {fp32:.4g})" if fp32 is not None else ""
    return (
        f"{certificate.objective} {compressed:.4g} on the test split{before}, "
        f"{certificate.size_bytes['compressed'] / 1e6:.2f} MB, {certificate.latency_ms['compressed']:.2f} ms."
    )
