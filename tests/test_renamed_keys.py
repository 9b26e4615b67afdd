"""Renamed keys of params.yaml and settings.toml: each old one is refused with the new one, wherever it is given."""

from __future__ import annotations

import os
import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from common.renamed_keys import current_path, describe, find_renamed
from common.settings import RENAMED_SETTINGS, RenamedSettingError, Settings, load_settings
from flows.__main__ import main
from flows.nightly.params import dump, flatten, lay, nested, parse, read_params
from models.params_file import ParamsError, fields
from models.renamed_params import RENAMED_PARAMS
from registry.dvc.pipeline import stages
from registry.dvc.stage_key import stage_key
from registry.git import snapshot
from tests.support.repos import silence, versioned_repo

ROOT = Path(__file__).parents[1]
VALUES = read_params(ROOT)
FIELDS = fields(VALUES)
COLLECTION = "films"  # stands for `*`; every collection has every section


def leaves(old: str, new: str) -> list[tuple[str, str]]:
    """The params of a row, old and new; of a renamed section all below it."""
    old, new = (path.replace("*", COLLECTION) for path in (old, new))
    return [(old + path[len(new) :], path) for path in FIELDS if path == new or path.startswith(f"{new}.")]


PARAMS = [pair for row in RENAMED_PARAMS.items() for pair in leaves(*row)]
DEFAULTS = flatten(Settings.model_construct().model_dump(mode="json"))


