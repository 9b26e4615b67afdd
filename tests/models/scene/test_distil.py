"""Students of a generator: what they learn, what of it is stored, and what is left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
import torch

from compression.methods.export import export
from models.components.batches import Batch
from models.scene.definition import family, graphs, module, students, teach
from models.scene.distil import missed
from models.scene.network import build, latents_for
from models.scene.params import AugmentParams, CompressParams, SceneParams, TrainParams
from rushes.errors import MisuseError
from tests.support.places import TRAIN, place_set
from tests.training.test_fit import CPU, DieAt, KilledError, same
from training.fit import fit

if TYPE_CHECKING:
    from models.scene.module import SceneModule

NAME = "student 8-4"
SMALL = {"students": ((8, 4),), "student_epochs": 3}


def scene_params(**changes) -> SceneParams:
    return SceneParams(train=TrainParams(**TRAIN), compress=CompressParams(**SMALL | changes))


@pytest.fixture
def samples(tmp_path, monkeypatch):
    """Planted: all that there is to see in the set is noise."""
    made = place_set(tmp_path, params=AugmentParams(), monkeypatch=monkeypatch)
    for split in ("train", "validation"):
        noise = np.random.default_rng(0).integers(0, 256, made.array(split).shape, np.uint8)
        np.save(made.folder / f"{split}.npy", noise)
    return made


@pytest.fixture
def teacher(samples):
    """It has never been trained, and draws what no other does."""
    return build(samples.info, TrainParams(**TRAIN, seed=7))[0]


def student_of(teacher, samples, params) -> SceneModule:
    learner = module(samples.info, students(params)[NAME])
    teach(learner, teacher, params)
    return learner


def fitted(teacher, samples, params, folder, **more):
    return fit(
        family,
        students(params)[NAME],
        samples,
        folder,
        devices=CPU,
        prepare=lambda student: teach(student, teacher, params),
        **more,
    )


def asked(samples, count: int = 64) -> tuple[torch.Tensor, ...]:
    """Latents, texts and categories that no training has seen."""
    random = torch.Generator().manual_seed(5)
    texts = torch.nn.functional.normalize(torch.randn(count, samples.info["text"], generator=random), dim=1)
    categories = torch.eye(len(samples.labels))[torch.arange(count) % len(samples.labels)]
    return torch.randn(count, latents_for(samples.info["size_px"]), generator=random), texts, categories


def apart(first, second, given) -> float:
    with torch.no_grad():
        return float((first(*given) - second(*given)).abs().mean())


def batch_of(samples, rows: slice, first_chunk: int = 0) -> Batch:
    texts = torch.from_numpy(np.load(samples.folder / "text-train.npy"))
    pictures, targets = torch.from_numpy(np.array(samples.array("train"))), torch.from_numpy(samples.targets("train"))
    return Batch(pictures[rows], targets[rows], first_chunk, 0, texts[rows])


def test_a_student_draws_what_its_teacher_draws(samples, teacher, tmp_path):
    """From numbers that it was never given, though the set shows nothing but noise: it has learned from the teacher."""
    params, given = scene_params(student_epochs=6), asked(samples)
    params = params.model_copy(update={"train": params.train.model_copy(update={"epoch_samples": 1024})})
    untaught, begun = module(samples.info, students(params)[NAME]).network, student_of(teacher, samples, params).network

    learned = fitted(teacher, samples, params, tmp_path / "ck").module.network

    assert apart(learned, teacher, given) < 0.4 * apart(untaught, teacher, given)
    assert apart(learned, teacher, given) < 0.6 * apart(begun, teacher, given)


def test_a_student_begins_as_the_strongest_part(samples, teacher):
    """Planted: half of the channels of each resolution are zero. A student of the other half draws the same."""
    given, silent = asked(samples), torch.tensor([0, 2, 3, 6, 8, 9, 13, 15])
    for place, channels in enumerate((silent, silent[:4])):
        teacher.colours[place].weight.data[:, channels] = 0.0
    teacher.narrow[0].weight.data[:, silent] = 0.0
    teacher.blocks[0][0].second.weight.data.normal_(std=0.1)  # it begins at zero
    for part in (teacher.blocks[0][0].first, teacher.blocks[0][0].second):
        part.weight.data[:, silent] = 0.0
    teacher.ups[0].weight.data[:, silent[:4]] = 0.0

    begun = student_of(teacher, samples, scene_params()).network

    assert apart(begun, teacher, given) < 1e-5
    assert apart(begun, module(samples.info, students(scene_params())[NAME]).network, given) > 0.1


def test_a_student_steps_once_and_its_rate_falls(samples, teacher, tmp_path):
    """One optimiser, so one step a batch; the rate ends near its last share of the student's own."""
    params = scene_params(student_rate=1e-2)
    rows = fitted(teacher, samples, params, tmp_path / "ck").history

    assert [row["step"] for row in rows] == [4, 8, 12]
    warm = 12 / 50  # of the steps in which it rises
    assert rows[-1]["lr"] == pytest.approx(1e-2 * warm * params.train.final_learning_rate_share, rel=0.2)
    assert {"val/distance", "train/loss"} <= rows[-1].keys()


