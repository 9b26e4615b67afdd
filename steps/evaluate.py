"""The exported files against the test split, through ONNX Runtime: scores, pictures and the certificate."""

from __future__ import annotations

import json
import math
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from common.settings import load_settings
from compression.prove import certificate
from compression.search.candidates import read_result
from curation.store.sample_set import SampleSet
from models.components.load import load_params
from models.families import by_name
from registry.assets import read_asset
from report.formatting import credits_in, made_from_line
from report.images.charts import confusion, reliability
from report.images.contact_sheet import sheet
from report.images.typed_page import COLUMNS as PAGES
from report.images.typed_page import PAGE_PX, page_of
from rushes.bundle.manifest import Budget, read_bundle, sha256_file, write_certificate
from training.monitoring.divergence import NotFiniteError, not_finite, not_finite_probability
from training.monitoring.time_left import left

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from common.assets import Read
    from models.family import Family, Scores
    from rushes.bundle.manifest import Bundle

SPLIT = "test"
COLUMNS, CELL_PX = 8, 96  # of a sheet that names no number or size of its own


def run(item: str) -> None:
    """Writes build/F/bundle (the candidate and its certificate) and build/F/scores."""
    family, build = by_name(item), Path("build") / item
    collection, params = load_params(Path("params.yaml"), family)
    samples = SampleSet(Path("build/clean") / collection)
    reference, candidate = read_bundle(build / "reference"), read_bundle(build / "candidate")
    fp32, compressed = _scored(family, samples, (reference, candidate))
    check_scores(family, {"fp32": fp32, "compressed": compressed})
    if "predicted" in compressed.rows:
        sys.stdout.writelines(lines_of_absent(samples, candidate.manifest.labels))
    as_given = _as_given(family, candidate, samples, read_asset) or compressed
    scored = {"digest": candidate.digest, "split": sha256_file(samples.folder / "samples.parquet")}
    _write_scores(family, fp32, compressed, as_given, build / "scores", scored)
    _draw(family, compressed, samples, build / "scores", made_from_line(credits_in(candidate.manifest.settings)))
    shutil.copytree(candidate.folder, build / "bundle", dirs_exist_ok=True)
    source = read_bundle(build / "search" / "source")
    budget = Budget(**params.budget.model_dump())
    meant = load_settings().budget.processor
    result, judged_by = read_result(build / "search")
    pick = result.pick(judged_by)
    proof = certificate(
        family, reference, source, candidate, fp32, compressed,
        budget=budget, budget_machine=meant, name=pick.name if pick else "",
        objective_drop=result.teacher.objective - pick.objective if pick else None,
    )  # fmt: skip
    write_certificate(build / "bundle", proof)


def _scored(family: Family, samples: SampleSet, bundles: Sequence[Bundle]) -> list[Scores]:
    """The scores of each, in that order, with progress in the stage's log."""
    scores, start = [], time.monotonic()
    for number, bundle in enumerate(bundles, 1):
        scores.append(family.score(bundle, samples, SPLIT, read_asset))
        rest = left(number, len(bundles), time.monotonic() - start)
        sys.stdout.write(f"model {number} of {len(bundles)} is scored{rest and f', {rest}'}\n")
        sys.stdout.flush()
    return scores


def check_scores(family: Family, scores: Mapping[str, Scores]) -> None:
    """Refuses scores that are NaN or infinite: no rule of promotion could be applied to them.

    A figure beside the objective may be undefined for a small split, but then it is so for both models.

    Raises:
        NotFiniteError: The objective of a model, a figure of one model alone, or a probability is NaN or infinite.
    """
    for side, own in scores.items():
        defined = [name for name in own.metrics if any(math.isfinite(other.metrics[name]) for other in scores.values())]
        figures = {name: own.metrics[name] for name in {*defined, family.objective.name}}
        if found := not_finite(figures) or not_finite_probability(own.rows):
            what = f"{found} of the {side} model on the {SPLIT} split"
            remedy = f"the network gives NaN: lower {family.name}.train.learning_rate in params.yaml"
            raise NotFiniteError(what, f"{remedy}, or look at build/{family.name}/train/history.csv")


