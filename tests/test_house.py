"""The house is kept: its plan, as DESIGN and CONTRIBUTING tell it, holds in the tree."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer
import yaml
from packaging.requirements import Requirement
from packaging.version import Version
from pydantic import BaseModel

from flows.__main__ import app as flows_app
from models.families import FAMILIES
from registry.key import resolve
from registry.settings import Settings
from rushes.cli import app as capture_app
from tests.support.closure import closure

ROOT = Path(__file__).parents[1]
DVC = yaml.safe_load((ROOT / "dvc.yaml").read_text())
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())
NAMES = tuple(family.name for family in FAMILIES)
LEARNING = ("augment", "train", "compress", "evaluate")
NODES = [(stage, item) for stage in DVC["stages"] for item in (PARAMS["collections"] if stage == "clean" else NAMES)]


def stage_deps(stage: str, item: str) -> set[str]:
    return set(resolve(DVC, PARAMS, stage, item)["deps"])


def seen_by(stage: str, item: str) -> set[str]:
    """The code of a stage: its own family's folder, and what any family can import besides.

    DVC writes one list for all items of a stage, so what one family takes from a lower room stands in it for all.
    """
    if stage == "clean":
        return closure(stage, None, NAMES)
    shared = {path for name in NAMES for path in closure(stage, name, NAMES) if not path.startswith(f"models/{name}")}
    return shared | {f"models/{item}"}


@pytest.mark.parametrize(("stage", "item"), NODES)
def test_code_deps_are_the_import_closure(stage, item):
    """dvc.yaml lists just the code that the step can import: no file too few, or a change is missed; none too many."""
    code = {dep for dep in stage_deps(stage, item) if dep.endswith(".py") or dep.startswith("models/")}
    expected = seen_by(stage, item)

    lacking = [f"- {path.replace(f'models/{item}', 'models/${key}')}" for path in sorted(expected - code)]
    assert not lacking, f"{stage} lacks in dvc.yaml:\n" + "\n".join(lacking)
    assert not code - expected, f"{stage} lists in dvc.yaml what it does not import: {sorted(code - expected)}"


def test_a_planted_import_shows():
    """The closure follows imports: what only train uses is not in clean's."""
    assert "training/fit.py" in closure("train", "expression", NAMES)
    assert "training/fit.py" not in closure("clean", None, NAMES)
    assert "models/families.py" not in closure("train", "expression", NAMES)


@pytest.mark.parametrize("stage", LEARNING)
def test_the_lock_is_a_dep_of_what_learns(stage):
    """Another version of a package is other code."""
    assert "requirements.lock" in DVC["stages"][stage]["do"]["deps"]


@pytest.mark.parametrize("stage", DVC["stages"])
def test_every_stage_is_a_step_of_its_name(stage):
    """steps/STAGE.py, called by that name."""
    assert (ROOT / "steps" / f"{stage}.py").is_file()
    assert DVC["stages"][stage]["do"]["cmd"] == f"python -m steps {stage} ${{key}}"


def test_mlflow_holds_no_python():
    """A .py in mlflow/ would shadow the package."""
    assert not list((ROOT / "mlflow").rglob("*.py"))


def settings_keys(model: type[BaseModel], prefix: str = "") -> set[str]:
    keys = set()
    for name, field in model.model_fields.items():
        kind = field.annotation
        nested = isinstance(kind, type) and issubclass(kind, BaseModel)
        keys |= settings_keys(kind, f"{name}.") if nested else {f"{prefix}{name}"}
    return keys


def test_no_setting_is_a_dvc_param():
    """Where it runs changes no result, so no stage watches it."""
    watched = {param for stage in DVC["stages"].values() for param in stage["do"].get("params", [])}
    tables = {key.split(".")[0] for key in settings_keys(Settings)}

    assert watched
    assert not {param.split(".")[0] for param in watched} & tables
    assert not set(PARAMS) & tables
    assert not any(
        "settings" in dep for stage in DVC["stages"].values() for dep in stage["do"]["deps"] if ".py" not in dep
    )


def test_params_name_every_family():
    """Each family learns from a collection that there is, and has its section."""
    assert set(PARAMS["families"]) == set(NAMES)
    assert set(PARAMS["families"].values()) <= set(PARAMS["collections"])
    assert set(NAMES) <= set(PARAMS)


def locked() -> dict[str, list[Version]]:
    pins: dict[str, list[Version]] = {}
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        if line and not line.startswith("#"):
            requirement = Requirement(line)
            [pin] = requirement.specifier
            pins.setdefault(normal(requirement.name), []).append(Version(pin.version))
    return pins


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_lock_satisfies_pyproject():
    """Every range has its pin, and every pin lies in its range; PyTorch stands in no lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    extras = project["project"]["optional-dependencies"]
    lines = project["project"]["dependencies"] + extras["scene"] + extras["verify"] + extras["write"]
    wanted = [Requirement(line) for line in lines + groups["night"] + groups["dev"]]
    pins = locked()

    assert "torch" not in pins
    # The wheel wants OpenCV with windows, the lock the one without: both own cv2/.
    assert "opencv-python" not in pins
    for requirement in wanted:
        name = {"opencv-python": "opencv-python-headless"}.get(normal(requirement.name), normal(requirement.name))
        if name != "torch":
            assert all(requirement.specifier.contains(pin) for pin in pins[name]), requirement


def test_import_contracts_hold():
    """Imports run one way, downward; only flows knows Prefect; the wheel is light."""
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "room", ["compression", "curation", "flows", "models", "registry", "report", "rushes", "steps", "training"]
)
def test_each_room_says_what_it_is_for(room):
    """The head of its __init__.py: a sentence, and what may not enter."""
    head = (ROOT / room / "__init__.py").read_text()

    assert head.startswith('"""')
    assert "may" in head.lower()
    assert re.search(r"\b(no|not|never)\b", head.lower())


def readme_commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    return [command for block in blocks for line in block.splitlines() for command in line.split(" && ")]


@pytest.mark.parametrize("command", readme_commands())
def test_the_commands_of_the_readme_exist(command):
    """Each target, command and option that the README says is there."""
    words = shlex.split(command)
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    elif words[0] == "rushes" or words[:3] == [".venv/bin/python", "-m", "flows"]:
        app, rest = (capture_app, words[1:]) if words[0] == "rushes" else (flows_app, words[3:])
        known = typer.main.get_command(app).commands[rest[0]]
        options = {name for parameter in known.params for name in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= options
    else:
        assert words[0] in {"git", "cd", "dvc"}