def value_of(path: str) -> object:
    """The value in params.yaml, else the default, as YAML reads it."""
    given = flatten(VALUES).get(path, FIELDS[path].get_default(call_default_factory=True))
    return list(given) if isinstance(given, tuple) else given


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    """No settings but those of the test."""
    for name in [name for name in os.environ if name.startswith("RUSHES_")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(("old", "new"), RENAMED_PARAMS.items())
def test_no_row_of_the_params_is_dead(old, new):
    """The new key exists, and no param has taken the old name."""
    assert leaves(old, new)
    assert not leaves(old, old)


@pytest.mark.parametrize(("old", "new"), RENAMED_SETTINGS.items())
def test_no_row_of_the_settings_is_dead(old, new):
    """The new key exists, and no setting has taken the old name."""
    assert new in DEFAULTS
    assert old not in DEFAULTS


def test_a_planted_dead_row_is_found():
    """The checks above can fail."""
    assert not leaves("collections.*.shots.most", "collections.*.shots.max_framse")
    assert leaves("collections.*.shots.most", "collections.*.shots.max_frames")


@pytest.mark.parametrize(("old", "new"), PARAMS)
def test_old_key_in_params_yaml(tmp_path, old, new):
    """It is refused with the new one, which is taken with the same value."""
    value, flat = value_of(new), flatten(VALUES)
    flat.pop(new, None)
    (tmp_path / "params.yaml").write_text(dump(nested(flat | {old: value})))
    with pytest.raises(ParamsError) as refused:
        read_params(tmp_path)
    (tmp_path / "params.yaml").write_text(dump(nested(flat | {new: value})))

    [(section, renamed)] = find_renamed(nested({old: value}), RENAMED_PARAMS).items()
    assert str(refused.value) == f"{section} is now {renamed.rpartition('.')[2]}; rename it in params.yaml"
    assert refused.value.exit_status == 2
    assert flatten(read_params(tmp_path))[new] == value


@pytest.mark.parametrize(("old", "new"), PARAMS)
def test_old_key_in_an_override(old, new):
    """--set and Prefect's form name the new key; what is printed for --set works, with the same value."""
    value = value_of(new)
    with pytest.raises(ParamsError) as refused:
        parse(VALUES, [f"{old}={yaml.safe_dump(value, default_flow_style=True).removesuffix('...' + chr(10)).strip()}"])
    with pytest.raises(ParamsError) as refused_form:
        lay(VALUES, nested({old: value}))
    option, text = shlex.split(refused.value.remedy)

    assert str(refused.value) == f"--set {describe(old, new)}"
    assert (refused.value.exit_status, refused_form.value.exit_status) == (2, 2)
    assert new.rpartition(".")[0] in refused_form.value.remedy
    assert option == "--set"
    assert flatten(lay(VALUES, parse(VALUES, [text])))[new] == value


def test_the_message_names_the_key():
    """In full, as a person reads it; an empty section is named too."""
    with pytest.raises(
        ParamsError, match=r"^collections.films.shots.most is now max_frames; rename it in params.yaml$"
    ):
        lay(nested(flatten(VALUES) | {"collections.films.shots.most": 12}), {})
    with pytest.raises(ParamsError, match=r"^--set collections.films.shots.most is now max_frames$"):
        parse(VALUES, ["collections.films.shots.most=3"])
    assert find_renamed({"collections": {"scenes": {"looks": {}}}}, RENAMED_PARAMS)


@pytest.mark.parametrize(("old", "new"), RENAMED_SETTINGS.items())
def test_old_key_in_settings_toml(tmp_path, monkeypatch, old, new):
    """It is refused with the new one, which is taken with the same value."""
    monkeypatch.chdir(tmp_path)
    example = (ROOT / "settings.example.toml").read_text()
    (table, name), leaf = old.split("."), new.rpartition(".")[2]
    head, mark, tail = example.partition(f"[{table}]")
    Path("settings.toml").write_text(
        head + mark + re.sub(rf"^{leaf} =", f"{name} =", tail, count=1, flags=re.MULTILINE)
    )
    assert name in tomllib.loads(Path("settings.toml").read_text())[table]
    with pytest.raises(RenamedSettingError) as refused:
        load_settings()
    Path("settings.toml").write_text(example)

    assert str(refused.value) == f"{old} is now {leaf}; rename it in settings.toml"
    assert refused.value.exit_status == 2
    assert flatten(load_settings().model_dump(mode="json"))[new] == DEFAULTS[new]


@pytest.mark.parametrize("spell", [str.upper, str.lower])
@pytest.mark.parametrize(("old", "new"), RENAMED_SETTINGS.items())
def test_old_key_in_the_environment(tmp_path, monkeypatch, old, new, spell):
    """The variable is refused with the new one, which is taken with the same value."""
    monkeypatch.chdir(tmp_path)
    before, now = (f"RUSHES_{path.replace('.', '__')}".upper() for path in (old, new))
    value = "600" if isinstance(DEFAULTS[new], int) else "Europe/Berlin"
    monkeypatch.setenv(spell(before), value)
    with pytest.raises(RenamedSettingError) as refused:
        load_settings()
    monkeypatch.delenv(spell(before))
    monkeypatch.setenv(now, value)

    assert str(refused.value) == f"{before} is now {now}; rename it in the environment"
    assert str(flatten(load_settings().model_dump(mode="json"))[new]) == value


def test_a_command_ends_with_status_2(monkeypatch, capsys):
    """And with nothing but the words that help."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("RUSHES_SCHEDULE__ZONE", "UTC")
    monkeypatch.setattr(sys, "argv", ["flows", "status"])

    assert main() == 2
    message = "RUSHES_SCHEDULE__ZONE is now RUSHES_SCHEDULE__TIMEZONE; rename it in the environment"
    assert capsys.readouterr().err.splitlines() == [message, "  settings.example.toml has every setting"]


def test_a_recorded_version_with_old_keys_is_laid_out(tmp_path, monkeypatch):
    """Its params.yaml stays as it is, and what reads it here, for its stages and their keys, knows no names."""
    silence(monkeypatch, tmp_path / "home")
    root = versioned_repo(tmp_path / "checkout")
    recorded = yaml.safe_load((root / "params.yaml").read_text())
    recorded["collections"]["faces"] |= {"looks": {"count": 6}, "shots": {"cut": 3.0, "every_s": 0.5, "most": 12}}
    recorded["scene"]["train"]["places_px"] = 0
    (root / "params.yaml").write_text(dump(recorded))
    kept = snapshot.record(root, "nightly")
    (root / "params.yaml").write_text("new\n")
    tree = snapshot.lay_out(root, kept.commit, tmp_path / "tree")

    assert (tree / "params.yaml").read_text() == dump(recorded)
    assert "train@scene" in [node.name for node in stages(tree, ["scene"])]
    (tree / "build/clean/scenes").mkdir(parents=True)
    assert stage_key(tree, "train", "scene")


def test_paths():
    """A `*` stands for one name, and a row for a section covers what is below it."""
    table = {"a.*.old": "a.*.new", "b": "c.d"}

    assert current_path("a.x.old", table) == "a.x.new"
    assert current_path("a.x.old.deep", table) == "a.x.new.deep"
    assert current_path("b.e", table) == "c.d.e"
    assert [current_path(path, table) for path in ("a.x", "a.x.y.old", "a.x.older", "c")] == [None] * 4
    assert [describe("a.x.old", "a.x.new"), describe("b", "c.d")] == ["a.x.old is now new", "b is now c.d"]
