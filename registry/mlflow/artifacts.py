"""Evidence of a version: all outputs of a run in build/, logged to the MLflow run that the version refers to.

Everything here is safe to repeat: what MLflow already has is skipped, or overwritten with the same.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curation.annotations.csv_cells import escape
from curation.params import load_collection
from registry.dvc.records import read_out, read_record
from registry.mlflow import mlmodel, runs
from registry.mlflow.runs import RegistryError
from rushes.bundle.manifest import CERTIFICATE, SIGNATURE, Bundle, read_bundle

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

    from models.family import Family
    from registry.signing import Signer
    from rushes.bundle.manifest import Certificate

BUNDLE = "bundle"  # artifact folder in a version's source
PICTURES_IN, FILES = "pictures", "files"  # artifact folders
FIGURES = "figures.csv"  # artifact with every figure; MLflow shows it as a table
DATA = "data.json"  # training data, for display: MLflow does not show .dvc files
SIDES = ("compressed", "fp32")
CURVES = {"lr": "train/learning_rate"}  # columns of history.csv that are renamed for charts
VERSION = "rushes.version"  # on a run: its registered version
PICTURES = (".png", ".jpg", ".jpeg", ".webp")
_NOT_IN_A_NAME = re.compile(r"[^\w\-. /:]", re.UNICODE)


@dataclass(frozen=True)
class Evidence:
    """The files of one run of one family, read and checked.

    Attributes:
        root: The tree that ran.
        family: The family.
        collection: Its collection.
        bundle: The challenger.
        certificate: Its measurements.
        summary: summary.json of the training: key, params, packages.
        params: All params of the family and its collection, including defaults, by dotted name.
        dataset: The md5 in datasets.dvc; empty if the data have no version.
    """

    root: Path
    family: Family
    collection: str
    bundle: Bundle
    certificate: Certificate
    summary: Mapping[str, Any]
    params: Mapping[str, str]
    dataset: str

    @property
    def key(self) -> str:
        """The key of the training."""
        return str(self.summary["key"])

    @property
    def build(self) -> Path:
        """Folder with the outputs of the family's stages."""
        return self.root / "build" / self.family.name

    @property
    def clean(self) -> Path:
        """The packed set with the test split."""
        return self.root / "build" / "clean" / self.collection


def read_evidence(root: Path, family: Family) -> Evidence:
    """Reads the outputs of a family's stages.

    Raises:
        RegistryError: A stage has not run, or its bundle has no certificate.
        rushes.bundle.manifest.BundleError: The bundle does not match its manifest.
    """
    build = root / "build" / family.name
    for needed in (build / BUNDLE / "manifest.json", build / "train" / "summary.json"):
        if not needed.is_file():
            raise _missing(needed.relative_to(root), family)
    bundle = read_bundle(build / BUNDLE)
    if bundle.certificate is None:
        raise _missing((build / BUNDLE / "certificate.json").relative_to(root), family)
    document = read_record(root, "params.yaml")
    collection = str(document["families"][family.name])
    return Evidence(
        root,
        family,
        collection,
        bundle,
        bundle.certificate,
        json.loads((build / "train" / "summary.json").read_text(encoding="utf-8")),
        _params(root, family, collection, document),
        dataset_digest(root),
    )


def _missing(path: Path, family: Family) -> RegistryError:
    return RegistryError(f"{path} is missing: there is nothing to register for {family.name}", "make nightly")


def _params(root: Path, family: Family, collection: str, document: Mapping[str, Any]) -> dict[str, str]:
    own = family.params.model_validate(document.get(family.name) or {}).model_dump(mode="json")
    data = load_collection(root / "params.yaml", collection).model_dump(mode="json")
    return runs.flat(own) | runs.flat(data, f"{collection}.")


def dataset_digest(root: Path) -> str:
    """The md5 of the version of datasets/; empty if there is no datasets.dvc."""
    return str(read_out(root).get("md5", ""))


def known_run(mlflow: MlflowClient, evidence: Evidence, where: str = "") -> Run | None:
    """The run that this bundle was logged to before. `where` is the id of the family's experiment, if known."""
    known = runs.runs(mlflow, evidence.family.name, f"tags.`{runs.DIGEST}` = '{evidence.bundle.digest}'", where)
    return known[0] if known else None


def _unclaimed_run(mlflow: MlflowClient, evidence: Evidence, where: str) -> Run:
    """The run of this bundle's training, or one created from its files.

    One training can give several bundles, when only the compression changes. Each has a run of its own; otherwise the
    second would overwrite the files of the first.
    """
    name, digest = evidence.family.name, evidence.bundle.digest
    for run in runs.by_key(mlflow, name, evidence.key, where):
        if runs.DIGEST not in run.data.tags:
            return run
    return runs.create_run(mlflow, name, evidence.key, {runs.DIGEST: digest})


