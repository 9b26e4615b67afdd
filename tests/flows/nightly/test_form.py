"""The form of a run in Prefect: few fields, each with a description; all other params by their path."""

import re

import pytest

from flows.nightly.form import SUMMARY, describe_deployment, patch_of
from flows.nightly.params import lay, read_params
from models.params_file import ParamsError, spelt_paths
from tests.support.repos import ROOT


@pytest.fixture(scope="module")
def form():
    """The schema from which Prefect draws the form."""
    from flows.nightly.prefect_flow import nightly  # noqa: PLC0415 - Prefect takes seconds to import

    return nightly.parameters.model_dump()["properties"]


def test_form_is_short_and_describes_each_field(form):
    """No section of params.yaml is expanded into inputs, and no field is a choice between a type and `None`."""
    assert list(form) == ["families", "quick", "epochs", "seed", "overrides", "promote"]
    assert all(len(field["description"]) > 20 for field in form.values())
    assert all("type" in field and field["default"] is not None for field in form.values())
    assert "properties" not in form["overrides"]


def test_empty_form_changes_nothing():
    """It is the nightly run, not a trial."""
    assert patch_of([], 0, -1, {}) == {}
    assert patch_of(["expression"], 0, -1, {"expression": {"train": {}}}) == {}


def test_params_are_named_by_path_or_nested():
    """In both forms, also mixed; params take precedence over epochs and seed, which apply to the selected families."""
    patch = patch_of(["expression"], 3, 7, {"expression.train.epochs": 5, "scene": {"train": {"seed": 1}}})

    assert patch == {"expression": {"train": {"epochs": 5, "seed": 7}}, "scene": {"train": {"seed": 1}}}
    assert set(patch_of([], 3, -1, {})) == {"expression", "scene", "script", "tracking"}


@pytest.mark.parametrize(
    ("path", "value", "word"), [("expresion.train.epochs", 3, "mean"), ("scene.train.epochs", 0, "greater")]
)
def test_what_is_mistyped_is_refused(path, value, word):
    """The field accepts any JSON; the params are checked before anything starts, as on the command line."""
    with pytest.raises(ParamsError, match=word):
        lay(read_params(ROOT), patch_of([], 0, -1, {path: value}))


def test_epochs_have_a_bound():
    """Prefect's own check refuses impossible values."""
    from prefect.exceptions import ParameterTypeError  # noqa: PLC0415 - see above

    from flows.nightly.prefect_flow import nightly  # noqa: PLC0415  # see above

    with pytest.raises(ParameterTypeError, match="epochs"):
        nightly.validate_parameters({"epochs": -1})


def test_every_param_is_listed_with_its_value(tmp_path):
    """Next to the form, families first; a broken params.yaml does not prevent it."""
    text = describe_deployment(ROOT)
    listed = dict(re.findall(r"^- `(\S+)`: `(.*?)`", text, re.MULTILINE))

    assert set(listed) == set(spelt_paths(read_params(ROOT)))
    assert listed["expression.train.epochs"] == str(read_params(ROOT)["expression"]["train"]["epochs"])
    assert text.index("`script.train.epochs`") < text.index("`collections.faces.clean.near_distance`")
    assert describe_deployment(tmp_path).startswith(SUMMARY)
