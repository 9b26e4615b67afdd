"""A small checkout with git, DVC, data and a graph of stages, for tests of the registry."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from registry.subprocesses import dvc

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parents[2]

PARAMS = """\
families: {expression: faces, scene: scenes}
collections: {faces: {size_px: 48}, scenes: {size_px: 96}}
expression: {train: {epochs: 3}}
scene: {train: {epochs: 5}}
"""

GRAPH = """\
stages:
  clean:
    foreach: ${collections}
    do:
      cmd: python -m steps clean ${key}
      deps:
        - datasets/${key}
        - steps/clean.py
      params:
        - collections.${key}
      outs:
        - build/clean/${key}
  train:
    foreach: ${families}
    do:
      cmd: python -m steps train ${key}
      deps:
        - build/clean/${item}
        - steps/train.py
      params:
        - ${key}.train
      outs:
        - build/${key}/train
  evaluate:
    foreach: ${families}
    do:
      cmd: python -m steps evaluate ${key}
      deps:
        - build/clean/${item}
        - build/${key}/train
        - steps/evaluate.py
      outs:
        - build/${key}/bundle
"""

STEP = """\
import pathlib, runpy, sys
stage, item = sys.argv[1:]
out = {"clean": f"build/clean/{item}", "train": f"build/{item}/train", "evaluate": f"build/{item}/bundle"}[stage]
pathlib.Path(out).mkdir(parents=True)
runpy.run_path(f"steps/{stage}.py")
pathlib.Path(out, "result").write_text(stage)
print("ran", stage, item)
"""


def git(root: Path, *words: str) -> str:
    """Runs git with an identity."""
    name = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
    return subprocess.run(["git", "-C", root, *name, *words], check=True, capture_output=True, text=True).stdout


def silence(patch: pytest.MonkeyPatch, home: Path) -> None:
    """An empty home: no identity, no git or DVC config, no DVC folder shared with the machine."""
    for name in [name for name in os.environ if name.startswith(("GIT_", "XDG_", "DVC_"))]:
        patch.delenv(name)
    patch.setenv("HOME", str(home))
    patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    patch.setenv("DVC_SITE_CACHE_DIR", str(home / "dvc"))


def code_repo(root: Path) -> Path:
    """A repository with one commit: the project's DVC config and .gitignore, a graph of stages, no data."""
    (root / ".dvc").mkdir(parents=True)
    (root / "steps").mkdir()
    (root / "steps" / "__init__.py").touch()  # a package, since an installed `steps` would otherwise precede it
    for name in (".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitignore"):
        shutil.copyfile(ROOT / name, root / name)
    for name, text in {"params.yaml": PARAMS, "dvc.yaml": GRAPH, "steps/__main__.py": STEP}.items():
        (root / name).write_text(text)
    for stage in ("clean", "train", "evaluate"):
        (root / "steps" / f"{stage}.py").write_text(f"# {stage}\n")
    git(root, "init", "--quiet", "--initial-branch", "main")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "first")
    return root


def lay_source(root: Path, name: str, *, starter: bool, text: str = "picture") -> Path:
    """A source as ingest writes it: datasets/COLLECTION/SOURCE/ with a shard and source.json."""
    folder = root / "datasets" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "shard-000000.tar").write_text(text * 100)
    (folder / "source.json").write_text(json.dumps({"starter": starter}))
    return folder


def versioned_repo(root: Path) -> Path:
    """`code_repo` with two collections of real data whose version stands in datasets.dvc."""
    code_repo(root)
    lay_source(root, "faces/studio", starter=False)
    lay_source(root, "scenes/studio", starter=False, text="scene")
    done = dvc(root, "add", "datasets")
    assert done.returncode == 0, done.reason
    return root


def repo_with_environment(root: Path, ignored: str = "/.venv\n") -> Path:
    """`versioned_repo` with an environment at .venv, as printed commands name it; `ignored` goes into .gitignore."""
    versioned_repo(root)
    (root / ".venv").symlink_to(sys.prefix)
    with (root / ".gitignore").open("a") as file:
        file.write(ignored)
    return root


def copy_without_make(patch: pytest.MonkeyPatch, template: Path, folder: Path) -> Path:
    """Copies a checkout into a folder, for remedies that end in `make nightly`: `make` does nothing there."""
    (folder / "bin").mkdir()
    (folder / "bin" / "make").symlink_to("/bin/true")
    patch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return shutil.copytree(template, folder / "checkout", symlinks=True)