def lines_of_absent(samples: SampleSet, labels: Sequence[str]) -> list[str]:
    """A line for each split without samples of some labels: they are neither learned nor scored there."""
    meaning = {"train": "it is not learned", SPLIT: "no figure measures how well it is read"}
    absent = {split: sorted(set(labels) - set(samples.kept(split)["label"])) for split in meaning}
    return [
        f"no sample of {', '.join(names)} in {split}: {meaning[split]}\n" for split, names in absent.items() if names
    ]


def _as_given(family: Family, candidate: Bundle, samples: SampleSet, read: Read) -> Scores | None:
    """The score with the test samples that clean dropped, where there are any and the family compares such scores."""
    dropped = len(samples.whole.kept(SPLIT)) - len(samples.kept(SPLIT))
    return family.score(candidate, samples.whole, SPLIT, read) if dropped and family.scores_as_given else None


def _write_scores(
    family: Family, fp32: Scores, compressed: Scores, as_given: Scores, folder: Path, scored: Mapping[str, str]
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    compressed.rows.to_parquet(folder / "rows.parquet", index=False)
    by_source = {
        str(source): {"samples": len(rows), family.objective.name: family.objective(rows)}
        for source, rows in compressed.rows.groupby("source")
    }
    figures: dict[str, Any] = {
        **scored,  # of which bundle, on which split: `register` need not score it again
        "objective": family.objective.name,
        "samples": len(compressed.rows),
        "fp32": fp32.metrics,
        "compressed": compressed.metrics,
        # With the test samples that clean dropped, to compare with figures that others have published.
        "as_given": {"samples": len(as_given.rows), **as_given.metrics},
        "sources": by_source,
        "worst": family.objective.worst(compressed.rows),
    }
    if "predicted" in compressed.rows:
        figures |= _confusion(compressed.rows)
    (folder / "metrics.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def _confusion(rows: pd.DataFrame) -> dict[str, Any]:
    labels = sorted(set(rows["label"]) | set(rows["predicted"]))
    table = pd.crosstab(rows["label"], rows["predicted"]).reindex(index=labels, columns=labels, fill_value=0)
    return {"labels": labels, "confusion": table.to_numpy().tolist()}


def _draw(family: Family, scores: Scores, samples: SampleSet, folder: Path, owed: str) -> None:
    captions = {}
    for drawn in family.draw(scores, samples, SPLIT):
        path, columns, cell_px = folder / f"{drawn.name}.jpg", drawn.columns or COLUMNS, drawn.cell_px or CELL_PX
        sheet(drawn.pictures, drawn.captions, path, title=drawn.title, columns=columns, cell_px=cell_px, foot=owed)
        captions[f"{drawn.name}.jpg"] = drawn.title
    if scores.texts:
        captions |= _written(scores, folder)
    if "predicted" in scores.rows:
        figures = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        confusion(figures["confusion"], figures["labels"], folder / "confusion.png")
        captions["confusion.png"] = "Confusion: truth by row"
    if {"confidence", "predicted"} <= set(scores.rows):
        correct = scores.rows["predicted"] == scores.rows["label"]
        reliability(scores.rows["confidence"], correct, folder / "reliability.png")
        captions["reliability.png"] = "Reliability"
    (folder / "captions.json").write_text(json.dumps(captions, indent=2) + "\n", encoding="utf-8")


def _written(scores: Scores, folder: Path) -> dict[str, str]:
    """Generated scripts, typed as pages, and as plain text."""
    title = "Written for headings and casts that were held out: the beginnings"
    pages = [page_of(text) for text in scores.texts.values()]
    sheet(pages, list(scores.texts), folder / "written.jpg", title=title, columns=PAGES, cell_px=PAGE_PX)
    (folder / "written.fountain").write_text("\n".join(scores.texts.values()), encoding="utf-8")
    return {"written.jpg": title}