def log_evidence(mlflow: MlflowClient, run: Run | None, evidence: Evidence, where: str = "") -> Run:
    """Logs params, metrics, curves, the dataset, pictures, files and the bundle to a run, and ends it.

    Args:
        mlflow: The client.
        run: The run that this bundle was logged to before; if omitted, its training's, or a new one.
        evidence: The content to log.
        where: Id of the family's experiment, if known.
    """
    run = run or _unclaimed_run(mlflow, evidence, where)
    _log_figures(mlflow, run, evidence)
    _log_dataset(mlflow, run.info.run_id, evidence)
    with tempfile.TemporaryDirectory() as draft:
        _lay_out(run.info.run_id, evidence, Path(draft))
        mlflow.log_artifacts(run.info.run_id, draft)
    runs.close(mlflow, run)
    return run


def _log_figures(mlflow: MlflowClient, run: Run, evidence: Evidence) -> None:
    """Logs params, metrics and curves in one request, with the tag that claims the run for this bundle."""
    from mlflow.entities import RunTag  # noqa: PLC0415  # MLflow takes seconds to import

    points = _points(run, evidence)
    unknown = [point for curve, of_curve in points.items() if curve not in run.data.metrics for point in of_curve]
    mlflow.log_batch(
        run.info.run_id,
        metrics=_metrics(run, evidence) + unknown,
        params=runs.fresh_params(run, evidence.params),
        tags=[RunTag(runs.DIGEST, evidence.bundle.digest)],
    )
    if missing := list(_missing_points(mlflow, run, points)):
        mlflow.log_batch(run.info.run_id, metrics=missing)


def _lay_out(run_id: str, evidence: Evidence, folder: Path) -> None:
    """Copies all files of a run into a folder, as they lie in its artifacts."""
    for name, paths in ((PICTURES_IN, _pictures(evidence)), (FILES, _files(evidence))):
        (folder / name).mkdir()
        for path in paths:
            shutil.copyfile(path, folder / name / path.name)
    (folder / FIGURES).write_text(figures_table(evidence), encoding="utf-8")
    (folder / DATA).write_text(describe_data(evidence), encoding="utf-8")
    shutil.copytree(evidence.bundle.folder, folder / BUNDLE)
    if text := mlmodel.ml_model(run_id, evidence.bundle.graphs):
        (folder / BUNDLE / mlmodel.NAME).write_text(text, encoding="utf-8")


def log_signature(mlflow: MlflowClient, run_id: str, bundle: Bundle, signer: Signer, version: int, time: str) -> None:
    """Puts the signature of a version beside the bundle of its run, with exactly the certificate that it signs."""
    # The certificate as it was read and compared with the digest: the file may contain other bytes by now.
    mlflow.log_text(run_id, bundle.certified.decode(), f"{BUNDLE}/{CERTIFICATE}")
    mlflow.log_text(run_id, signer.sign(bundle, version, time), f"{BUNDLE}/{SIGNATURE}")


def _metrics(run: Run, evidence: Evidence) -> list[Metric]:
    """Final metrics. Their time is the start of the run, so that logging them again adds nothing."""
    from mlflow.entities import Metric  # noqa: PLC0415  # MLflow takes seconds to import

    found = final_metrics(evidence.certificate)
    return [Metric(metric_name(name), value, run.info.start_time, 0) for name, value in found.items()]


def final_metrics(certificate: Certificate) -> dict[str, float]:
    """Metrics for comparing runs: the scores of the shipped model on the test split, its size and its latency.

    MLflow shows a section of charts for each prefix before a slash, in alphabetical order, and then metrics without a
    prefix: so the curves in `train/` and `val/` come first. All other figures are in a table, not in one chart each.
    """
    shipped, objective = certificate.metrics["compressed"], certificate.objective
    found = {f"test_{name.replace('/', '_')}": value for name, value in numbers(shipped).items()}
    found |= numbers({f"test_{objective}_fp32": certificate.metrics["fp32"].get(objective)})
    size_bytes, latency_ms = certificate.size_bytes.get("compressed"), certificate.latency_ms.get("compressed")
    return found | numbers({"size_bytes": size_bytes, "latency_ms": latency_ms})


