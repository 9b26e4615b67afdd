"""Registers the result of a run, and decides whether it becomes champion.

Idempotent by digest: a bundle that is a version is not registered again. The process may be killed between any two
actions; the next run finds by tags how far it came. The last action is always the tag `rushes.settled`: a hash of
everything that the decision depends on. As long as that is unchanged, there is nothing to do; if the champion, the
rules, the test split or an obstacle have changed, the existing version is evaluated again.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from common.commands import python
from common.settings import load_settings
from registry.assets import asset_reader
from registry.git.snapshot import tag as git_tag
from registry.mlflow import artifacts as ev
from registry.mlflow import mlmodel, model_versions, run_summary, runs
from registry.mlflow.model_versions import (
    BEFORE,
    CHAMPION_SINCE,
    DECIDED_ON,
    DECISION,
    REASONS,
    REJECTED,
    SIGNED,
    Version,
    reasons_of,
    rejection_of,
)
from registry.mlflow.runs import DIGEST, FAMILY, KEY, RegistryError
from registry.promotion import alias_moves, scores
from registry.promotion.decision import Decision
from registry.promotion.rollback import by_hand
from registry.promotion.rules import Gain, Side, Verdict, decide, load_rules
from registry.signing import load_signer
from rushes.inference.latency import interleaved_latency_ms

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow import MlflowClient
    from mlflow.entities import Run

    from common.assets import Read
    from common.settings import Settings
    from models.family import Family, Scores
    from registry.git.snapshot import Record
    from registry.mlflow.artifacts import Evidence
    from registry.mlflow.model_versions import Standing
    from registry.promotion.decision import Outcome
    from registry.promotion.rules import Rules
    from registry.signing import Signer
    from rushes.bundle.manifest import Bundle

RECORD, BRANCH, SEED, TRIAL = "rushes.record", "rushes.branch", "rushes.seed", "rushes.trial"
DATASET, PACKAGES = "rushes.dataset", "rushes.packages"
SIGNATURE, CERTIFICATE = "rushes.signature", "rushes.certificate"
OBJECTIVE, MEASURED = "rushes.objective", "rushes.measured"
CHALLENGER = "the challenger"
ATTEMPTS = 20  # so often others may move the champion during the evaluation of a bundle


@dataclass(frozen=True)
class _Job:
    """Context of the actions below."""

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
    pages: str
    where: str  # id of the family's experiment; empty if there was none

    @property
    def family(self) -> Family:
        return self.evidence.family


def register(
    root: Path,
    family: Family,
    *,
    record: Record,
    promote: bool,
    trial: bool,
    settings: Settings | None = None,
    pages: str = "",
) -> Decision:
    """Registers build/F/bundle as a version of the family's model, and promotes it if it is better and permitted.

    Args:
        root: The tree that ran, with build/, params.yaml, datasets.dvc and mlflow/promotion.yaml.
        family: The family.
        record: The commit of exactly that tree.
        promote: True if the champion may move.
        trial: True if the run had overrides; recorded on the version.
        settings: Where things are; loaded if omitted. MLFLOW_TRACKING_URI overrides `registry.url`.
        pages: Public address of MLflow's pages, if it differs from the address that this run uses.

    Raises:
        RegistryError: There is nothing to register, the champion cannot be fetched, or `signing.key` is not a key.
        RegistryDownError: The server does not answer.
        registry.promotion.rules.RulesError: The rules cannot be applied.
    """
    settings = settings or load_settings()
    signer, evidence = load_signer(settings), ev.read_evidence(root, family)
    rules = load_rules(root / "mlflow" / "promotion.yaml", family.name)
    mlflow = runs.client(runs.address() or settings.registry.url)
    state, team, read = root / settings.state, bool(settings.registry.url), asset_reader(root, settings)
    pages = pages or mlflow.tracking_uri
    where = runs.find_experiment(mlflow, family.name)
    return _register(_Job(mlflow, evidence, record, rules, promote, trial, team, state, read, signer, pages, where))


def _register(job: _Job) -> Decision:
    runs.end_abandoned(job.mlflow, job.family.name, job.where)
    standing = alias_moves.repaired(job.mlflow, job.family.name)
    same = model_versions.versions(job.mlflow, job.family.name, job.evidence.bundle.digest) if standing.exists else []
    rejected = next((version for version in same if REJECTED in version.tags), None)
    if rejected is not None:
        return _nothing_new(job, rejected, standing, rejection_of(rejected))
    # Two machines may have registered one bundle in the same second; the older version counts.
    version = _signed(job, same[-1]) if same else None
    if version is not None and _is_decided(job, version, standing):
        return _nothing_new(job, version, standing, *reasons_of(version))
    if version is not None and standing.champion is None and standing.last == version:
        text = f"the alias of {job.family.name} is missing; {version} was champion last: {by_hand(version.number)}"
        return _nothing_new(job, version, standing, text)
    run = ev.known_run(job.mlflow, job.evidence, job.where)
    if version is None and standing.exists and run is not None and (gone := _deleted(job, run)):
        return _deleted_by_hand(job, gone, run, standing)
    return _decide(job, version, run, standing)


def _is_decided(job: _Job, version: Version, standing: Standing) -> bool:
    if standing.champion is not None and standing.champion.number == version.number:
        return bool(version.tags.get(DECIDED_ON))
    return version.tags.get(DECIDED_ON) == _basis(job, standing)


def _deleted(job: _Job, run: Run) -> int | None:
    """The version that a run was registered as, if a person has deleted it since."""
    number = model_versions.number_of(run.data.tags, ev.VERSION)
    if number is None or model_versions.find_version(job.mlflow, job.family.name, number) is not None:
        return None
    return number


def _basis(job: _Job, standing: Standing) -> str:
    """Hash of everything that the decision on this bundle depends on."""
    incumbent = standing.incumbent.digest if standing.incumbent else ""
    parts = [incumbent, job.rules.model_dump_json(), scores.split_hash(job.evidence.clean)]
    parts.append(_obstacle(job, standing)[0] or "")
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _obstacle(job: _Job, standing: Standing) -> tuple[Outcome | None, str]:
    """The obstacle that keeps the alias in place, however good the challenger."""
    name = job.family.name
    if standing.hold is not None:
        return "held", f"{name} is {standing.hold}. {python()} -m flows release {name} ends it"
    if job.team and job.record.branch != job.rules.branch:
        here = job.record.branch or "a detached HEAD"
        return "other branch", f"this ran on {here}; the team's champion moves only from {job.rules.branch}"
    if standing.incumbent is None and standing.log.history:
        champions = ", ".join(f"v{number}" for number in standing.log.history)
        why = f"nothing is left to compare with: the champions ({champions}) were deleted or rejected"
        return "no champion left", f"{why}. To start again, {by_hand('N')}"
    if not job.promote:
        return "not asked", "promotion was not requested"
    return None, ""


def _create(job: _Job, run: Run, tags: dict[str, str], standing: Standing) -> Version:
    """Creates the version with all known tags, since each later tag is a request of its own."""
    if not standing.exists:
        model_versions.ensure_model(job.mlflow, job.family.name)
    made = job.mlflow.create_model_version(
        job.family.name,
        f"{run.info.artifact_uri}/{ev.BUNDLE}",
        run.info.run_id,
        tags=_version_tags(job) | tags,
        description=run_summary.describe_version(run, job.evidence, job.record.commit),
        await_creation_for=0,  # suppresses a line of output while it waits
    )
    # The signature contains the version, so the version is created first; after a kill in between, the next run signs.
    return _signed(job, _linked(job, model_versions.version_of(made), run))


def _linked(job: _Job, version: Version, run: Run) -> Version:
    """Records the version in the run and as a git tag."""
    if run.data.tags.get(ev.VERSION) != str(version.number):
        run_summary.log_version(job.mlflow, run, job.evidence, version.number)
    if job.record.commit:
        # Moved if the registry was set up again and counts from 1: records are kept without their tags too.
        commit = version.tags.get(RECORD) or job.record.commit
        git_tag(job.evidence.root, f"{job.family.name}/v{version.number}", commit, move=True)
    return version


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
    }


def _signed(job: _Job, version: Version) -> Version:
    """Signs a version that is new, or was registered without a key or with another one.

    Uses the local certificate: the one in the registry may have been changed, and must not be signed unseen.
    """
    if job.signer is None or version.tags.get(SIGNED) == job.signer.fingerprint:
        return version
    bundle = job.evidence.bundle
    ev.log_signature(job.mlflow, version.run_id, bundle, job.signer, version.number, model_versions.now())
    about = {CERTIFICATE: job.evidence.certificate.model_dump_json(), SIGNED: job.signer.fingerprint}
    return model_versions.tag_version(job.mlflow, version, about)


def _decide(job: _Job, version: Version | None, run: Run | None, standing: Standing) -> Decision:
    """Compares a bundle with the champion and acts on the result; again if the champion has moved in the meantime."""
    registered = version is None or DECIDED_ON not in version.tags
    if version is None:
        run = ev.log_evidence(job.mlflow, run, job.evidence, job.where)
    elif run is not None:
        _linked(job, version, run)
    for _ in range(ATTEMPTS):
        if version is not None and standing.champion is not None and standing.champion.number == version.number:
            return _crowned(job, standing.champion, standing, registered=registered)
        try:
            verdict, measured = _weigh(job, standing.incumbent)
        except RegistryError:
            if version is None and run is not None:
                _create(job, run, {}, standing)
            raise
        before, standing = standing, model_versions.standing(job.mlflow, job.family.name, [standing.champion])
        if _basis(job, standing) != _basis(job, before):
            continue
        tags = _judged(job, standing, verdict, measured)
        version = _create(job, run, tags, standing) if version is None and run else _retagged(job, version, tags)
        promoted, basis = tags[DECISION] == "promoted", _basis(job, standing)
        stands = partial(_stands, job, basis)
        if not promoted or alias_moves.promote(job.mlflow, version, standing.champion, stands):
            version = model_versions.tag_version(job.mlflow, version, {DECIDED_ON: basis})
            reasons = reasons_of(version)
            return _decision(job, version, standing, reasons, registered=registered, promoted=promoted)
        standing = alias_moves.repaired(job.mlflow, job.family.name)
        version = model_versions.read_version(job.mlflow, job.family.name, version.number)
        if REJECTED in version.tags:  # rolled back while it was briefly champion
            return _nothing_new(job, version, standing, rejection_of(version))
    message = f"the champion of {job.family.name} moved {ATTEMPTS} times while {version} was evaluated"
    raise RegistryError(message, "check who else registers there, then: make nightly")


def _stands(job: _Job, basis: str, standing: Standing) -> bool:
    """True if a decision on that basis still holds in the family's current state."""
    return _basis(job, standing) == basis


