"""Files of a run in build/, read leniently: one that is missing or broken is None, and the page states it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from common.yaml_files import read_yaml_file
from curation.store.sample_set import SPLITS, SampleSet
from report.formatting import credits_in

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".svg")
UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError)


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object; None if it is missing, broken or something else."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def read_params(root: Path) -> dict[str, Any]:
    """params.yaml as plain data; empty if it can't be read."""
    try:
        value = read_yaml_file(root / "params.yaml")
    except (OSError, yaml.YAMLError):
        return {}
    return value if isinstance(value, dict) else {}


def read_table(path: Path) -> pd.DataFrame | None:
    """A table from .csv or .parquet; None if it is missing or broken."""
    try:
        return pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    except UNREADABLE:  # pandas' and pyarrow's errors are among these
        return None


@dataclass(frozen=True)
class Collection:
    """A clean collection: build/clean/C, and datasets/C for its licences."""

    root: Path
    name: str

    @property
    def folder(self) -> Path:
        """build/clean/C."""
        return self.root / "build" / "clean" / self.name

    @cached_property
    def info(self) -> dict[str, Any]:
        """set.json; empty if there is none."""
        return read_json(self.folder / "set.json") or {}

    @cached_property
    def table(self) -> pd.DataFrame | None:
        """samples.parquet, every sample, kept or not."""
        return read_table(self.folder / "samples.parquet")

    @cached_property
    def dropped(self) -> dict[str, int]:
        """Number of samples that each check dropped, the largest first."""
        numbers = self.info.get("counts")
        if not isinstance(numbers, dict) and self.table is not None:
            numbers = self.table.loc[~self.table["kept"].astype(bool), "reason"].value_counts().to_dict()
        numbers = numbers if isinstance(numbers, dict) else {}
        found = {
            str(reason): int(number) for reason, number in numbers.items() if reason not in ("kept", "") and number
        }
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    @property
    def credits(self) -> list[str]:
        """Credits that its pictures require."""
        return credits_in(self.info)

    @property
    def samples(self) -> SampleSet:
        """The packed set, for its pictures."""
        return SampleSet(self.folder)

    @property
    def sources(self) -> list[tuple[str, dict[str, Any]]]:
        """source.json of each source: licence, layout, whether it is starter data."""
        files = sorted((self.root / "datasets" / self.name).glob("*/source.json"))
        return [(file.parent.name, read_json(file) or {}) for file in files]


@dataclass(frozen=True)
class FamilyFacts:
    """Files of one family in build/F."""

    root: Path
    name: str

    @property
    def folder(self) -> Path:
        """build/F."""
        return self.root / "build" / self.name

    @cached_property
    def table(self) -> pd.DataFrame | None:
        """The samples of build/F/set, augmented ones too."""
        return read_table(self.folder / "set" / "samples.parquet")

    @property
    def set_info(self) -> dict[str, Any]:
        """set.json of build/F/set; empty if there is none."""
        return read_json(self.folder / "set" / "set.json") or {}

    @cached_property
    def history(self) -> pd.DataFrame | None:
        """The curves, one row an epoch."""
        return read_table(self.folder / "train" / "history.csv")

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Summary of the training: key, epochs, params, packages."""
        return read_json(self.folder / "train" / "summary.json") or {}

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """The scores on the test split."""
        return read_json(self.folder / "scores" / "metrics.json") or {}

    @cached_property
    def rows(self) -> pd.DataFrame | None:
        """The scores of each test sample."""
        return read_table(self.folder / "scores" / "rows.parquet")

    @cached_property
    def certificate(self) -> dict[str, Any]:
        """Measurements of the exported files."""
        return read_json(self.folder / "bundle" / "certificate.json") or {}

    @cached_property
    def search(self) -> dict[str, Any]:
        """Result of the compression search: every candidate by its figures, and the pick."""
        return read_json(self.folder / "search" / "search.json") or {}

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Contents of the bundle."""
        folder = "bundle" if (self.folder / "bundle" / "manifest.json").is_file() else "candidate"
        return read_json(self.folder / folder / "manifest.json") or {}

    @property
    def credits(self) -> list[str]:
        """Credits that the model's pictures require."""
        return credits_in(self.manifest.get("settings"))


def pictures(folder: Path) -> list[tuple[Path, str]]:
    """The pictures of a folder with their captions: those of captions.json in its order, then the others by name."""
    captions = read_json(folder / "captions.json") or {}
    named = [folder / name for name in captions if (folder / name).is_file() and Path(name).name == name]
    others = [path for path in sorted(folder.glob("*")) if path.suffix.lower() in PICTURES and path not in named]
    return [(path, str(captions.get(path.name, ""))) for path in named + others]


def counts(table: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Number of kept samples, by label and then by split."""
    kept = table[table["kept"].astype(bool)]
    crossed = pd.crosstab(kept["label"], kept["split"])
    return {
        str(label): {split: int(row[split]) if split in row else 0 for split in SPLITS}
        for label, row in crossed.iterrows()
    }
