"""The parts that learn: networks, losses, what they are asked for, and batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.family import Graph
from models.scene.crops import closer
from models.scene.definition import INPUTS, calibration, module, progress
from models.scene.losses import critic_loss, disturbed
from models.scene.metrics.distance import sliced_wasserstein
from models.scene.network import Condition, ExportWrapper, build, latents_for, size_of
from models.scene.params import AugmentParams, TrainParams
from models.scene.texts import texts_of
from rushes.errors import MisuseError
from tests.support.places import TRAIN, WordEncoder, place_set

ANCHORS = torch.nn.functional.normalize(torch.randn(3, 384, generator=torch.Generator().manual_seed(0)), dim=1)
INFO = {"labels": ["a", "b", "c"], "size_px": 16, "channels": 3, "anchors": ANCHORS.tolist(), "text": 384}


@pytest.fixture
def samples(tmp_path, monkeypatch):
    """Three places, with a crop beside each training picture."""
    return place_set(tmp_path, params=AugmentParams(), monkeypatch=monkeypatch)


def test_a_text_near_a_category_stands_for_it():
    """Without a category, a text near an anchor asks for nearly what the category itself asks for."""
    condition = Condition(ANCHORS)
    condition.texts.weight.data.zero_()
    near = torch.nn.functional.normalize(ANCHORS[1:2] + 0.02 * torch.randn(1, 384), dim=1)

    by_text, by_name = condition(near, torch.zeros(1, 3)), condition(near, torch.eye(3)[1:2])

    assert torch.nn.functional.cosine_similarity(by_text, by_name) > 0.95
    assert torch.nn.functional.cosine_similarity(by_text, condition(near, torch.eye(3)[:1])) < 0.9


def test_a_category_that_is_given_overrules_the_text():
    """The text's own choice counts only where nothing was given."""
    condition = Condition(ANCHORS)
    condition.texts.weight.data.zero_()

    first, second = condition(ANCHORS[:1], torch.eye(3)[2:]), condition(ANCHORS[1:2], torch.eye(3)[2:])

    torch.testing.assert_close(first, second)


def test_the_baseline_has_a_generator_of_the_same_size():
    """The comparison is fair: as many weights, to a twentieth."""
    ours, classic = (build(INFO, TrainParams(**TRAIN, network=name))[0] for name in ("r3", "dcgan"))

    assert size_of(classic) == pytest.approx(size_of(ours), rel=0.1)


def test_pictures_of_128_px_need_one_number_more():
    """With five widths both networks do them, and a gradient reaches every weight."""
    sizes = {"widths": (8, 8, 8, 8, 8), "depths": (0,) * 5, "critic_widths": (8, 8, 8, 8, 8), "critic_depths": (0,) * 5}
    learner = module(INFO | {"size_px": 128}, TrainParams(**TRAIN | sizes))
    asked = (ANCHORS[:2], torch.eye(3)[:2])

    drawn = learner.network(torch.randn(2, latents_for(128)), *asked)
    learner.critic(drawn, *asked).sum().backward()

    assert drawn.shape == (2, 3, 128, 128)
    assert all(weight.grad is not None for weight in learner.network.parameters())


@pytest.mark.parametrize(("noise_px", "changes"), [(0, [False, False]), (4, [True, False]), (8, [True, True])])
def test_places_have_latents_of_their_own_up_to_a_resolution(noise_px, changes):
    """One of them changes the picture; those of resolutions finer than was asked for change nothing."""
    generator, _ = build(INFO, TrainParams(**TRAIN, noise_px=noise_px))
    latents, asked = torch.randn(1, latents_for(16)), (ANCHORS[:1], torch.zeros(1, 3))

    def changed(place):
        other = latents.clone()
        other[0, place] += 3.0
        with torch.no_grad():
            return bool((generator(other, *asked) != generator(latents, *asked)).any())

    # 64 for the whole, then 16 places at 4 px and 64 at 8 px.
    assert latents_for(16) == 64 + 16 + 64
    assert [changed(64), changed(64 + 16)] == changes


def test_widths_that_lead_to_another_size_are_reported():
    """The message names the param and how many numbers it wants."""
    with pytest.raises(MisuseError, match=r"need 2 numbers in scene\.train\.critic_widths"):
        build(INFO, TrainParams(**TRAIN | {"critic_widths": (8, 8, 8)}))


def test_the_approximate_penalty_is_the_gradient_penalty():
    """For a linear critic the squared change under noise is its squared gradient times the noise's variance."""
    weight = torch.randn(3 * 16 * 16, generator=torch.Generator().manual_seed(1)) / 10
    real = torch.zeros(512, 3, 16, 16)
    noise = 0.05 * torch.randn(1024, 3, 16, 16, generator=torch.Generator().manual_seed(2))

    def judge(pictures):
        return pictures.flatten(1) @ weight

    without = critic_loss(judge, real, real, 0.0, noise, 512)
    penalty = critic_loss(judge, real, real, 2.0, noise, 512) - without
    # R1 and R2 of R3GAN: gamma / 2 times the squared norm of the gradient, on real and on drawn pictures.
    assert float(penalty) == pytest.approx(2 * float(weight.square().sum()), rel=0.15)


