"""Every family goes through these: a new one is tested by being listed in models/families.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from pydantic import ValidationError

from curation.store.sample_set import COLUMNS, SampleSet, write_set
from models.components.held_out import ScoreError
from models.components.load import load_params
from models.families import FAMILIES, by_name
from models.family import FamilyParams
from rushes.errors import MisuseError

ROOT = Path(__file__).parents[2]
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())

pytestmark = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def test_it_is_found_by_its_name_and_its_folder(family):
    """models/NAME, and by_name; for an unknown name the existing ones are listed."""
    assert by_name(family.name) is family
    assert (ROOT / "models" / family.name / "__init__.py").is_file()
    with pytest.raises(MisuseError) as refused:
        by_name("no such family")
    assert family.name in refused.value.remedy


def test_params_yaml_is_its_params(family):
    """The section in params.yaml is valid, and documents a default that differs from its value."""
    collection, params = load_params(ROOT / "params.yaml", family)

    assert collection in PARAMS["collections"]
    assert isinstance(params, FamilyParams)


@pytest.mark.parametrize("part", ["augment", "train", "compress", "budget"])
def test_an_unknown_key_is_refused(family, part):
    """A slip of the pen must not be a default in silence."""
    with pytest.raises(ValidationError, match="no_such_key"):
        family.params.model_validate({part: {"no_such_key": 1}})


def test_a_param_of_compress_has_an_effect(family):
    """Calibration samples are chosen by a seed; a graph that is quantised as it runs needs none."""
    assert hasattr(family.params().compress, "seed") == (family.quantisation == "static")


def test_assets_are_pinned(family):
    """Each file that travels along has a hash, a licence, and its package a pin in assets.txt."""
    pins = (ROOT / "assets.txt").read_text()

    for asset in (*family.assets, *family.instruments):
        assert len(asset.sha256) == 64
        assert asset.licence
        assert f"{asset.package}==" in pins


def test_the_same_seed_gives_the_same_weights(family):
    """Weights are drawn from params.seed, whatever the global state is."""
    anchors = np.eye(2, 384).tolist()
    info = {"labels": ["a", "b"], "size_px": 64, "channels": 3, "mean": 0.5, "std": 0.2, "anchors": anchors}
    info |= {"vocabulary": ["", *"abc"], "signs": [1.0] * 8, "deviation": [1.0] * 59}
    params = family.params().train
    first = family.network(family.module(info, params)).state_dict()
    torch.rand(3)
    second = family.network(family.module(info, params)).state_dict()

    assert all(torch.equal(first[name], second[name]) for name in first)


def test_an_empty_split_has_no_score(family, tmp_path):
    """Refused in the same words by each, before the bundle is opened."""
    table = pd.DataFrame({name: ["a", "b"] for name in COLUMNS}).assign(split="train", kept=True, row=[0, 1])
    write_set(tmp_path, table, {}, {"labels": [], "collection": "sparse"})

    with pytest.raises(ScoreError, match=r"sparse has too few samples in the split test .* it has 2 groups") as refused:
        family.score(None, SampleSet(tmp_path), "test", None)
    assert "a source of at least 3 groups" in refused.value.remedy
    assert refused.value.remedy.endswith("-m flows ingest sparse PATH")


def test_nobody_asks_which_family_it_is(family):
    """No step, flow or room compares with the family's name."""
    rooms = ("steps", "flows", "registry", "report", "compression", "training")
    files = [path for room in rooms for path in (ROOT / room).rglob("*.py")]

    asking = [path.name for path in files if f'== "{family.name}"' in path.read_text()]
    assert not asking