def _retagged(job: _Job, version: Version | None, tags: dict[str, str]) -> Version:
    assert version is not None  # noqa: S101  found or created by now
    if version.tags.get(DECIDED_ON):
        tags |= {DECIDED_ON: ""}  # marks an interrupted move
    return model_versions.tag_version(job.mlflow, version, {TRIAL: json.dumps(job.trial), **tags})


def _crowned(job: _Job, version: Version, standing: Standing, *, registered: bool) -> Decision:
    """Decision for a champion whose run was killed before it could record it, or whose alias a person has moved."""
    crowned = model_versions.tag_version(job.mlflow, version, {DECIDED_ON: _basis(job, standing)})
    ours = crowned.tags.get(DECISION) == "promoted"
    if standing.log.history[-1:] != [version.number]:
        alias_moves.enter(job.mlflow, standing, version)
    reasons = reasons_of(crowned) if ours else ["the alias was moved to it by hand"]
    return _decision(job, crowned, standing, reasons, registered=registered, promoted=ours)


def _weigh(job: _Job, champion: Version | None) -> tuple[Verdict, dict[str, Any]]:
    """Scores both on the test split, unless that was done, and measures their latencies interleaved, here."""
    evidence, bundle, objective = job.evidence, job.evidence.bundle, job.family.objective
    own = scores.of_challenger(evidence) or _scored(job, bundle)
    if champion is None:
        return decide(job.rules, _side(CHALLENGER, bundle, own), None, objective), {}
    other = model_versions.fetch(job.mlflow, champion, job.state)
    latency_ms = _latencies(bundle, other)
    challenger = _side(CHALLENGER, bundle, own, latency_ms["challenger"])
    incumbent = _side(f"v{champion.number}", other, _scored(job, other), latency_ms["champion"])
    measured = {"latency_ms": latency_ms, "size_bytes": {"champion": ev.graph_bytes(other)}}
    return decide(job.rules, challenger, incumbent, objective), measured


