"""Build files of a family that draws: invented figures, and landscapes of a few strokes as pictures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from curation.store.sample_set import write_set
from report.data.run import StageRun
from report.images.contact_sheet import sheet

if TYPE_CHECKING:
    from pathlib import Path

    from report.data.run import NightlyRun

LABELS = ["forest", "sea", "street", "look: pale green"]
FAMILY, COLLECTION = "scene", "scenes"
CREDITS = {"starter": "Big Buck Bunny, (c) 2008 Blender Foundation, www.bigbuckbunny.org, CC BY 3.0"}
OWED = f"Made from: {CREDITS['starter']}"
OBJECTIVE = "neg_kid_efficientnet_lite0"


def landscape(rng: np.random.Generator, place: int, blur: float = 0.0) -> np.ndarray:
    """RGB 64 px: a sky, a ground and some uprights, more blurred in earlier epochs."""
    hue = (40, 110, 20, 60)[place % 4] + int(rng.integers(-6, 6))
    picture_hwc = np.zeros((64, 64, 3), np.uint8)
    horizon = int(rng.integers(22, 42))
    picture_hwc[:horizon] = (105, 70, 215)
    picture_hwc[horizon:] = (hue, 130, 120)
    for _ in range(9 if place != 1 else 2):
        x, top = int(rng.integers(0, 60)), int(rng.integers(4, horizon))
        colour = (hue, int(rng.integers(90, 190)), int(rng.integers(40, 150)))
        cv2.rectangle(picture_hwc, (x, top), (x + int(rng.integers(2, 9)), 64), colour, -1)
    rgb = cv2.cvtColor(picture_hwc, cv2.COLOR_HSV2RGB)
    return cv2.GaussianBlur(rgb, (0, 0), blur) if blur else rgb


def write_family(root: Path, rng: np.random.Generator) -> None:
    """build/scene, build/clean/scenes and the decision; params.yaml names the family."""
    params = (root / "params.yaml").read_text()
    families = params.replace(
        "families: {expression: faces}", f"families: {{expression: faces, {FAMILY}: {COLLECTION}}}"
    )
    (root / "params.yaml").write_text(families)
    rules = root / "mlflow" / "promotion.yaml"
    rules.write_text(rules.read_text().replace("families: {", f"families: {{{FAMILY}: {{min_gain: 0.003}}, "))
    _write_clean(root, rng)
    _write_train(root / "build" / FAMILY / "train")
    _write_scores(root / "build" / FAMILY / "scores", rng)
    _write_bundle(root / "build" / FAMILY)
    _write_decision(root / "build" / FAMILY)


def with_family(nightly: NightlyRun) -> NightlyRun:
    """The run with the stages of that family."""
    stages = [
        StageRun(name=f"{stage}@{item}", family=family, state="ran", why="data changed", seconds=seconds)
        for stage, item, family, seconds in (
            ("clean", COLLECTION, None, 31.0), ("augment", FAMILY, FAMILY, 8.2), ("train", FAMILY, FAMILY, 231.0),
            ("compress", FAMILY, FAMILY, 14.1), ("evaluate", FAMILY, FAMILY, 33.5), ("register", FAMILY, FAMILY, 21.0),
        )
    ]  # fmt: skip
    champions = {**(nightly.champions or {}), FAMILY: 4}
    return nightly.model_copy(
        update={"families": [*nightly.families, FAMILY], "stages": [*nightly.stages, *stages], "champions": champions}
    )


def _write_clean(root: Path, rng: np.random.Generator) -> None:
    rows, arrays = [], {"train": [], "validation": [], "test": []}
    for n in range(160):
        split = ("train", "train", "train", "validation", "test")[n // 4 % 5]
        rows.append(_row(n, split, len(arrays[split])))
        arrays[split].append(landscape(rng, n % 4))
    info = {"labels": LABELS, "size_px": 64, "channels": 3, "colours": "rgb", "credits": CREDITS}
    folder = root / "build/clean" / COLLECTION
    write_set(folder, pd.DataFrame(rows), {split: np.stack(found) for split, found in arrays.items()}, info)


def _row(n: int, split: str, row: int) -> dict:
    named = {"id": f"{n:012x}", "source": "starter", "sha256": f"{n:064x}", "label": LABELS[n % 4], "split": split}
    return named | {"group": f"g{n % 40}", "performer": None, "kept": True, "reason": "", "row": row, "votes": None}


def _write_train(folder: Path, epochs: int = 24) -> None:
    folder.mkdir(parents=True)
    epoch = np.arange(epochs)
    wobble = np.sin(epoch * 1.3) * 0.004
    history = {
        "epoch": epoch,
        "step": epoch * 60,
        "train/generator_loss": 0.9 + 0.5 * np.exp(-epoch / 5),
        "train/critic_loss": 0.55 + 0.2 * np.exp(-epoch / 3),
        "val/kid_efficientnet_lite0": 0.031 + 0.4 * np.exp(-epoch / 4) + wobble,
    }
    pd.DataFrame(history).to_csv(folder / "history.csv", index=False)
    summary = {"key": "77aa" * 16, "epochs": epochs, "best_epoch": 22, "params": {"seed": 3}}
    (folder / "summary.json").write_text(json.dumps(summary | {"packages": {"torch": "2.13.0"}}))
    grids = [_grid(blur) for blur in (9.0, 5.0, 2.5, 1.2, 0.6)]
    frames = [Image.fromarray(grid) for grid in grids]
    frames[0].save(folder / "progress.webp", save_all=True, append_images=frames[1:], duration=600, loop=0)
    strip = [landscape(np.random.default_rng(4), 0, blur) for blur in (9.0, 5.0, 2.5, 1.2, 0.6)]
    sheet(strip, [f"epoch {epoch}" for epoch in (1, 4, 8, 16, 24)], folder / "progress.jpg", columns=5)
    captions = {"progress.webp": "The same latents, epoch by epoch", "progress.jpg": "One of them, at five epochs"}
    (folder / "captions.json").write_text(json.dumps(captions))


def _grid(blur: float) -> np.ndarray:
    pictures = [landscape(np.random.default_rng(n), n % 4, blur) for n in range(24)]
    rows = [np.concatenate(pictures[start : start + 8], axis=1) for start in range(0, 24, 8)]
    return np.concatenate(rows)


def _write_scores(folder: Path, rng: np.random.Generator) -> None:
    folder.mkdir(parents=True)
    fp32 = {
        OBJECTIVE: -0.0312, "kid_efficientnet_lite0": 0.0312, "frechet_efficientnet_lite0": 161.4, "density": 0.71,
        "precision": 0.64, "coverage": 0.482, "originality": 0.941, "nearest_ratio": 1.04, "diversity": 0.93,
        "distinct": 0.95, "conditional_accuracy": 0.71, "real_accuracy": 0.887, "finite": 1.0,
    }  # fmt: skip
    compressed = fp32 | {OBJECTIVE: -0.0339, "kid_efficientnet_lite0": 0.0339, "frechet_efficientnet_lite0": 163.9}
    figures = {
        "objective": OBJECTIVE, "samples": 32, "fp32": fp32, "compressed": compressed,
        "as_given": {"samples": 32, **compressed},
        "sources": {"starter": {"samples": 32, OBJECTIVE: -0.0339}},
        "worst": {"inside": 0.64, "covered": 0.482, "original": 0.941, "fits": 0.71},
    }  # fmt: skip
    (folder / "metrics.json").write_text(json.dumps(figures))
    captions = {}
    for place, label in enumerate(LABELS):
        drawn = [landscape(rng, place, 0.8) for _ in range(16)] + [landscape(rng, place) for _ in range(8)]
        title = f"{label}: drawn, and a row of held-out ones that it never saw"
        _sheet(folder, captions, f"category_{place:02d}", title, drawn, [""] * 16 + ["held-out"] * 8)
    ways = [landscape(np.random.default_rng(8), n // 8, 0.4 + abs(n % 8 - 3.5) / 4) for n in range(24)]
    ends = [caption for label in LABELS[:3] for caption in [label, *[""] * 6, ""]]
    _sheet(folder, captions, "between_latents", "From one draw of latents to another", ways, ends)
    pairs = [landscape(np.random.default_rng(n // 2), n // 2 % 4, 0.8 * (n % 2 == 0)) for n in range(32)]
    named = [text for n in range(16) for text in (f"drawn: {LABELS[n % 4]}", f"nearest, {1 + n / 50:.2f} of usual")]
    _sheet(folder, captions, "nearest", "Drawn, and beside it the nearest training picture", pairs, named)
    (folder / "captions.json").write_text(json.dumps(captions))


def _sheet(folder: Path, captions: dict, name: str, title: str, pictures: list, texts: list) -> None:
    sheet(pictures, texts, folder / f"{name}.jpg", title=title, foot=OWED)
    captions[f"{name}.jpg"] = title


def _write_bundle(folder: Path) -> None:
    (folder / "bundle").mkdir()
    metrics = json.loads((folder / "scores" / "metrics.json").read_text())
    certificate = {
        "digest": "41bd" * 16, "objective": OBJECTIVE,
        "parity": {"fp32_max": 1.0, "compressed_mean": 1.82, "psnr_db": 36.4},
        "metrics": {"fp32": metrics["fp32"], "compressed": metrics["compressed"]},
        "size_bytes": {"fp32": 11_200_300, "compressed": 2_871_000},
        "latency_ms": {"fp32": 21.4, "compressed": 8.9}, "machine": {"cpu": "a laptop", "system": "Linux"},
    }  # fmt: skip
    (folder / "bundle" / "certificate.json").write_text(json.dumps(certificate))
    encoder = {"role": "text_encoder", "sha256": "0" * 64, "size_bytes": 23_000_000, "licence": "Apache-2.0"}
    manifest = {"family": FAMILY, "files": {"minilm.onnx": encoder}, "settings": {"credits": CREDITS}}
    (folder / "bundle" / "manifest.json").write_text(json.dumps(manifest))


def _write_decision(folder: Path) -> None:
    objective = {"name": OBJECTIVE, "challenger": -0.0339, "champion": -0.0422, "gain": 0.0083, "low": 0.0041}
    decision = {
        "family": FAMILY, "version": 4, "digest": "41bd" * 16, "registered": True, "promoted": True,
        "champion_before": 3, "champion_after": 4,
        "reasons": [f"{OBJECTIVE} -0.0339 against -0.0422 of v3: gain +0.00830, 95% interval +0.00410 to +0.0126",
                    "originality 0.941 is not below the floor 0.5", "no part falls"],
        "objective": objective | {"high": 0.0126}, "fp32": -0.0312, "compressed": -0.0339,
        "size_bytes": {"fp32": 11_200_300, "compressed": 2_871_000, "champion": 2_871_000},
        "latency_ms": {"fp32": 21.4, "compressed": 8.9, "challenger": 8.9, "champion": 9.0}, "held": None,
    }  # fmt: skip
    (folder / "decision.json").write_text(json.dumps(decision))
