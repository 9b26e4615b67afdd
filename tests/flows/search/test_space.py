"""Ranges: those of the families fit their params, and those of the command line are checked before anything starts."""

import pytest
import yaml
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from flows.nightly import params
from flows.search import space as spaces
from flows.search.request import SearchRequest, make_plan
from models.components.search_space import Choice, Range
from models.families import FAMILIES, by_name
from models.params_file import ParamsError
from tests.support.repos import ROOT

VALUES = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
RATE, DROPOUT = "expression.train.learning_rate", "expression.train.dropout"


def space(*texts, **how):
    """The space of the expression family."""
    return spaces.read_space("expression", by_name("expression").search_space, VALUES, texts, **how)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_declared_ranges_fit_the_params_and_hold_the_default(family):
    """Every family declares some; what is in params.yaml lies within."""
    found = spaces.read_space(family.name, family.search_space, VALUES, [])
    default = spaces.default_params(family.name, VALUES, found)

    assert found
    for path, one in found.items():
        inside = default[path] in one.values if isinstance(one, Choice) else one.low <= default[path] <= one.high
        assert inside, f"{path}: {default[path]} is outside {one}"


def test_a_range_replaces_or_extends_the_declared_ones():
    """It keeps the scale of the declared range unless another is given; a path may omit the family."""
    found = space("train.learning_rate=1e-4..1e-2", "expression.train.epochs=4..16", "train.mixup=0..0.2,linear")
    declared = space()

    assert found[RATE] == Range(1e-4, 1e-2, log=True)
    assert found["expression.train.epochs"] == Range(4, 16)
    assert found["expression.train.mixup"] == Range(0, 0.2)
    assert set(found) == {*declared, "expression.train.epochs"}
    assert space("train.learning_rate=0.01..0.2,linear")[RATE] == Range(0.01, 0.2)


def test_only_and_fixed():
    """A param with a value for all trials is not searched; with `only` nothing but the given ranges is."""
    assert set(space("train.dropout=0..0.3", only=True)) == {DROPOUT}
    assert RATE not in space(fixed=[RATE])


@pytest.mark.parametrize(
    ("text", "message", "followed"),
    [
        ("train.dropout=0..1.5", "less than 1", "train.dropout=0..0.9"),
        ("train.learning_rate=-1..1,linear", "greater than 0", "train.learning_rate=0.01..1,linear"),
        ("train.epochs=0..5", "greater than or equal to 1", "train.epochs=1..5"),
        ("train.epochs=1.5..5", "integer", "train.epochs=1..5"),
        ("train.batch_size=32|many", "integer", "train.batch_size=32|64"),
        ("train.learning_rate=0.1..0.01", "not below", "train.learning_rate=0.01..0.1"),
        ("train.dropout=0..0.5,log", "begins above 0", "expression.train.dropout=0..0.5,linear"),
        ("train.dropout=a..b", "must be numbers", "expression.train.learning_rate=1e-3..1e-1,log"),
        ("train.widths=1..5", "not a number", "train.widths=[16,32,64,128]|[32,64,128,256]"),
        ("train.widths=[1|2]", "not a YAML value", "train.widths=[8]|[16]"),
        ("train.learning_ratio=0..1", "no such param", "train.learning_rate=0.01..1"),
        ("compress.temperature=1..2", "no such param", "train.mixup=0..0.2"),
        ("collections.faces.size_px=32..64", "no such param", "train.mixup=0..0.2"),
    ],
)
def test_refused_ranges(text, message, followed):
    """The message names the option, and a range as its remedy gives it is accepted."""
    with pytest.raises(ParamsError, match=message) as caught:
        space(text)

    assert "--range" in str(caught.value)
    assert caught.value.exit_status == 2
    assert not followed.startswith("expression.") or followed in caught.value.remedy
    assert space(followed)


def test_a_range_of_one_value_is_fixed_as_the_remedy_gives_it():
    """`--set` takes the place of the range."""
    with pytest.raises(ParamsError) as caught:
        space("train.dropout=0.3..0.3")
    change = caught.value.remedy.partition("--set ")[2]

    assert params.flatten(make_plan(ROOT, SearchRequest("expression", 5, changes=(change,))).values)[DROPOUT] == 0.3


def test_nothing_left_to_search():
    """Every range is fixed."""
    with pytest.raises(ParamsError, match="nothing to search") as caught:
        space("train.dropout=0..0.3", only=True, fixed=[DROPOUT])
    assert set(space(caught.value.remedy.partition("--range ")[2], only=True)) == {RATE}


def test_distributions_follow_the_types():
    """Whole numbers for integers; a choice always has the default, for the first trial."""
    found = space("train.epochs=4..16", "train.widths=[8,16]|[16,32]", "train.dropout=0..0.3", only=True)
    default = spaces.default_params("expression", VALUES, found)
    given = spaces.distributions(found, VALUES, default)

    assert given["expression.train.epochs"] == IntDistribution(4, 16)
    assert given[DROPOUT] == FloatDistribution(0.0, 0.3)
    assert given["expression.train.widths"] == CategoricalDistribution(("[8, 16]", "[16, 32]", "[32, 64, 128, 256]"))
    assert spaces.decode(found, spaces.encode(found, default)) == default


def test_numbers_are_rounded_within_their_range():
    """Four digits are enough for a person, and the rounded value is what trains; a default outside stays as it is."""
    one = {RATE: Range(0.01, 0.12346, log=True)}

    assert spaces.decode(one, {RATE: 0.0234567}) == {RATE: 0.02346}
    assert spaces.decode(one, {RATE: 0.1234599}) == {RATE: 0.12346}
    assert spaces.decode(one, {RATE: 0.75001234}) == {RATE: 0.75001234}


def test_plan_of_a_request():
    """Params of --set hold for all trials, and are not searched; the direction is that of the monitor."""
    request = SearchRequest(
        "expression", 5, changes=("train.epochs=4", f"{RATE}=0.2"), ranges=("train.dropout=0..0.3",)
    )
    plan = make_plan(ROOT, request)
    scene = make_plan(ROOT, SearchRequest("scene", 5))

    assert (plan.epochs, plan.less_is_better, plan.augments) == (4, False, False)
    assert RATE not in plan.space
    assert params.flatten(plan.values)[RATE] == 0.2
    assert scene.less_is_better
    assert make_plan(ROOT, SearchRequest("expression", 5, ranges=("train.epochs=2..7",))).epochs == 7
    assert plan.train["starter_epochs"] is scene.train["starter_epochs"] is None
    assert make_plan(ROOT, SearchRequest("expression", 5, ranges=("augment.noise=0..0.1",))).augments
    assert "--set train.epochs=4" in request.command()


def test_unknown_family():
    """As for a nightly run."""
    with pytest.raises(ParamsError, match="unknown family"):
        make_plan(ROOT, SearchRequest("expresion", 5))
