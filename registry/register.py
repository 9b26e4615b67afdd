"""Registers what a nightly made and decides whether it becomes champion.

Idempotent by digest: a bundle that is a version is not registered again. Between any two acts the process may be
killed; the next run finds by tags how far it came. The last act is always the tag `rushes.settled`: a hash of all that
the decision rests on. As long as that holds, there is nothing to do; when the champion, the rules, the test split or
what stood in the way have changed, the version that is there is weighed again.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from curation.sampleset import SampleSet
from registry import catalogue, mlmodel, tracking
from registry import evidence as ev
from registry.assets import asset_reader
from registry.catalogue import CHAMPION, CHAMPION_SINCE, REJECTED, REJECTED_WHY, SIGNED
from registry.command import python
from registry.decision import Decision
from registry.promotion import Gain, Side, Verdict, decide, load_rules
from registry.record import tag as git_tag
from registry.settings import load_settings
from registry.signing import load_signer
from registry.tracking import DIGEST, FAMILY, KEY, RegistryError
from rushes.bundle import sha256_file
from rushes.latency import interleaved_latency_ms

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow import MlflowClient

    from models.family import Family, Read
    from registry.catalogue import Standing, Version
    from registry.decision import Outcome
    from registry.evidence import Evidence
    from registry.promotion import Rules
    from registry.record import Record
    from registry.settings import Settings
    from registry.signing import Signer
    from rushes.bundle import Bundle

RECORD, BRANCH, SEED, TRIAL = "rushes.record", "rushes.branch", "rushes.seed", "rushes.trial"
DATASET, PACKAGES, SIGNATURE, CERTIFICATE = (
    "rushes.dataset",
    "rushes.packages",
    "rushes.signature",
    "rushes.certificate",
)
DECISION, REASONS, OBJECTIVE, MEASURED = "rushes.decision", "rushes.reasons", "rushes.objective", "rushes.measured"
BEFORE, SETTLED = "rushes.champion_before", "rushes.settled"
ATTEMPTS = 3


@dataclass(frozen=True)
class _Job:
    """All that the acts below need to know."""

    mlflow: MlflowClient
    evidence: Evidence
    record: Record
    rules: Rules
    promote: bool
    trial: bool
    team: bool
    state: Path
    read: Read
    signer: Signer | None

    @property
    def family(self) -> Family:
        return self.evidence.family


def register(
    root: Path, family: Family, *, record: Record, promote: bool, trial: bool, settings: Settings | None = None
) -> Decision:
    """Makes build/F/bundle a version of the family's model, and the champion if it is better and may be.

    Args:
        root: The tree that ran; holds build/, params.yaml, datasets.dvc and mlflow/promotion.yaml.
        family: Which.
        record: The commit of exactly that tree.
        promote: Whether the champion may move.
        trial: Whether the run had overrides; said on the version.
        settings: Where things are; read if left out. MLFLOW_TRACKING_URI goes before `registry.url`.

    Raises:
        RegistryError: There is nothing to register, the champion cannot be fetched, or `signing.key` is no key.
        RegistryDownError: The server does not answer.
        registry.promotion.RulesError: The rules cannot be applied.
    """
    settings = settings or load_settings()
    signer, evidence = load_signer(settings), ev.read_evidence(root, family)
    rules = load_rules(root / "mlflow" / "promotion.yaml", family.name)
    mlflow = tracking.client(tracking.address() or settings.registry.url)
    state, team = root / settings.state, bool(settings.registry.url)
    read = asset_reader(root, settings)
    return _register(_Job(mlflow, evidence, record, rules, promote, trial, team, state, read, signer))


def _register(job: _Job) -> Decision:
    tracking.end_abandoned(job.mlflow, job.family.name)
    before = catalogue.standing(job.mlflow, job.family.name)
    same = catalogue.versions(job.mlflow, job.family.name, job.evidence.bundle.digest)
    rejected = next((version for version in same if REJECTED in version.tags), None)
    if rejected is not None:
        return _nothing_new(job, rejected, before, _rejection(rejected))
    # Two machines may have registered one bundle in the same second; the older version is the one that counts.
    version = _signed(job, same[-1]) if same else None
    if version is not None and _is_settled(job, version, before):
        return _nothing_new(job, version, before, *_recorded_reasons(version))
    registered = version is None or SETTLED not in version.tags
    return _settle(job, version or _publish(job), registered=registered)


def _is_settled(job: _Job, version: Version, standing: Standing) -> bool:
    if standing.champion is not None and standing.champion.number == version.number:
        return SETTLED in version.tags
    return version.tags.get(SETTLED) == _basis(job, standing)


def _basis(job: _Job, standing: Standing) -> str:
    """A hash of all that the decision on this bundle rests on."""
    parts = [
        standing.champion.digest if standing.champion else "",
        job.rules.model_dump_json(),
        sha256_file(job.evidence.clean / "samples.parquet"),
        _obstacle(job, standing)[0] or "",
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _obstacle(job: _Job, standing: Standing) -> tuple[Outcome | None, str]:
    """What keeps the alias where it is, however good the challenger."""
    name = job.family.name
    if standing.hold is not None:
        return "held", f"{name} is {standing.hold}. {python()} -m flows release {name} ends it"
    if job.team and job.record.branch != job.rules.branch:
        here = job.record.branch or "a detached HEAD"
        return "other branch", f"this ran on {here}; the team's champion moves from {job.rules.branch} alone"
    if not job.promote:
        return "not asked", "not asked to promote: run it again with --promote"
    return None, ""


def _publish(job: _Job) -> Version:
    """Logs the evidence and makes the version. Until that last call there is no version, so all of it may be redone."""
    run = ev.open_run(job.mlflow, job.evidence)
    ev.log_evidence(job.mlflow, run, job.evidence)
    if job.signer is not None:
        ev.log_signature(job.mlflow, run.info.run_id, job.evidence, job.signer)
    catalogue.ensure_model(job.mlflow, job.family.name)
    made = job.mlflow.create_model_version(
        job.family.name,
        f"{run.info.artifact_uri}/{ev.BUNDLE}",
        run.info.run_id,
        tags=_version_tags(job),
        await_creation_for=0,  # the line that it prints while it waits says nothing to anybody
    )
    return catalogue.read_version(job.mlflow, job.family.name, int(made.version))


def _version_tags(job: _Job) -> dict[str, str]:
    evidence = job.evidence
    return {
        FAMILY: job.family.name,
        DIGEST: evidence.bundle.digest,
        KEY: evidence.key,
        RECORD: job.record.commit,
        BRANCH: job.record.branch,
        SEED: evidence.params.get("train.seed", ""),
        TRIAL: json.dumps(job.trial),
        DATASET: f"{evidence.collection} {evidence.dataset}".strip(),
        PACKAGES: json.dumps(evidence.summary.get("packages", {}), sort_keys=True),
        SIGNATURE: mlmodel.as_tag(evidence.bundle.graphs),
        CERTIFICATE: evidence.certificate.model_dump_json(),
        **({SIGNED: job.signer.fingerprint} if job.signer else {}),
    }


def _signed(job: _Job, version: Version) -> Version:
    """Signs a version that was registered before there was a key, or with another one.

    With the certificate as it lies here: what stands in the registry may have been changed, and is not signed unseen.
    """
    if job.signer is None or version.tags.get(SIGNED) == job.signer.fingerprint:
        return version
    ev.log_signature(job.mlflow, version.run_id, job.evidence, job.signer)
    about = {CERTIFICATE: job.evidence.certificate.model_dump_json(), SIGNED: job.signer.fingerprint}
    catalogue.tag_version(job.mlflow, version, about)
    return catalogue.read_version(job.mlflow, job.family.name, version.number)


def _settle(job: _Job, version: Version, *, registered: bool) -> Decision:
    """Weighs a version against the champion and acts on it; again if the champion has moved in the meantime."""
    if job.record.commit:
        # Moved where a registry was started anew and counts from 1 again: records are kept without their tags too.
        commit = version.tags.get(RECORD) or job.record.commit
        git_tag(job.evidence.root, f"{job.family.name}/v{version.number}", commit, move=True)
    for _ in range(ATTEMPTS):
        standing = catalogue.standing(job.mlflow, job.family.name)
        if standing.champion is not None and standing.champion.number == version.number:
            return _crowned(job, version, standing, registered=registered)
        verdict, measured = _weigh(job, version, standing.champion)
        fresh = catalogue.standing(job.mlflow, job.family.name)
        if _basis(job, fresh) == _basis(job, standing):
            return _act(job, version, fresh, verdict, measured, registered=registered)
    message = f"the champion of {job.family.name} moved {ATTEMPTS} times while {version} was weighed"
    raise RegistryError(message, "see who else registers there, then: make nightly")


def _crowned(job: _Job, version: Version, standing: Standing, *, registered: bool) -> Decision:
    """It is champion, but the run that made it so was killed before it could say so, or a person moved the alias."""
    catalogue.tag_version(job.mlflow, version, {SETTLED: _basis(job, standing)})
    crowned = catalogue.read_version(job.mlflow, job.family.name, version.number)
    ours = crowned.tags.get(DECISION) == "promoted"
    reasons = _recorded_reasons(crowned) if ours else ["the alias was moved to it by hand"]
    return _decision(job, crowned, standing, reasons, registered=registered, promoted=ours)


def _weigh(job: _Job, version: Version, champion: Version | None) -> tuple[Verdict, dict[str, Any]]:
    """Scores both on the test split and measures both in turns, on this machine."""
    clean, bundle = SampleSet(job.evidence.clean), job.evidence.bundle
    if champion is None:
        return decide(job.rules, _side(job, f"v{version.number}", bundle, clean), None, job.family.objective), {}
    other = catalogue.fetch(job.mlflow, champion, job.state)
    latency_ms = _latencies(bundle, other)
    challenger = _side(job, f"v{version.number}", bundle, clean, latency_ms["challenger"])
    incumbent = _side(job, f"v{champion.number}", other, clean, latency_ms["champion"])
    measured = {"latency_ms": latency_ms, "size_bytes": {"champion": ev.graph_bytes(other)}}
    return decide(job.rules, challenger, incumbent, job.family.objective), measured


def _side(job: _Job, name: str, bundle: Bundle, clean: SampleSet, latency_ms: float | None = None) -> Side:
    scores = job.family.score(bundle, clean, "test", job.read)
    return Side(name, scores.rows, scores.metrics, ev.size_bytes(bundle), latency_ms)


def _latencies(challenger: Bundle, champion: Bundle) -> dict[str, float]:
    """Of one sample through all graphs of each."""
    sides = {"challenger": challenger.graphs, "champion": champion.graphs}
    paths = {f"{side}/{name}": path for side, graphs in sides.items() for name, path in graphs.items()}
    taken_ms = interleaved_latency_ms(paths)
    return {side: sum(taken_ms[f"{side}/{name}"] for name in graphs) for side, graphs in sides.items()}


def _act(
    job: _Job, version: Version, standing: Standing, verdict: Verdict, measured: dict[str, Any], *, registered: bool
) -> Decision:
    """Writes the decision down, moves the alias if it says so, and last of all says that this is settled."""
    obstacle, why = _obstacle(job, standing)
    if verdict.promote:
        why += "; it would have been promoted"
    reasons = [why, *verdict.reasons] if obstacle else verdict.reasons
    outcome: Outcome = obstacle or ("promoted" if verdict.promote else "kept")
    promoted = outcome == "promoted"
    basis = _basis(job, standing)
    written = {
        DECISION: outcome,
        REASONS: "\n".join(reasons),
        OBJECTIVE: verdict.objective.model_dump_json(),
        MEASURED: json.dumps(measured),
        BEFORE: str(standing.champion.number) if standing.champion else "",
    }
    catalogue.tag_version(job.mlflow, version, written)
    if promoted:
        if standing.champion is not None and CHAMPION_SINCE not in standing.champion.tags:
            # A person made it champion in MLflow's pages: it belongs to the history all the same.
            catalogue.tag_version(job.mlflow, standing.champion, {CHAMPION_SINCE: catalogue.now()})
        catalogue.tag_version(job.mlflow, version, {CHAMPION_SINCE: catalogue.now()})
        job.mlflow.set_registered_model_alias(job.family.name, CHAMPION, str(version.number))
    catalogue.tag_version(job.mlflow, version, {TRIAL: json.dumps(job.trial), SETTLED: basis})
    settled = catalogue.read_version(job.mlflow, job.family.name, version.number)
    return _decision(job, settled, standing, reasons, registered=registered, promoted=promoted)


def _nothing_new(job: _Job, version: Version, standing: Standing, *reasons: str) -> Decision:
    champion = standing.champion is not None and standing.champion.number == version.number
    text = f"{version} is this very bundle{' and the champion' if champion else ''}; nothing was registered"
    return _decision(job, version, standing, [text, *reasons], registered=False, promoted=False)


def _rejection(version: Version) -> str:
    return f"{version} was rejected on {version.tags[REJECTED]}: {version.tags.get(REJECTED_WHY, '')}; it stays so"


def _recorded_reasons(version: Version) -> list[str]:
    return [line for line in version.tags.get(REASONS, "").splitlines() if line]


def _decision(
    job: _Job, version: Version, standing: Standing, reasons: list[str], *, registered: bool, promoted: bool
) -> Decision:
    certificate = job.evidence.certificate
    name, now = certificate.objective, standing.champion.number if standing.champion else None
    gain = version.tags.get(OBJECTIVE)
    compressed = certificate.metrics["compressed"].get(name)
    measured = json.loads(version.tags.get(MEASURED, "{}"))
    weight = {**certificate.size_bytes, "bundle": ev.size_bytes(job.evidence.bundle)}
    return Decision(
        family=job.family.name,
        version=version.number,
        digest=job.evidence.bundle.digest,
        registered=registered,
        promoted=promoted,
        champion_before=int(version.tags[BEFORE] or 0) or None if promoted else now,
        champion_after=version.number if promoted else now,
        reasons=reasons,
        objective=Gain.model_validate_json(gain) if gain else Gain(name=name, challenger=compressed or 0.0),
        fp32=certificate.metrics["fp32"].get(name),
        compressed=compressed,
        size_bytes=weight | measured.get("size_bytes", {}),
        latency_ms=certificate.latency_ms | measured.get("latency_ms", {}),
        held=str(standing.hold) if standing.hold else None,
        run_url=_run_url(job.mlflow, version),
    )


def _run_url(mlflow: MlflowClient, version: Version) -> str:
    run = mlflow.get_run(version.run_id).info
    return f"{tracking.public(mlflow.tracking_uri)}/#/experiments/{run.experiment_id}/runs/{quote(run.run_id)}"
