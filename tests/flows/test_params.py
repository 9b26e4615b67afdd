import os
import re
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from flows import params
from flows.params import ParamsError, flatten, lay, parse, patch_of, read_params
from models.family import FamilyParams
from registry.command import dvc
from registry.pipeline import StageNode, reproduce
from tests.support.repos import PARAMS, hush, versioned_repo

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def values():
    """The params of the checkout."""
    return read_params(ROOT)


def test_override_is_typed_and_leaves_the_rest(values):
    """One value changes, nothing else does."""
    changed = lay(values, parse(values, ["expression.train.epochs=3"]))

    assert changed["expression"]["train"]["epochs"] == 3
    assert {path for path, value in flatten(changed).items() if flatten(values).get(path) != value} == {
        "expression.train.epochs"
    }


def test_override_of_a_default_that_params_does_not_spell(values):
    """What the type knows may be set, also where params.yaml leaves it out."""
    changed = lay(values, parse(values, ["expression.train.widths=[8, 16, 32]"]))

    assert changed["expression"]["train"]["widths"] == [8, 16, 32]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("expression.train.epocs=3", "expression.train.epochs"),
        ("weather.train.epochs=3", "there is no such param"),
        ("collections.face.size_px=48", "collections.faces.size_px"),
        ("expression.train=3", "there is no such param"),
        ("expression.train.epochs", "PATH=VALUE"),
        ("expression.train.epochs=[", "no YAML value"),
    ],
)
def test_unknown_key_is_refused_with_what_exists(values, text, told):
    """Nothing is guessed, and the nearest names are told."""
    with pytest.raises(ParamsError) as caught:
        parse(values, [text])

    assert told in f"{caught.value} {caught.value.remedy}"
    assert caught.value.status == 2


@pytest.mark.parametrize("value", ["three", '"3"', "true", "2.5", "0", "null"])
def test_wrong_type_is_refused(values, value):
    """Neither text, nor a truth, nor half an epoch is a number of epochs."""
    with pytest.raises(ParamsError, match=r"expression\.train\.epochs"):
        lay(values, parse(values, [f"expression.train.epochs={value}"]))


def test_family_must_learn_from_a_collection_there_is(values):
    """A family that is given a collection of no name is refused with those there are."""
    with pytest.raises(ParamsError, match="faces"):
        lay(values, parse(values, ["families.expression=facs"]))


def test_params_that_do_not_fit_are_named(tmp_path, values):
    """A key too many in params.yaml is told by its path."""
    spoilt = lay(values, {})
    spoilt["expression"]["train"]["lr"] = 0.1
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(spoilt))

    with pytest.raises(ParamsError, match=r"expression\.train\.lr: there is no such param"):
        read_params(tmp_path)


def test_form_says_what_each_param_does():
    """What it is for, what it is otherwise, and its bounds: a bare name and `None` help nobody."""
    fields = params.overrides().model_json_schema()["$defs"]["ExpressionTrainParamsOverride"]["properties"]
    told = fields["epochs"]["description"]

    assert told == "Passes over the training split, at most. (32 unless params.yaml says otherwise, at least 1)"
    assert all(len(field["description"]) > 30 for field in fields.values())


def test_form_holds_only_what_was_filled_in():
    """Prefect's form: every field may stay empty, and bounds hold."""
    form = params.overrides()

    assert patch_of(form()) == {}
    assert patch_of(form.model_validate({"expression": {"train": {"epochs": 3}}})) == {
        "expression": {"train": {"epochs": 3}}
    }
    with pytest.raises(ValidationError):
        form.model_validate({"expression": {"train": {"epochs": 0}}})
    with pytest.raises(ValidationError):
        form.model_validate({"expression": {"train": {"epocs": 3}}})


def test_dvc_yaml_names_what_the_check_asks_for(values):
    """Of each family its three sections, of each collection `needs`: no more stands in dvc.yaml, and no less."""
    graph = (ROOT / "dvc.yaml").read_text()
    watched = set(re.findall(r"- \$\{key\}\.(\w+)$", graph, re.MULTILINE))

    assert watched == set(FamilyParams.model_fields)
    assert set(re.findall(r"\$\{item\.(\w+)\}", graph)) == {"needs"}
    for family in values["families"]:
        assert watched <= set(params.model().model_fields[family].annotation.model_fields)


@pytest.mark.parametrize("key", ["augment", "train", "compress", "budget"])
def test_section_that_dvc_watches_may_not_be_left_out(tmp_path, values, key):
    """Its params have defaults, but DVC would refuse the stage late and the night would not say why."""
    spoilt = lay(values, {})
    del spoilt["scene"][key]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(spoilt))

    with pytest.raises(ParamsError, match=rf"params\.yaml: scene\.{key}: missing") as caught:
        read_params(tmp_path)
    assert caught.value.remedy == f"in params.yaml, under scene: write `{key}: {{}}`"
    spoilt["scene"] |= yaml.safe_load(caught.value.remedy.split("`")[1])
    params.check(spoilt)


def test_collection_without_what_it_needs_is_told(values):
    """All that is missing comes in one message; a family that learns from nothing may leave its sections out."""
    spoilt = lay(values, {})
    del spoilt["collections"]["faces"]["needs"], spoilt["families"]["scene"]
    spoilt["scene"], spoilt["expression"] = {}, {"train": {}}

    named = r"expression\.augment, expression\.compress, expression\.budget, collections\.faces\.needs: missing"
    with pytest.raises(ParamsError, match=named) as caught:
        params.check(spoilt)
    assert caught.value.remedy.endswith("under collections.faces: write `needs: datasets/faces`")
    assert "scene" not in f"{caught.value} {caught.value.remedy}"


def test_empty_section_is_enough_for_dvc_and_none_is_not(tmp_path, monkeypatch):
    """What the check asks for is what DVC itself takes: with `{}` the stage runs, without it DVC refuses."""
    hush(monkeypatch, tmp_path / "home")
    root = versioned_repo(tmp_path / "checkout")
    node = StageNode("train@expression", "train", "expression", "expression", ())
    said = []
    assert dvc(root, "repro", "clean@faces").returncode == 0
    for section in ("{}", "{train: {}}"):
        (root / "params.yaml").write_text(PARAMS.replace("{train: {epochs: 3}}", section))
        said.append((reproduce(root, node, os.environ, tmp_path / "log"), (tmp_path / "log").read_text()))

    assert said[0][0] == 255
    assert "Parameters 'expression.train' are missing" in said[0][1]
    assert said[1][0] == 0
    assert "ran train expression" in said[1][1]