def test_disturbed_keeps_size_and_gradient():
    """The discriminator's input is differentiable, and without reach nothing changes."""
    pictures = torch.rand(6, 3, 16, 16, requires_grad=True)
    params = TrainParams(**TRAIN)
    seen = disturbed(pictures, params, torch.Generator().manual_seed(0))
    seen.sum().backward()
    still = params.model_copy(update={"colour": 0.0, "shift": 0.0})

    assert seen.shape == pictures.shape
    assert not torch.equal(seen, pictures)
    assert pictures.grad is not None
    assert torch.equal(disturbed(pictures, still, torch.Generator()), pictures)


def test_distance_orders_pictures():
    """The same pictures are at no distance; darker ones are nearer than noise."""
    real = torch.rand(16, 3, 16, 16, generator=torch.Generator().manual_seed(0)).cumsum(3) / 16
    far = [
        float(sliced_wasserstein(real, other, torch.Generator().manual_seed(1)))
        for other in (real, real * 0.9, torch.randn_like(real))
    ]

    assert far[0] == pytest.approx(0.0, abs=1e-2)
    assert far[0] < far[1] < far[2]


def test_the_exported_graph_gives_bytes():
    """Pictures as a screen wants them, whatever comes out of the network."""
    generator, _ = build(INFO, TrainParams(**TRAIN))

    pictures = ExportWrapper(generator)(100 * torch.randn(4, latents_for(16)), ANCHORS[[0, 1, 2, 0]], torch.zeros(4, 3))

    assert pictures.dtype == torch.uint8
    assert pictures.shape == (4, 16, 16, 3)


def test_half_of_the_texts_are_the_caption():
    """A caption speaks of this picture, the templates of any such place."""
    texts = texts_of("forest", "EXT. OLD OAKS - NIGHT")

    assert sum("oaks" in text for text in texts) == len(texts) // 2
    assert any("forest" in text for text in texts)
    assert not any("oaks" in text for text in texts_of("forest"))


def test_the_set_has_crops_and_a_text_for_each_sample(samples):
    """Crops double train alone; embeddings are of the sample's own category."""
    train, validation = samples.kept("train"), samples.kept("validation")
    texts = np.load(samples.folder / "text-train.npy")

    assert len(train) == len(samples.array("train")) == len(texts) == 2 * 72
    assert len(validation) == 24
    own = np.array([samples.labels.index(label) for label in train["label"]])
    near_nl = texts[:, 1].astype(np.float32) @ np.array(samples.info["anchors"]).T
    assert (near_nl.argmax(1) == own).all()


def test_a_crop_depends_on_its_seed_alone(samples):
    """Drawn again it is the same; it is not a copy of the picture."""
    picture = samples.array("train")[0]

    first, again, other = (closer(picture, AugmentParams(seed=seed), 3) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, picture)


def test_a_category_without_training_pictures_cannot_be_asked_for(tmp_path, monkeypatch):
    """It is in no label of the set, and its validation pictures are left out."""
    from tests.support import drawn  # noqa: PLC0415  # heavy, and only here

    clean = drawn.scene_set(tmp_path / "clean", {"train": 4, "validation": 4, "test": 4})
    table = clean.table
    table.loc[(table["split"] == "train") & (table["label"] == "sea"), "label"] = "forest"
    table.to_parquet(clean.folder / "samples.parquet")
    monkeypatch.setattr("models.scene.crops.open_encoder", lambda _read: WordEncoder())
    from models.scene.crops import crop_closer  # noqa: PLC0415  # after what it calls was replaced

    made = crop_closer(type(clean)(clean.folder), AugmentParams(crops=0), tmp_path / "set", lambda _asset: b"")

    assert made.labels == ["forest", "street"]
    assert set(made.kept("validation")["label"]) == {"forest", "street"}


@pytest.mark.parametrize("split", ["train", "validation"])
def test_calibration_asks_for_what_a_split_has(samples, split):
    """Feeds of the graph's own inputs, some with and some without a category."""
    graph = Graph("graph", "scene.onnx", torch.nn.Identity(), (), INPUTS, ("pictures",))
    feeds = calibration(samples, split, 40, 0, graph)
    output = np.concatenate([feed["categories"] for feed in feeds]).sum(1)

    assert set(feeds[0]) == {"latents", "texts", "categories"}
    assert 0 < output.mean() < 1


def test_progress_draws_the_same_places(samples):
    """Two looks at the same weights are the same pictures; other weights are others."""
    learner = module(samples.info, TrainParams(**TRAIN))
    first, again = progress(learner), progress(learner)
    other = progress(module(samples.info, TrainParams(**TRAIN, seed=1)))

    assert all(map(np.array_equal, first, again))
    assert not all(map(np.array_equal, first, other))