def test_features_reach_what_comes_early(samples, teacher):
    """Their weight changes the gradients of the first layers, and nothing else does."""

    def gradient(weight: float) -> torch.Tensor:
        learner = student_of(teacher, samples, scene_params(feature_weight=weight))
        learner._taught_loss(batch_of(samples, slice(8)), 0, 0.0).backward()
        return cast("torch.Tensor", learner.network.start.weight.grad)

    without, again, heard = gradient(0.0), gradient(0.0), gradient(1.0)
    assert torch.equal(without, again)
    assert (heard - without).norm() > 0.1 * without.norm()


def test_a_chunk_is_the_same_in_any_process(samples, teacher):
    """The second of one process is the first of another: the same numbers are asked for."""
    learner = student_of(teacher, samples, scene_params())
    whole, share = batch_of(samples, slice(16)), batch_of(samples, slice(8, 16), first_chunk=1)

    assert torch.equal(learner._taught_loss(whole, 1, 0.0), learner._taught_loss(share, 0, 0.0))
    assert not torch.equal(learner._taught_loss(whole, 0, 0.0), learner._taught_loss(share, 0, 0.0))


def test_a_student_that_died_ends_with_the_same_weights(samples, teacher, tmp_path):
    """Resumed from the last whole epoch, with the projections and the average as they were."""
    undisturbed = fitted(teacher, samples, scene_params(), tmp_path / "whole")
    with pytest.raises(KilledError):
        fitted(teacher, samples, scene_params(), tmp_path / "broken", callbacks=[DieAt(2)])

    resumed = fitted(teacher, samples, scene_params(), tmp_path / "broken")

    first, second = (one.module.state_dict() for one in (undisturbed, resumed))
    assert resumed.resumed_at == 2
    assert any(name.startswith("lesson.projections") for name in first)
    assert same(first, second)


def test_nothing_of_the_teacher_is_trained_or_stored(samples, teacher, tmp_path):
    """Its weights are what they were, and the checkpoint holds the student, its projections and no discriminator."""
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    learner = fitted(teacher, samples, scene_params(), tmp_path / "ck").module

    assert same(before, teacher.state_dict())
    assert {name.split(".")[0] for name in learner.state_dict()} == {"network", "lesson"}
    assert {name.split(".")[1] for name in learner.state_dict() if name.startswith("lesson")} == {"projections"}


def test_the_graph_of_a_student_has_no_projections(samples, teacher, tmp_path):
    """It is byte for byte that of a network with the same weights which never had a teacher."""
    params = scene_params()
    taught = student_of(teacher, samples, params)
    plain = module(samples.info, students(params)[NAME])
    plain.network.load_state_dict(taught.network.state_dict())

    files = []
    for name, learner in (("taught", taught), ("plain", plain)):
        (tmp_path / name).mkdir()
        files.append(export(graphs(family.network(learner), samples)[0], tmp_path / name).read_bytes())
    assert files[0] == files[1]
    assert b"projection" not in files[0]


def test_a_student_that_draws_at_another_size_is_reported():
    """By the name of what was written wrongly."""
    with pytest.raises(MisuseError, match=r"scene\.compress\.students: \(8, 8, 4\) has 3 resolutions, and .* has 2"):
        students(scene_params(students=((8, 8, 4),)))


def test_a_student_that_is_wider_is_reported():
    """It cannot be a part of its teacher; reported before anything is created."""
    with pytest.raises(MisuseError, match=r"\(16, 16\) is wider than scene\.train\.widths"):
        students(scene_params(students=((16, 16),)))


def test_the_baseline_has_no_students():
    """It has no features of each resolution; the message has the change. Without students it is accepted."""
    baseline = {"train": TrainParams(**TRAIN, network="dcgan")}

    assert students(SceneParams(**baseline)) == {}
    with pytest.raises(MisuseError, match="the baseline, has none") as refused:
        students(SceneParams(**baseline, compress=CompressParams(**SMALL)))
    assert "set scene.train.network to r3" in refused.value.remedy


def test_a_student_has_its_own_epochs_or_its_teachers():
    """And the params of its teacher except widths and rate: latents and texts are the same."""
    own, given = students(scene_params())[NAME], students(scene_params(student_epochs=0))[NAME]
    changed = {"widths", "epochs", "learning_rate"}

    assert (own.epochs, given.epochs) == (3, TRAIN["epochs"])
    assert own.model_dump(exclude=changed) == TrainParams(**TRAIN).model_dump(exclude=changed)


def test_what_is_missed_is_a_share():
    """Of quiet features and of loud ones alike."""
    shown = torch.randn(2, 8, 4, 4, generator=torch.Generator().manual_seed(0))

    assert missed(shown, shown) == 0.0
    assert missed(torch.zeros_like(shown), shown) == pytest.approx(1.0)
    assert missed(2.0 * 0.9 * shown, 2.0 * shown) == pytest.approx(float(missed(0.9 * shown, shown)))