def _scored(job: _Job, bundle: Bundle) -> Scores:
    return scores.of_champion(job.family, bundle, job.evidence.clean, job.state, job.read)


def _side(name: str, bundle: Bundle, scored: Scores, latency_ms: float | None = None) -> Side:
    return Side(name, scored.rows, scored.metrics, ev.size_bytes(bundle), latency_ms)


def _latencies(challenger: Bundle, champion: Bundle) -> dict[str, float]:
    """Latencies of one sample through all graphs of each side."""
    sides = {"challenger": challenger.graphs, "champion": champion.graphs}
    paths = {f"{side}/{name}": path for side, graphs in sides.items() for name, path in graphs.items()}
    taken_ms = interleaved_latency_ms(paths)
    return {side: sum(taken_ms[f"{side}/{name}"] for name in graphs) for side, graphs in sides.items()}


def _judged(job: _Job, standing: Standing, verdict: Verdict, measured: dict[str, Any]) -> dict[str, str]:
    """The decision as tags."""
    obstacle, why = _obstacle(job, standing)
    outcome: Outcome = obstacle or ("promoted" if verdict.promote else "kept")
    incumbent = standing.incumbent
    tags = {
        DECISION: outcome,
        REASONS: "\n".join(_reasons(obstacle, why, verdict, standing)),
        OBJECTIVE: verdict.objective.model_dump_json(),
        MEASURED: json.dumps(measured),
        BEFORE: str(incumbent.number) if incumbent else "",
    }
    return tags | ({CHAMPION_SINCE: model_versions.now()} if outcome == "promoted" else {})