def figures_table(evidence: Evidence) -> str:
    """Every figure of the evaluation as CSV, one a row: for the shipped model, and before compression if known."""
    certificate = evidence.certificate
    figures = numbers(_read_json(evidence.build / "scores" / "metrics.json")) | numbers(certificate.metrics)
    measured = ("parity", "size_bytes", "latency_ms", "percentiles_ms", "multiply_adds", "peak_bytes")
    figures |= numbers({name: getattr(certificate, name) for name in measured})
    rows: dict[str, dict[str, str]] = {}
    for name, value in figures.items():
        parts = name.split("/")
        side = next((part for part in parts if part in SIDES), SIDES[0])
        row = "/".join(part for part in parts if part != side) or name
        rows.setdefault(row, {})[side] = str(int(value)) if value.is_integer() else f"{value:.6g}"
    text = io.StringIO()
    table = csv.DictWriter(text, ("figure", *SIDES), restval="", lineterminator="\n")
    table.writeheader()
    table.writerows({"figure": escape(row), **values} for row, values in rows.items())
    return text.getvalue()


def numbers(tree: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """The finite numbers in nested tables as `compressed/accuracy`; skips lists, such as a confusion matrix."""
    found: dict[str, float] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            found |= numbers(value, f"{prefix}{key}/")
        elif isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            found[f"{prefix}{key}"] = float(value)
    return found


def metric_name(name: str) -> str:
    """A name that MLflow accepts: labels and sources may contain any character."""
    return _NOT_IN_A_NAME.sub("_", name)[:250]


def _points(run: Run, evidence: Evidence) -> dict[str, list[Metric]]:
    """The points of history.csv, by curve."""
    from mlflow.entities import Metric  # noqa: PLC0415  # MLflow takes seconds to import

    path = evidence.build / "train" / "history.csv"
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines())) if path.is_file() else []
    found: dict[str, list[Metric]] = {}
    for name in rows[0] if rows else ():
        if name in {"epoch", "step"}:
            continue
        curve, filled = CURVES.get(name, name), [row for row in rows if row[name]]
        found[curve] = [Metric(curve, float(row[name]), run.info.start_time, int(float(row["step"]))) for row in filled]
    return found


def _missing_points(mlflow: MlflowClient, run: Run, points: Mapping[str, list[Metric]]) -> Iterator[Metric]:
    """Points that the run lacks of curves that it has: mostly none, since the training has logged them."""
    for curve, of_curve in points.items():
        if curve in run.data.metrics:
            known = runs.metric_steps(mlflow, run.info.run_id, curve)
            # Lightning counts an epoch's steps from 0, history.csv from 1: these are one point, not two.
            yield from (point for point in of_curve if not known & {point.step, point.step - 1})


def _log_dataset(mlflow: MlflowClient, run_id: str, evidence: Evidence) -> None:
    """Logs the version of the data as an input of the run. Nothing is uploaded: DVC stores the data."""
    from mlflow.entities import Dataset, DatasetInput, InputTag  # noqa: PLC0415  # MLflow takes seconds to import

    if not evidence.dataset:
        return
    source = json.dumps({"path": f"datasets/{evidence.collection}", "version": "datasets.dvc"})
    info = _read_json(evidence.clean / "set.json")
    profile = json.dumps({key: info[key] for key in ("counts", "sources") if key in info})
    dataset = Dataset(evidence.collection, evidence.dataset, "dvc", source, profile=profile)
    tag = InputTag("mlflow.data.context", "training")
    mlflow.log_inputs(run_id, datasets=[DatasetInput(dataset, [tag])])


def describe_data(evidence: Evidence) -> str:
    """The collection, its DVC version, and the numbers of kept and dropped samples of each source, as JSON."""
    info = _read_json(evidence.clean / "set.json")
    about = {"collection": evidence.collection, "version": evidence.dataset, "version_file": "files/datasets.dvc"}
    return json.dumps(about | {key: info[key] for key in ("counts", "sources") if key in info}, indent=2) + "\n"


def _pictures(evidence: Evidence) -> Iterator[Path]:
    for folder in (evidence.build / "scores", evidence.build / "train", evidence.build / "set", evidence.clean):
        found = sorted(folder.iterdir()) if folder.is_dir() else ()
        yield from (path for path in found if path.suffix.lower() in PICTURES)


def _files(evidence: Evidence) -> list[Path]:
    """Files that trace the version to its data, code, params and figures."""
    build, root = evidence.build, evidence.root
    wanted = [root / "datasets.dvc", root / "dvc.lock", root / "params.yaml", root / "requirements.lock"]
    wanted += [build / "train" / "history.csv", build / "train" / "summary.json"]
    wanted += [build / "scores" / "metrics.json", build / "scores" / "captions.json"]
    return [path for path in wanted if path.is_file()]


def _read_json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def size_bytes(bundle: Bundle) -> int:
    """Bytes of all files of the bundle."""
    return sum(file.size_bytes for file in bundle.manifest.files.values())


def graph_bytes(bundle: Bundle) -> int:
    """Bytes of its graphs only, as in the certificate."""
    return sum(bundle.manifest.files[name].size_bytes for name in bundle.graphs)
