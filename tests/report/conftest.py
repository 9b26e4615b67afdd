"""A run's build/ tree, made of drawn faces and invented figures."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from compression.search.candidates import MeasuredCandidate, SearchResult
from curation.store.sample_set import write_set
from models.family import BudgetParams
from report.data.run import Failure, NightlyRun, StageRun
from report.images.contact_sheet import sheet
from report.page.build import build
from tests.support.drawn_run import with_family, write_family

LABELS = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
PARAMS = """
families: {expression: faces}
collections:
  faces: {labels: [angry, happy], size_px: 48}
expression:
  train: {seed: 7, epochs: 16}
"""


def drawn_face(rng: np.random.Generator, label: str) -> np.ndarray:
    """A grey 48 px face whose mouth bends with its label."""
    face_hw = np.full((48, 48), rng.integers(30, 90), np.uint8)
    skin = int(rng.integers(140, 220))
    cv2.ellipse(face_hw, (24, 24), (16, 20), 0, 0, 360, skin, -1, cv2.LINE_AA)
    for x in (17, 31):
        cv2.circle(face_hw, (x, 19), 2, 40, -1, cv2.LINE_AA)
    bend = {"happy": 5, "surprise": 2, "sad": -5, "angry": -3}.get(label, 0)
    cv2.ellipse(face_hw, (24, 34 - bend // 2), (7, abs(bend) + 1), 0, *((0, 180) if bend >= 0 else (180, 360)), 40, 1)
    noisy_hw = face_hw + rng.normal(0, 6, face_hw.shape)
    return np.clip(noisy_hw, 0, 255).astype(np.uint8)[..., None]


def write_clean(root: Path, rng: np.random.Generator, per_label: int = 40) -> None:
    """build/clean/faces with all splits, two sources, some samples dropped, and their sheet."""
    rows, arrays = [], {"train": [], "validation": [], "test": []}
    for n, label in enumerate(LABELS * per_label):
        split = ("train", "train", "train", "validation", "test")[n // len(LABELS) % 5]
        kept = n % 19 != 0 and (label != "disgust" or n % 3 != 0)
        reason = "" if kept else ("blurred", "exact duplicate", "conflicting labels")[n % 3]
        rows.append(_row(n, label, split, reason, len(arrays[split]) if kept else -1))
        if kept:
            arrays[split].append(drawn_face(rng, label))
    table = pd.DataFrame(rows)
    counts = table.loc[~table["kept"], "reason"].value_counts()
    info = {
        "labels": LABELS,
        "size_px": 48,
        "channels": 1,
        "counts": {str(reason): int(number) for reason, number in counts.items()},
        "findings": {"exact duplicate": {"within splits": 3, "across splits": 0}},
        "not_judged": ["studio: too few samples to say what an outlier is"],
    }
    folder = root / "build/clean/faces"
    write_set(folder, table, {split: np.stack(faces) for split, faces in arrays.items()}, info)
    bad = table[~table["kept"]].head(24)
    captions = [f"{row.label}\n{row.reason}" for row in bad.itertuples()]
    sheet([drawn_face(rng, label) for label in bad["label"]], captions, folder / "dropped.jpg")


def _row(n: int, label: str, split: str, reason: str, row: int) -> dict:
    source = "studio" if n % 4 == 0 else "starter"
    about = {"id": f"{n:012x}-000000", "source": source, "sha256": f"{n:064x}", "label": label, "split": split}
    return about | {
        "group": f"g{n % 9}",
        "performer": None,
        "kept": not reason,
        "reason": reason,
        "row": row,
        "votes": None,
    }


def write_set_folder(root: Path, rng: np.random.Generator) -> None:
    """build/expression/set: twice as much of each label, and the sheet of before and after."""
    folder = root / "build/expression/set"
    rows = [_row(n, label, "train", "", n) for n, label in enumerate(LABELS * 60)]
    faces_nhwc = np.zeros((len(rows), 48, 48, 1), np.uint8)
    write_set(folder, pd.DataFrame(rows), {"train": faces_nhwc}, {"labels": LABELS})
    befores = [drawn_face(rng, label) for label in LABELS]
    afters = [np.ascontiguousarray(face[:, ::-1]) // 4 * 3 for face in befores]
    captions = [f"{label}\nbefore" for label in LABELS] + [f"{label}\nafter" for label in LABELS]
    sheet([*befores, *afters], captions, folder / "before_after.jpg", columns=7)


def write_train(root: Path, epochs: int = 16) -> None:
    """build/expression/train: curves that flatten, and the summary."""
    folder = root / "build/expression/train"
    folder.mkdir(parents=True)
    epoch = np.arange(epochs)
    wobble = np.sin(epoch * 1.7) * 0.012
    history = {
        "epoch": epoch,
        "step": epoch * 90,
        "train/loss": 0.62 + 1.3 * np.exp(-epoch / 4),
        "val/loss": 0.74 + 1.2 * np.exp(-epoch / 3.5) + wobble,
        "val/accuracy": 0.86 - 0.6 * np.exp(-epoch / 3) + wobble,
        "val/macro_f1": 0.84 - 0.62 * np.exp(-epoch / 3) + wobble,
        "lr": 3e-3 * np.cos(epoch / epochs * np.pi / 2),
    }
    pd.DataFrame(history).to_csv(folder / "history.csv", index=False)
    packages = {"torch": "2.13.0", "pytorch-lightning": "2.6.6", "onnxruntime": "1.24.1", "numpy": "2.4.0"}
    summary = {"key": "5d0c" * 16, "epochs": epochs, "best_epoch": 14, "stopped_early": False}
    (folder / "summary.json").write_text(json.dumps(summary | {"params": {"seed": 7}, "packages": packages}))


def write_scores(root: Path, rng: np.random.Generator) -> None:
    """build/expression/scores and bundle: a good model that confuses fear with surprise."""
    scores, bundle = root / "build/expression/scores", root / "build/expression/bundle"
    scores.mkdir(parents=True)
    bundle.mkdir(parents=True)
    confusion = np.eye(7, dtype=int) * 40 + rng.integers(0, 4, (7, 7))
    confusion[2, 2], confusion[2, 6] = 22, 17
    fp32 = {"accuracy": 0.8513, "macro_f1": 0.8479, "ece": 0.0312, "nll": 0.5121}
    compressed = {"accuracy": 0.8502, "macro_f1": 0.8466, "ece": 0.0334, "nll": 0.5188}
    metrics = {
        "fp32": fp32,
        "compressed": compressed,
        "samples": 356,
        "as_given": {"samples": 361, "accuracy": 0.8421, "macro_f1": 0.8402},
        "sources": {"starter": {"samples": 266, "macro_f1": 0.869}, "studio": {"samples": 90, "macro_f1": 0.771}},
        "worst": dict(zip(LABELS, [0.86, 0.84, 0.66, 0.93, 0.85, 0.81, 0.83], strict=True)),
        "confusion": confusion.tolist(),
        "labels": LABELS,
    }
    (scores / "metrics.json").write_text(json.dumps(metrics))
    confidence = rng.beta(6, 2, 600)
    label = rng.choice(LABELS, 600)
    predicted = np.where(rng.random(600) < confidence * 0.95, label, "neutral")
    rows = pd.DataFrame({"id": range(600), "label": label, "predicted": predicted, "confidence": confidence})
    rows.to_parquet(scores / "rows.parquet")
    faces = [drawn_face(rng, "fear") for _ in range(16)]
    sheet(faces, ["fear\nread as surprise"] * 16, scores / "mistakes.png")
    (scores / "captions.json").write_text(json.dumps({"mistakes.png": "Sure and wrong: the 16 worst"}))
    certificate = {
        "digest": "9f3a" * 16,
        "objective": "macro_f1",
        "parity": {"max_abs_difference": 0.0000021, "same_answer": 0.9981},
        "metrics": {"fp32": fp32, "compressed": compressed},
        "size_bytes": {"fp32": 3_561_200, "compressed": 941_880},
        "latency_ms": {"fp32": 1.214, "compressed": 0.418},
        "machine": {"cpu": "a laptop of eight cores", "system": "Linux"},
        "percentiles_ms": {
            "fp32": {"1": {"p50": 1.214, "p95": 1.5, "p99": 2.0}, "2": {"p50": 0.8, "p95": 0.9, "p99": 1.0}},
            "compressed": {"1": {"p50": 0.418, "p95": 0.5, "p99": 0.75}, "2": {"p50": 0.3, "p95": 0.45, "p99": 1.2}},
        },
        "multiply_adds": {"fp32": 9_340_000, "compressed": 4_670_000},
        "peak_bytes": {"fp32": 12_582_912, "compressed": 6_291_456},
    }
    (bundle / "certificate.json").write_text(json.dumps(certificate))
    detector = {"role": "detector", "sha256": "0" * 64, "size_bytes": 229_000, "licence": "Apache-2.0"}
    files = {"detector.tflite": detector}
    (bundle / "manifest.json").write_text(json.dumps({"family": "expression", "files": files}))


def write_decision(root: Path, **changes: object) -> None:
    """build/expression/decision.json of a promotion."""
    decision = {
        "family": "expression",
        "version": 12,
        "digest": "9f3a" * 16,
        "registered": True,
        "promoted": True,
        "champion_before": 11,
        "champion_after": 12,
        "reasons": [
            "gain of macro F1 is +0.0213, and above +0.0062 with 97.5 % certainty; +0.0050 is asked",
            "no label falls behind: the worst, fear, gains +0.0110",
            "bytes and latency are within the guard rails",
        ],
        "objective": {
            "name": "macro_f1",
            "challenger": 0.8466,
            "champion": 0.8253,
            "gain": 0.0213,
            "low": 0.0062,
            "high": 0.0371,
        },
        "fp32": 0.8479,
        "compressed": 0.8466,
        "size_bytes": {"fp32": 3_561_200, "compressed": 941_880, "bundle": 1_171_000, "champion": 1_100_000},
        "latency_ms": {"fp32": 1.214, "compressed": 0.418, "challenger": 0.418, "champion": 0.421},
        "held": None,
        "run_url": "http://127.0.0.1:5000/#/experiments/1/runs/" + "4f2e8c7b" * 4,
    }
    (root / "build/expression").mkdir(parents=True, exist_ok=True)
    (root / "build/expression/decision.json").write_text(json.dumps(decision | changes))


STAGES = (
    ("version", None, "ran", "datasets/ is new: 2 sources", 3.1),
    ("clean@faces", None, "ran", "data changed: datasets/faces", 41.0),
    ("augment@expression", "expression", "ran", "data changed: build/clean/faces", 22.4),
    (
        "train@expression",
        "expression",
        "ran",
        "data changed: build/expression/set; params: train.epochs",
        372.0,
    ),
    ("compress@expression", "expression", "ran", "data changed: build/expression/train", 31.7),
    ("evaluate@expression", "expression", "ran", "data changed: build/expression/candidate", 12.9),
    ("register@expression", "expression", "ran", "v12", 9.2),
)


def stage_runs(*, failed: str = "", skipped: bool = False) -> list[StageRun]:
    """The stages of a run: all ran, all skipped, or up to one that failed."""
    names = [name for name, *_ in STAGES]
    at = names.index(failed) if failed else len(names)
    runs = [StageRun(name=n, family=f, state=state, why=why, seconds=s) for n, f, state, why, s in STAGES[:at]]
    if skipped:
        same = {"state": "skipped", "why": "skipped: same data, params and code", "seconds": 0.4}
        runs = [run.model_copy(update=same) for run in runs]
    for n, family, *_ in STAGES[at : at + 1]:
        runs.append(StageRun(name=n, family=family, state="failed", why="out of memory in epoch 12", seconds=372))
    return runs + [StageRun(name=n, family=family, state="not reached") for n, family, *_ in STAGES[at + 1 :]]


def good_run() -> NightlyRun:
    """A run in which everything ran and the challenger won."""
    started = datetime(2026, 3, 4, 4, 15, tzinfo=UTC)
    return NightlyRun(
        started=started,
        finished=started + timedelta(seconds=493),
        seconds=493,
        families=["expression"],
        record="8c1f" * 10,
        data_md5="77ab" * 8 + ".dir",
        starter=True,
        stages=stage_runs(),
        champions={"expression": 12},
        urls={"mlflow": "http://127.0.0.1:5000"},
    )


def bad_run() -> NightlyRun:
    """The same run, but training ran out of memory."""
    failure = Failure(
        family="expression",
        stage="train",
        message="out of memory in epoch 12",
        remedy="set a smaller expression.train.batch in params.yaml",
        log="build/expression/train.log",
        log_tail=["epoch 12: 41 %", "MemoryError"],
        resumes="resumes at epoch 12",
    )
    stages = stage_runs(failed="train@expression")
    return good_run().model_copy(update={"failures": [failure], "stages": stages, "champions": {"expression": 11}})


def odd_run() -> NightlyRun:
    """A run with long words in every free-text field."""
    nightly = bad_run()
    nightly.failures[0].message = "no space left on /a/" + "very-long-folder-name/" * 12
    nightly.failures[0].log_tail = ["x" * 400]
    nightly.stages[0].why = "params changed: " + "expression.train.something_long " * 9
    nightly.overrides = {"expression.train.learning_rate_of_the_last_layer_alone": 0.000123}
    return nightly


def strain(root: Path) -> None:
    """Twenty labels of thirty letters, and ten figures per source."""
    labels = [f"{'überraschtes-staunen-' + str(i):_<30}" for i in range(20)]
    path = root / "build/expression/scores/metrics.json"
    metrics = json.loads(path.read_text()) | {"labels": labels, "confusion": np.eye(20, dtype=int).tolist()}
    metrics["sources"] = {"studio_" * 6: {f"figure_of_kind_{i}": 123456.789 for i in range(10)}}
    path.write_text(json.dumps(metrics))
    table = pd.read_parquet(root / "build/clean/faces/samples.parquet")
    table["label"] = [labels[i % 20] for i in range(len(table))]
    table["source"] = "source_without_any_blank_" * 4
    table.to_parquet(root / "build/clean/faces/samples.parquet")
    wide = [(f"student_{'wide_' * n}{n}, static int8 {'save_' * 9}", 0.9 + n / 99, n, 10**n) for n in range(1, 9)]
    write_search(root, BudgetParams(max_latency_ms=2.5, max_bytes=900), ("teacher, float", 0.9, 9.0, 10**9), *wide)
    write_decision(root, reasons=["reason_" * 60])


def write_search(root: Path, budget: BudgetParams, *candidates: tuple[str, float, float, int]) -> dict:
    """build/expression/search as compress writes it, from the name, objective, ms and bytes of each candidate."""
    made = tuple(MeasuredCandidate(*figures, 72.0, figures[0], "float: /network/head/Gemm") for figures in candidates)
    SearchResult("macro_f1", {}, made).write(root / "build/expression/search", budget)
    return json.loads((root / "build/expression/search/search.json").read_text())


def write_whole_search(root: Path) -> None:
    """A search that fills every field of a row: students, layers in float, standard errors, minutes, missed limits."""
    student, save = "student 16-32-64-128", "static int8 save 2 layers"
    candidates = (
        MeasuredCandidate(f"{student}, {save}", 0.8425, 0.596, 464_372, 6.8, "a", "float: /network/stem/Conv", 0.0086),
        MeasuredCandidate(f"{student}, static int8 percentile", 0.8399, 12.659, 457_728, 1.5, "b", "", 0.0085),
        MeasuredCandidate(f"{student}, float", 0.8423, 20.846, 1_600_000, 231.0, "c", "", 0.0086),
        MeasuredCandidate(f"teacher quantisation-aware, {save}", 0.8517, 21.21, 1_700_000, 754.0, "d", "", 0.0022),
        MeasuredCandidate("teacher, float", 0.8493, 122.46, 6_400_000, 1.8, "e"),
    )
    budget = BudgetParams(max_objective_drop=0.01, max_latency_ms=20.0, max_bytes=5_000_000)
    SearchResult("macro_f1", {}, candidates).write(root / "build/expression/search", budget)


@pytest.fixture
def search_json(tmp_path):
    """The parsed search.json of a budget and candidates."""
    return lambda candidates, **budget: write_search(tmp_path, BudgetParams(**budget), *candidates)


@pytest.fixture
def searched(tree):
    """Writes a compression search into the tree."""
    return lambda candidates, **budget: write_search(tree, BudgetParams(**budget), *candidates)


@pytest.fixture
def nightly():
    """A good run."""
    return good_run()


@pytest.fixture
def failed_run():
    """A failed run."""
    return bad_run()


@pytest.fixture(scope="session")
def pages(whole_tree, drawing_tree, tmp_path_factory):
    """The pages of all runs, drawn once; not to be changed."""
    folder = tmp_path_factory.mktemp("pages")
    odd = Path(shutil.copytree(whole_tree, folder / "tree"))
    strain(odd)
    runs = {"good": (whole_tree, good_run()), "failed": (whole_tree, bad_run()), "odd": (odd, odd_run())}
    runs["drawing"] = (drawing_tree, with_family(good_run()))
    long = Path(shutil.copytree(whole_tree, folder / "long-tree"))
    write_whole_search(long)
    runs["long"] = (long, good_run())
    return {name: build(root, folder / name, nightly) for name, (root, nightly) in runs.items()}


@pytest.fixture(scope="session")
def whole_tree(tmp_path_factory):
    """A tree after a good run; not to be changed."""
    root = tmp_path_factory.mktemp("night")
    rng = np.random.default_rng(0)
    (root / "params.yaml").write_text(PARAMS)
    (root / "mlflow").mkdir()
    (root / "mlflow/promotion.yaml").write_text("min_gain: 0.01\nfamilies: {expression: {min_gain: 0.005}}\n")
    for source, starter in (("starter", True), ("studio", False)):
        (root / "datasets/faces" / source).mkdir(parents=True)
        about = {"starter": starter, "licence": "CC0" if starter else "the studio's own", "layout": "folders"}
        (root / "datasets/faces" / source / "source.json").write_text(json.dumps(about))
    write_clean(root, rng)
    write_set_folder(root, rng)
    write_train(root)
    write_scores(root, rng)
    write_decision(root)
    return root


@pytest.fixture(scope="session")
def drawing_tree(whole_tree, tmp_path_factory):
    """A tree after a run of two families, one of which draws; not to be changed."""
    root = Path(shutil.copytree(whole_tree, tmp_path_factory.mktemp("drawing") / "tree"))
    write_family(root, np.random.default_rng(1))
    return root


@pytest.fixture
def tree(whole_tree, tmp_path):
    """A copy of the tree that a test may break."""
    return Path(shutil.copytree(whole_tree, tmp_path / "tree"))


@pytest.fixture
def decide(tree):
    """Writes another decision into the tree."""
    return lambda **changes: write_decision(tree, **changes)


@pytest.fixture
def decision(whole_tree):
    """The decision of the good run, by family, as a dict."""
    return {"expression": json.loads((whole_tree / "build/expression/decision.json").read_text())}


@pytest.fixture
def quiet_run(nightly):
    """The run after, without changes."""
    return nightly.model_copy(update={"stages": stage_runs(skipped=True)})
