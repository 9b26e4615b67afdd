import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from curation.params import CollectionParams
from flows.nightly.params import flatten, lay, parse, read_params
from models import params_file
from models.components.load import load_params
from models.components.sections import sections
from models.families import FAMILIES, by_name
from models.family import FamilyParams
from models.params_file import ParamsError
from registry.dvc.pipeline import StageNode, reproduce
from registry.subprocesses import dvc
from tests.support.repos import PARAMS, silence, versioned_repo

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def values():
    """The params of the checkout."""
    return read_params(ROOT)


def test_override_is_typed_and_leaves_the_rest(values):
    """Only one value changes."""
    changed = lay(values, parse(values, ["expression.train.epochs=3"]))

    assert changed["expression"]["train"]["epochs"] == 3
    assert {path for path, value in flatten(changed).items() if flatten(values).get(path) != value} == {
        "expression.train.epochs"
    }


def test_override_applies_to_starter_data_too(values):
    """A trial of 40 epochs has them on the starter; those named for the starter itself are kept."""
    changed = lay(values, parse(values, ["expression.train.epochs=40"]))
    both = lay(values, parse(values, ["script.train.epochs=4", "script.train.starter_epochs=2"]))

    assert "starter_epochs" not in changed["expression"]["train"]
    assert both["script"]["train"]["starter_epochs"] == 2
    assert changed["scene"]["train"]["starter_epochs"] == values["scene"]["train"]["starter_epochs"]


def test_override_of_a_default_that_params_does_not_spell(values):
    """Params of the type may be set, even if params.yaml omits them."""
    changed = lay(values, parse(values, ["expression.train.widths=[8, 16, 32]"]))

    assert changed["expression"]["train"]["widths"] == [8, 16, 32]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("expression.train.epocs=3", "expression.train.epochs"),
        ("weather.train.epochs=3", "there is no such param"),
        ("collections.face.size_px=48", "collections.faces.size_px"),
        ("expression.train=3", "there is no such param"),
        ("expression.train.epochs", "PATH=VALUE"),
        ("expression.train.epochs=[", "not a YAML value"),
    ],
)
def test_unknown_key_is_refused_with_what_exists(values, text, words):
    """Nothing is guessed, and the nearest names are listed."""
    with pytest.raises(ParamsError) as caught:
        parse(values, [text])

    assert words in f"{caught.value} {caught.value.remedy}"
    assert caught.value.exit_status == 2


@pytest.mark.parametrize(
    ("text", "value"),
    [("learning_rate=1e-3", 0.001), ("learning_rate=.5", 0.5), ("epochs=1e1", 10), ("batch_size=1_28", 128)],
)
def test_numbers_as_people_write_them(values, text, value):
    """An exponent without a point, a point without a leading zero, underscores."""
    changed = lay(values, parse(values, [f"expression.train.{text}"]))

    assert changed["expression"]["train"][text.partition("=")[0]] == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("expression.train.learning_rate=.inf", "finite number"),
        ("collections.faces.clean.max_outlier_z=.nan", "finite number"),
        ("expression.train.learning_rate=1e999", "finite number"),
        ("expression.train.seed=-1", "greater than or equal to 0"),
        ("collections.faces.split.test_share=0.95", "validation_share 0.1 and test_share 0.95 leave nothing"),
        ("collections.faces.labels=[Happy, sad, happy]", "'Happy' and 'happy' are one label"),
        ("collections.faces.labels=[happy, joy]", "'happy' and 'joy' are one label"),
        ("collections.faces.labels=[yes, no]", "in quotes it is a text"),
        ("collections.scripts.script.language=no", "in quotes it is a text"),
        ("expression.train.epochs=&a [*a]", "not a YAML value"),
        ("EXPRESSION.train.epochs=3", "did you mean: expression.train.epochs"),
    ],
)
def test_late_failures_are_refused_now(values, text, words):
    """An infinite number, shares without a remainder, duplicate labels: named before a stage starts."""
    with pytest.raises(ParamsError) as caught:
        lay(values, parse(values, [text]))

    assert words in f"{caught.value} {caught.value.remedy}"


@pytest.mark.parametrize("text", ["sources=[*]", "labels=[yes, no]"])
def test_remedy_for_a_list_of_texts_helps(values, text):
    """In quotes, as the remedy suggests, the same texts are accepted."""
    name, _, written = text.partition("=")
    with pytest.raises(ParamsError, match=r"YAML|quotes") as caught:
        lay(values, parse(values, [f"collections.faces.{text}"]))
    quoted = json.dumps(re.findall(r"[^\[\], ]+", written))

    assert f'{name}=["text"]' in caught.value.remedy or "in quotes" in str(caught.value)
    assert lay(values, parse(values, [f"collections.faces.{name}={quoted}"]))


@pytest.mark.parametrize(
    ("text", "words"),
    [("a: &a [*a]", "contains itself"), ("a: " + "[" * 3000 + "]" * 3000, "too deeply"), ("", "dictionary|object")],
)
def test_params_yaml_that_is_invalid_is_named(tmp_path, text, words):
    """A recursive list, a deep one, an empty file: the user's error, not a bug."""
    (tmp_path / "params.yaml").write_text(text)

    with pytest.raises(ParamsError, match=words):
        read_params(tmp_path)


def test_a_language_left_empty_is_none(values):
    """As params.yaml documents, an empty value means that no document is held back."""
    changed = lay(values, parse(values, ["collections.scripts.script.language="]))

    assert CollectionParams.model_validate(changed["collections"]["scripts"]).script.language == ""


