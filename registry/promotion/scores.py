"""Existing scores on the test split: those of `evaluate`, and those of a champion that was scored before.

Scores are valid for one bundle, one split and one state of the scoring code. If any of them differs, or stored rows no
longer give the stored metric, the bundle is scored again.
"""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import onnxruntime
import pandas as pd

from models.family import Scores
from rushes.bundle.manifest import sha256_file

if TYPE_CHECKING:
    from common.assets import Read
    from models.family import Family
    from registry.mlflow.artifacts import Evidence
    from rushes.bundle.manifest import Bundle

SPLIT = "test"
ROWS, FIGURES = "rows.parquet", "metrics.json"
CODE = ("models", "rushes", "curation")  # packages that a score depends on


def split_hash(clean: Path) -> str:
    """Hash of the samples of a packed set, with their labels and splits."""
    return sha256_file(clean / "samples.parquet")


def of_challenger(evidence: Evidence) -> Scores | None:
    """Scores of `evaluate`, if they are of this bundle on this split."""
    folder = evidence.build / "scores"
    figures = _read(folder / FIGURES)
    if figures.get("digest") != evidence.bundle.digest or figures.get("split") != split_hash(evidence.clean):
        return None
    return _scores(evidence.family, folder / ROWS, figures.get("compressed"))


def of_champion(family: Family, bundle: Bundle, clean: Path, state: Path, read: Read) -> Scores:
    """The scores of a bundle, cached in the state folder by bundle, split and code."""
    from curation.store.sample_set import SampleSet  # noqa: PLC0415  # not needed if the scores are cached

    key = hashlib.sha256(json.dumps([bundle.digest, split_hash(clean), _code()]).encode()).hexdigest()
    folder = state / "champions" / family.name / "scores" / key
    known = _scores(family, folder / ROWS, _read(folder / FIGURES))
    if known is not None:
        return known
    scores = family.score(bundle, SampleSet(clean), SPLIT, read)
    _keep(scores, folder)
    return scores


def _keep(scores: Scores, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as draft:
        scores.rows.to_parquet(Path(draft) / ROWS, index=False)
        (Path(draft) / FIGURES).write_text(json.dumps(scores.metrics), encoding="utf-8")
        for name in (ROWS, FIGURES):
            (Path(draft) / name).replace(folder / name)


def _scores(family: Family, rows: Path, metrics: Any) -> Scores | None:  # noqa: ANN401  any JSON
    """Scores from files, if they are consistent: the rows give the recorded objective."""
    if not rows.is_file() or not isinstance(metrics, dict):
        return None
    try:
        found = pd.read_parquet(rows)
        same = math.isclose(family.objective(found), float(metrics[family.objective.name]), rel_tol=1e-9)
    except (OSError, ValueError, KeyError, TypeError):  # truncated, altered, or of another version
        return None
    return Scores(found, metrics) if same else None


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _code() -> str:
    """Hash of the scoring code, and of the versions of its libraries."""
    digest = hashlib.sha256(json.dumps([cv2.__version__, np.__version__, onnxruntime.__version__]).encode())
    root = Path(__file__).parents[2]
    for path in sorted(path for name in CODE for path in (root / name).rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