def _reasons(obstacle: Outcome | None, why: str, verdict: Verdict, standing: Standing) -> list[str]:
    """The obstacle first, then the findings; the hint on promotion is given only if it would help."""
    found = list(verdict.reasons)
    if obstacle == "not asked" and not verdict.promote:
        found = [*found, f"{why}, and it would not have been promoted"]
    elif obstacle:
        hint = ": run it again with --promote" if obstacle == "not asked" else ""
        found = [f"{why}{hint}{'; it would have been promoted' if verdict.promote else ''}", *found]
    if standing.last is not None:
        found.append(f"the alias is missing; it was compared with {standing.last}, the last champion")
    return found


def _nothing_new(job: _Job, version: Version, standing: Standing, *reasons: str) -> Decision:
    champion = standing.champion is not None and standing.champion.number == version.number
    text = f"{version} is this very bundle{' and the champion' if champion else ''}; nothing was registered"
    return _decision(job, version, standing, [text, *reasons], registered=False, promoted=False)


def _deleted_by_hand(job: _Job, number: int, run: Run, standing: Standing) -> Decision:
    name = f"{job.family.name} v{number}"
    text = f"{name}, which was this very bundle, was deleted by hand; it is not registered again"
    remedy = f"to restore it, delete its run {run.info.run_name} in MLflow's pages, then: make nightly"
    ghost = Version(job.family.name, number, run.info.run_id, "")
    found = _decision(job, ghost, standing, [text, remedy], registered=False, promoted=False)
    return found.model_copy(update={"version": None, "version_url": ""})


def _decision(
    job: _Job, version: Version, standing: Standing, reasons: list[str], *, registered: bool, promoted: bool
) -> Decision:
    certificate = job.evidence.certificate
    name, now = certificate.objective, standing.champion.number if standing.champion else None
    compressed = certificate.metrics["compressed"].get(name)
    gain = model_versions.read_tag(version.tags, OBJECTIVE, Gain) or Gain(name=name, challenger=compressed or 0.0)
    measured = model_versions.read_json(version.tags, MEASURED)
    weight = {**certificate.size_bytes, "bundle": ev.size_bytes(job.evidence.bundle)}
    where = job.where or job.mlflow.get_run(version.run_id).info.experiment_id
    return Decision(
        family=job.family.name,
        version=version.number,
        digest=job.evidence.bundle.digest,
        registered=registered,
        promoted=promoted,
        champion_before=model_versions.number_of(version.tags, BEFORE) if promoted else now,
        champion_after=version.number if promoted else now,
        reasons=reasons,
        objective=gain,
        fp32=certificate.metrics["fp32"].get(name),
        compressed=compressed,
        size_bytes=weight | measured.get("size_bytes", {}),
        latency_ms=certificate.latency_ms | measured.get("latency_ms", {}),
        held=str(standing.hold) if standing.hold else None,
        run_id=version.run_id,
        run_url=runs.page(job.pages, "experiments", where, "runs", version.run_id),
        version_url=runs.page(job.pages, "models", job.family.name, "versions", str(version.number)),
    )