def test_params_yaml_holds_the_same_numbers(tmp_path):
    """Values accepted by --set are accepted in the file, and the stages read the same from it."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    values["expression"]["train"]["epochs"] = "EPOCHS"
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values).replace("EPOCHS", "1e1"))

    assert read_params(tmp_path)["expression"]["train"]["epochs"] == 10
    assert load_params(tmp_path / "params.yaml", by_name("expression"))[1].train.epochs == 10


@pytest.mark.parametrize(
    "words",
    [
        ["nightly", "--set", "expression.train.epocs=3"],
        ["nightly", "--set", "expression.train.epochs=three"],
        ["nightly", "--families", "expresion"],
        ["candidates", "expression", "--set", "expression.budget.max_bites=3"],
        ["ingest", "facs", "."],
    ],
)
def test_what_is_mistyped_is_refused_before_anything_heavy_is_imported(words):
    """A typing error costs a second, not half a minute of imports."""
    program = f"""
import sys
from flows.__main__ import main
sys.argv = ["flows", *{words!r}]
status = main()
heavy = {{"torch", "prefect", "mlflow", "pandas", "pytorch_lightning", "sklearn", "onnxruntime", "matplotlib"}}
print(status, sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.stdout == "2 []\n", done.stderr
    assert re.search(r"did you mean|integer|for example", done.stderr)


def test_sections_are_those_of_the_families():
    """Params read without the families equal those read with them."""
    assert sections() == {family.name: family.params for family in FAMILIES}


@pytest.mark.parametrize("value", ["three", '"3"', "true", "2.5", "0", "null"])
def test_wrong_type_is_refused(values, value):
    """Text, booleans and fractions are not a number of epochs."""
    with pytest.raises(ParamsError, match=r"expression\.train\.epochs"):
        lay(values, parse(values, [f"expression.train.epochs={value}"]))


def test_family_must_learn_from_a_collection_there_is(values):
    """For an unknown collection, the error lists the existing ones."""
    with pytest.raises(ParamsError, match="faces"):
        lay(values, parse(values, ["families.expression=facs"]))


def test_params_that_do_not_fit_are_named(tmp_path, values):
    """An extra key in params.yaml is reported with its path."""
    spoilt = lay(values, {})
    spoilt["expression"]["train"]["lr"] = 0.1
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(spoilt))

    with pytest.raises(ParamsError, match=r"expression\.train\.lr: there is no such param"):
        read_params(tmp_path)


def test_dvc_yaml_names_what_the_check_asks_for(values):
    """The sections of each family, and `medium` and `needs` of each collection: dvc.yaml has exactly these."""
    graph = (ROOT / "dvc.yaml").read_text()
    watched = set(re.findall(r"- \$\{key\}\.(\w+)$", graph, re.MULTILINE))

    assert watched == set(FamilyParams.model_fields)
    assert set(re.findall(r"\$\{item\.(\w+)\}", graph)) == {"medium", "needs"}
    for family in values["families"]:
        assert watched <= set(params_file.model().model_fields[family].annotation.model_fields)


@pytest.mark.parametrize("key", ["augment", "train", "compress", "budget"])
def test_section_that_dvc_watches_may_not_be_left_out(tmp_path, values, key):
    """Its params have defaults, but DVC would refuse the stage late and the run would not report the reason."""
    spoilt = lay(values, {})
    del spoilt["scene"][key]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(spoilt))

    with pytest.raises(ParamsError, match=rf"params\.yaml: scene\.{key}: missing") as caught:
        read_params(tmp_path)
    assert caught.value.remedy == f"in params.yaml, under scene: write `{key}: {{}}`"
    spoilt["scene"] |= yaml.safe_load(caught.value.remedy.split("`")[1])
    params_file.check(spoilt)


def test_collection_without_its_needs_is_reported(values):
    """One message lists all missing parts; an unused family may omit its sections."""
    spoilt = lay(values, {})
    del spoilt["collections"]["faces"]["needs"], spoilt["collections"]["faces"]["medium"], spoilt["families"]["scene"]
    spoilt["scene"], spoilt["expression"] = {}, {"train": {}}

    sections = r"expression\.augment, expression\.compress, expression\.budget"
    named = rf"{sections}, collections\.faces\.medium, collections\.faces\.needs: missing"
    with pytest.raises(ParamsError, match=named) as caught:
        params_file.check(spoilt)
    assert caught.value.remedy.endswith(
        "under collections.faces: write `medium: image`; under collections.faces: write `needs: datasets/faces`"
    )
    assert "scene" not in f"{caught.value} {caught.value.remedy}"


def test_empty_section_is_enough_for_dvc_and_none_is_not(tmp_path, monkeypatch):
    """The check requires exactly what DVC accepts: with `{}` the stage runs, with null DVC refuses."""
    silence(monkeypatch, tmp_path / "home")
    root = versioned_repo(tmp_path / "checkout")
    node = StageNode("train@expression", "train", "expression", "expression", ())
    output = []
    assert dvc(root, "repro", "clean@faces").returncode == 0
    for section in ("{}", "{train: {}}"):
        (root / "params.yaml").write_text(PARAMS.replace("{train: {epochs: 3}}", section))
        output.append((reproduce(root, node, os.environ, tmp_path / "log"), (tmp_path / "log").read_text()))

    assert output[0][0] == 255
    assert "Parameters 'expression.train' are missing" in output[0][1]
    assert output[1][0] == 0
    assert "ran train expression" in output[1][1]
