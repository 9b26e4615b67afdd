"""The exported files against the test split, through ONNX Runtime: scores, pictures and the certificate."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from compression.prove import certificate
from compression.rungs import read_ladder
from curation.sampleset import SampleSet
from models.families import by_name
from models.load import load_params
from registry.assets import read_asset
from registry.settings import load_settings
from report.charts import confusion, reliability
from report.figures import credit_line, credits_of
from report.sheets import sheet
from report.typed_page import COLUMNS as PAGES
from report.typed_page import PAGE_PX, page_of
from rushes.bundle import Budget, read_bundle, write_certificate

if TYPE_CHECKING:
    from models.family import Family, Read, Scores
    from rushes.bundle import Bundle

SPLIT = "test"
COLUMNS = 8  # of a sheet that does not say


def run(item: str) -> None:
    """Writes build/F/bundle (the candidate and its certificate) and build/F/scores."""
    family, build = by_name(item), Path("build") / item
    collection, params = load_params(Path("params.yaml"), family)
    samples = SampleSet(Path("build/clean") / collection)
    reference, candidate = read_bundle(build / "reference"), read_bundle(build / "candidate")
    fp32, compressed = (family.score(bundle, samples, SPLIT, read_asset) for bundle in (reference, candidate))
    as_given = _as_given(family, candidate, samples, read_asset) or compressed
    _write_scores(family, fp32, compressed, as_given, build / "scores")
    _draw(family, compressed, samples, build / "scores", credit_line(credits_of(candidate.manifest.settings)))
    shutil.copytree(candidate.folder, build / "bundle", dirs_exist_ok=True)
    source = read_bundle(build / "ladder" / "source")
    budget = Budget(**params.budget.model_dump())
    meant = load_settings().budget.machine
    ladder, judged_by = read_ladder(build / "ladder")
    pick = ladder.pick(judged_by)
    proof = certificate(
        family, reference, source, candidate, fp32, compressed,
        budget=budget, budget_machine=meant, form=pick.name if pick else "",
        objective_drop=ladder.teacher.objective - pick.objective if pick else None,
    )  # fmt: skip
    write_certificate(build / "bundle", proof)


def _as_given(family: Family, candidate: Bundle, samples: SampleSet, read: Read) -> Scores | None:
    """The score with the test samples that clean dropped, where there are any and where it says something."""
    dropped = len(samples.whole.kept(SPLIT)) - len(samples.kept(SPLIT))
    return family.score(candidate, samples.whole, SPLIT, read) if dropped and family.scores_as_given else None


def _write_scores(family: Family, fp32: Scores, compressed: Scores, as_given: Scores, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    compressed.rows.to_parquet(folder / "rows.parquet", index=False)
    by_source = {
        str(source): {"samples": len(rows), family.objective.name: family.objective(rows)}
        for source, rows in compressed.rows.groupby("source")
    }
    figures: dict[str, Any] = {
        "objective": family.objective.name,
        "samples": len(compressed.rows),
        "fp32": fp32.metrics,
        "compressed": compressed.metrics,
        # With the test samples that clean dropped: what to set beside a figure that others have published.
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
        path, columns = folder / f"{drawn.name}.jpg", drawn.columns or COLUMNS
        sheet(drawn.pictures, drawn.captions, path, title=drawn.title, columns=columns, foot=owed)
        captions[f"{drawn.name}.jpg"] = drawn.title
    if scores.texts:
        captions |= _written(scores, folder)
    if "predicted" in scores.rows:
        figures = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        confusion(figures["confusion"], figures["labels"], folder / "confusion.png")
        reliability(
            scores.rows["confidence"], scores.rows["predicted"] == scores.rows["label"], folder / "reliability.png"
        )
        captions |= {"confusion.png": "Confusion: truth by row", "reliability.png": "Reliability"}
    (folder / "captions.json").write_text(json.dumps(captions, indent=2) + "\n", encoding="utf-8")


def _written(scores: Scores, folder: Path) -> dict[str, str]:
    """What was written, typed as pages, and as the text it is."""
    title = "Written for headings and casts that were held out: the beginnings"
    pages = [page_of(text) for text in scores.texts.values()]
    sheet(pages, list(scores.texts), folder / "written.jpg", title=title, columns=PAGES, cell_px=PAGE_PX)
    (folder / "written.fountain").write_text("\n".join(scores.texts.values()), encoding="utf-8")
    return {"written.jpg": title}
