"""The remedies for params that do not fit are followed: with the change that they name, the same call works."""

from __future__ import annotations

import re

import pytest
import torch
import yaml

from models.components.batches import Shuffled
from models.components.load import load_params
from models.expression.network import ExpressionNetwork
from models.families import NAMES, by_name
from models.scene.definition import students
from models.scene.network import build
from models.scene.params import CompressParams, SceneParams, TrainParams
from models.script.data import Contiguous
from rushes.errors import MisuseError
from tests.support.places import TRAIN
from tests.support.repos import ROOT

PICTURES, TARGETS = torch.zeros(64, 8, 8, 1, dtype=torch.uint8), torch.zeros(64, 2)
INFO = {"size_px": 32, "anchors": [[0.0, 1.0], [1.0, 0.0]]}


def number(remedy):
    """The first number."""
    return int(re.search(r"\d+", remedy)[0])


def students_of(network="r3", widths=((8, 4),)):
    """Of a generator of two resolutions."""
    return students(
        SceneParams(train=TrainParams(**TRAIN | {"network": network}), compress=CompressParams(students=widths))
    )


def layout(message):
    """Widths for as many resolutions as the message asks for."""
    steps = int(re.search(r"need (\d+) numbers", message)[1])
    return build(INFO, TrainParams(**TRAIN | dict.fromkeys(WIDTHS, (8,) * steps) | dict.fromkeys(DEPTHS, (1,) * steps)))


WIDTHS, DEPTHS = ("widths", "critic_widths"), ("depths", "critic_depths")
WIDE = TRAIN["widths"]
CASES = {
    "a multiple of": (
        lambda: Shuffled(PICTURES, TARGETS, 10, 4, 0, world_size=2),
        lambda remedy, _: len(Shuffled(PICTURES, TARGETS, 2 * number(remedy), 4, 0, world_size=2)),
    ),
    "train.batch_size": (
        lambda: Contiguous((), 5, 8, 0, world_size=2),
        lambda remedy, _: Contiguous((), 3 * number(remedy), 8, 0, world_size=2),
    ),
    "one width and one depth": (
        lambda: ExpressionNetwork(2, 1, (8, 16), (1,), 0.0),
        lambda *_: ExpressionNetwork(2, 1, (8, 16), (1, 1), 0.0),
    ),
    "there are": (
        lambda: by_name("expresion"),
        lambda remedy, _: [by_name(one) for one in remedy.partition(": ")[2].split(", ")],
    ),
    "remove the students, or set scene.train.network to r3": (
        lambda: students_of("dcgan"),
        lambda remedy, _: (students_of("dcgan", ()), students_of(remedy.split()[-1])),
    ),
    "give each student 2 widths": (
        lambda: students_of(widths=((8,),)),
        lambda remedy, _: students_of(widths=((4,) * number(remedy),)),
    ),
    "at most these widths": (lambda: students_of(widths=((800, 4),)), lambda *_: students_of(widths=(WIDE,))),
    "change them in params.yaml": (
        lambda: build(INFO, TrainParams(**TRAIN | {"widths": (8,)})),
        lambda _, message: layout(message),
    ),
}  # fmt: skip


@pytest.mark.parametrize("words", CASES)
def test_a_param_that_is_changed_as_the_remedy_asks_fits(words):
    """The call that was refused."""
    act, follow = CASES[words]
    with pytest.raises(MisuseError) as refused:
        act()

    assert words in refused.value.remedy
    follow(refused.value.remedy, str(refused.value))


@pytest.mark.parametrize("name", NAMES)
def test_a_family_is_added_by_the_printed_line(tmp_path, name):
    """With a collection in place of COLLECTION; the other families keep theirs."""
    path, values = tmp_path / "params.yaml", yaml.safe_load((ROOT / "params.yaml").read_text())
    del values["families"][name]
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(MisuseError, match="names no collection") as refused:
        load_params(path, by_name(name))
    line = re.search(r"`(.*)`", refused.value.remedy)[1].replace("COLLECTION", "faces")
    values["families"] |= yaml.safe_load(line)
    path.write_text(yaml.safe_dump(values))

    assert load_params(path, by_name(name))[0] == "faces"
    assert len(values["families"]) == len(NAMES)
