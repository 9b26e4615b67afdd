"""The plan of DESIGN and CONTRIBUTING holds in the tree."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version
from pydantic import BaseModel

from common.settings import Settings
from curation.params import MEDIA
from models.families import FAMILIES
from tests.support.closure import PACKAGES, closure, code_deps

ROOT = Path(__file__).parents[1]
DVC = yaml.safe_load((ROOT / "dvc.yaml").read_text())
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())
NAMES = tuple(family.name for family in FAMILIES)
LEARNING = ("augment", "train", "compress", "evaluate")
MOST_DEPS = 29
MOST_MODULES = 14


def wanted_deps(stage: str) -> set[str]:
    """The code that dvc.yaml has to name for a stage: what any of its items can import.

    DVC writes one list for all items of a stage, so what one family takes from a lower package stands in it for all;
    a family's or medium's own packages are named by `${key}` and `${item.medium}`.
    """
    if stage == "clean":
        return {own(dep, "curation", medium) for medium in MEDIA for dep in code_deps(stage, medium)}
    return {own(own(dep, "models", name), "rushes", name) for name in NAMES for dep in code_deps(stage, name)}


def own(dep: str, package: str, item: str) -> str:
    variable = "${item.medium}" if package == "curation" else "${key}"
    return f"{package}/{variable}" if dep == f"{package}/{item}" else dep


@pytest.mark.parametrize("stage", DVC["stages"])
def test_code_deps_are_the_import_closure(stage):
    """dvc.yaml names the code that the step can import: no package too few, or a change is missed; none too many."""
    code = {dep for dep in DVC["stages"][stage]["do"]["deps"] if dep.split("/")[0] in PACKAGES}
    wanted = wanted_deps(stage)

    assert not wanted - code, f"{stage} lacks in dvc.yaml:\n" + "\n".join(f"- {dep}" for dep in sorted(wanted - code))
    assert not code - wanted, f"{stage} names in dvc.yaml what it does not import: {sorted(code - wanted)}"
    assert len(code) <= MOST_DEPS


def test_a_planted_import_shows():
    """The closure follows imports: what only train uses is not in clean's, nor another medium's clean."""
    assert "training.fit" in closure("train", "expression")
    assert "training.fit" not in closure("clean", "image")
    assert "models.families" not in closure("train", "expression")
    assert "curation.film.clean" in closure("clean", "film")
    assert "curation.film.clean" not in closure("clean", "script")


def test_imports_have_no_cycle():
    """Not even for types: each module can be read before those that import it."""
    whole = grimp.build_graph(*PACKAGES, "flows", "benchmarks", cache_dir=None)
    found = {module: whole.find_modules_directly_imported_by(module) for module in whole.modules}
    imports = {module: {name for name in names if not name.startswith(f"{module}.")} for module, names in found.items()}

    assert len(list(TopologicalSorter(imports).static_order())) >= len(found)  # a cycle is a CycleError


@pytest.mark.parametrize("package", PACKAGES)
def test_no_package_is_crowded(package):
    """At most fourteen modules side by side."""
    for folder in {file.parent for file in (ROOT / package).rglob("*.py")}:
        modules = [file.name for file in folder.glob("*.py") if file.name != "__init__.py"]
        assert len(modules) <= MOST_MODULES, f"{folder} has {len(modules)} modules"


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
    """The place of a run changes no result, so no stage depends on it."""
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
    "room",
    ["common", "compression", "curation", "flows", "models", "registry", "report", "rushes", "steps", "training"],
)
def test_each_package_has_a_description(room):
    """The head of its __init__.py: a sentence, and what may not enter."""
    head = (ROOT / room / "__init__.py").read_text()

    assert head.startswith('"""')
    assert "may" in head.lower()
    assert re.search(r"\b(no|not|never)\b", head.lower())


EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
PACKAGED = [(extra, Requirement(word).name) for extra, words in EXTRAS.items() for word in words]


@pytest.mark.parametrize(("extra", "package"), PACKAGED)
def test_every_extra_has_code_behind_it(extra, package):
    """Every package that an extra of the wheel installs is imported somewhere in the wheel."""
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "rushes").rglob("*.py"))

    module = package.replace("-", "_")
    assert re.search(rf"^\s*(from|import) {module}\b", code, re.MULTILINE), f"[{extra}]: nobody imports {package}"


def test_every_marker_marks_a_test():
    """A marker in pyproject.toml that no test carries promises a check that nobody makes."""
    markers = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["markers"]
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    unused = [name for name in (marker.partition(":")[0] for marker in markers) if f"mark.{name}" not in tests]

    assert unused == []
