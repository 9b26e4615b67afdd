"""Pictures of other cameras: what each effect does to a picture, how many it changes, and what decides it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from models.components.randomness import generator_for
from models.expression.cameras import cells, jpeg_losses, other_cameras
from models.expression.module import ExpressionModule
from models.expression.network import ExpressionNetwork
from models.expression.params import CameraParams, TrainParams

NONE = {"min_resolution": 1.0, "blur_px": 0, "jpeg_quality": 100, "gamma": 0, "shadow": 0, "cast": 0, "fade": 0}
EFFECTS = {"min_resolution": 0.1, "blur_px": 5, "jpeg_quality": 1, "gamma": 3, "shadow": 1, "cast": 0.9, "fade": 1}


def textured(count: int = 64, channels: int = 1, size_px: int = 48) -> torch.Tensor:
    """Smooth shapes with fine texture, from black to white."""
    random = np.random.default_rng(0)
    coarse = random.uniform(0, 255, (count, 6, 6, channels))
    fine = [cv2.resize(one, (size_px, size_px), interpolation=cv2.INTER_CUBIC) for one in coarse]
    noisy = np.stack(fine).reshape(count, size_px, size_px, channels) + random.normal(0, 20, (size_px, size_px, 1))
    return torch.from_numpy(np.clip(noisy, 0, 255).astype(np.uint8))


def changed(pictures_nhwc: torch.Tensor, share: float = 1.0, step: int = 0, **effect: float) -> torch.Tensor:
    """The pictures with these effects alone."""
    params = CameraParams.model_validate(NONE | effect | {"share": share})
    return other_cameras(pictures_nhwc, params, generator_for("cpu", 0, 0, step))


def detail(pictures_nhwc: torch.Tensor) -> torch.Tensor:
    """Differences of neighbouring pixels, of each picture."""
    return pictures_nhwc.float().diff(dim=2).abs().mean((1, 2, 3))


def test_limits_of_nothing_leave_the_levels():
    """Every effect hits every picture, and none changes it."""
    before = textured(channels=3)

    assert torch.allclose(changed(before), before.float(), atol=0.01)


@pytest.mark.parametrize("effect", EFFECTS)
def test_an_effect_changes_its_share_of_the_pictures(effect):
    """So many of 64, rounded up, each by a strength of its own; the levels stay within 0 to 255."""
    before = textured(channels=3)

    after = changed(before, share=0.3, **{effect: EFFECTS[effect]})
    hit = (after - before).abs().amax((1, 2, 3)) > 0.1

    assert 17 <= hit.sum() <= 20
    assert len(set((after - before)[hit].abs().mean((1, 2, 3)).tolist())) == hit.sum()
    assert after.min() >= 0
    assert after.max() <= 255


@pytest.mark.parametrize("channels", [1, 3])
def test_effects_are_decided_by_seed_epoch_and_step(channels):
    """The same place, the same pictures; another step, others. The given pictures are not written to."""
    before = textured(channels=channels)
    kept = before.clone()
    params = CameraParams(share=0.3)
    first, again, step, epoch = (
        other_cameras(before, params, generator_for("cpu", 0, *place)) for place in ((0, 1), (0, 1), (0, 2), (1, 1))
    )

    assert torch.equal(first, again)
    assert not torch.equal(first, step)
    assert not torch.equal(first, epoch)
    assert torch.equal(before, kept)


def test_a_share_of_zero_changes_nothing():
    """By default: the pictures as they are, and no random number is drawn, so that a training stays as it was."""
    generator = generator_for("cpu", 0)
    state = generator.get_state()

    assert torch.equal(other_cameras(textured(), CameraParams(), generator), textured())
    assert torch.equal(generator.get_state(), state)


@pytest.mark.parametrize(("effect", "limit"), [("min_resolution", 0.25), ("blur_px", 2.0)])
def test_blur_and_resolution_take_detail_and_keep_brightness(effect, limit):
    """Fine texture goes, in no picture more is there, and the mean of a picture stays."""
    before = textured()
    after = changed(before, **{effect: limit})

    assert (detail(after) <= detail(before) + 0.01).all()
    assert detail(after).median() < 0.75 * detail(before).median()
    assert torch.allclose(after.mean((1, 2, 3)), before.float().mean((1, 2, 3)), atol=2.0)


def test_a_quarter_of_the_resolution_is_that_of_opencv():
    """Cells of four pixels, averaged and interpolated, as by INTER_AREA and INTER_LINEAR."""
    picture_hw = textured(1)[0, ..., 0].float()
    matrix_ss = cells(48, torch.tensor(4.0).view(1, 1, 1, 1))[0, 0]
    small_hw = cv2.resize(picture_hw.numpy(), (12, 12), interpolation=cv2.INTER_AREA)
    expected_hw = cv2.resize(small_hw, (48, 48), interpolation=cv2.INTER_LINEAR)

    assert np.allclose((matrix_ss @ picture_hw @ matrix_ss.T).numpy(), expected_hw, atol=0.01)


@pytest.mark.parametrize("size_px", [48, 50])
@pytest.mark.parametrize("quality", [10, 40, 80])
def test_jpeg_losses_are_those_of_opencv(size_px, quality):
    """Far nearer to OpenCV's JPEG than the picture is, also where a side does not divide by 8."""
    before = textured(8, size_px=size_px)
    encoded = [cv2.imencode(".jpg", one.numpy(), [cv2.IMWRITE_JPEG_QUALITY, quality])[1] for one in before]
    expected = torch.from_numpy(np.stack([cv2.imdecode(one, cv2.IMREAD_GRAYSCALE) for one in encoded])).float()

    after = jpeg_losses(before.permute(0, 3, 1, 2).float(), torch.full((8, 1, 1, 1), float(quality)))[:, 0].clamp(
        0, 255
    )

    assert (after - expected).abs().mean() < 0.25 * (before[..., 0] - expected).abs().mean()


def test_gamma_leaves_black_and_white():
    """Grey becomes brighter as often as darker."""
    ramp = torch.tensor([0, 128, 255], dtype=torch.uint8).expand(64, 8, 3)[..., None]
    after = changed(ramp, gamma=1.5)

    assert torch.allclose(after[:, :, 0], torch.tensor(0.0), atol=0.01)
    assert torch.allclose(after[:, :, 2], torch.tensor(255.0))
    assert 16 < (after[:, 0, 1, 0] > 128).sum() < 48


def test_a_shadow_takes_light_from_one_side():
    """No pixel becomes brighter; on most pictures one side loses far more than the other."""
    white = torch.full((64, 48, 48, 1), 255, dtype=torch.uint8)
    after = changed(white, shadow=0.8)
    darkest, lightest = after.amin((1, 2, 3)), after.amax((1, 2, 3))

    assert after.max() <= 255
    assert darkest.min() > 0.2 * 255 - 1
    assert (lightest - darkest).median() > 0.2 * 255


def test_colours_are_cast_and_fade():
    """A cast changes the balance of a grey picture; fading brings the channels together and keeps their mean."""
    grey = torch.full((32, 8, 8, 3), 100, dtype=torch.uint8)
    cast, faded = changed(grey, cast=0.2), changed(textured(channels=3), fade=1.0)

    assert (cast.amax(3) - cast.amin(3)).amax() > 10
    assert (cast - 100).abs().max() <= 20.01
    assert faded.std(dim=3).mean() < 0.8 * textured(channels=3).float().std(dim=3).mean()
    assert torch.allclose(faded.mean(3), textured(channels=3).float().mean(3), atol=0.01)


def test_training_sees_other_cameras_and_the_runtime_does_not():
    """A module's augmented images differ with the share; its validation has none of them."""
    plain = {"rotation_deg": 0, "scale": 0, "shift": 0, "contrast": 0, "noise": 0, "occlusion": 0}
    before = textured()

    def augmented(share: float) -> torch.Tensor:
        params = TrainParams.model_validate(plain | {"camera": {"share": share}})
        module = ExpressionModule(ExpressionNetwork(3, 1, (4, 8), (1, 1), 0.0), params, 0.5, 0.25, 3)
        images_nchw = module.augmented(before, generator_for("cpu", 0))
        return torch.minimum(
            (images_nchw - module.normalised(before)).abs().mean((1, 2, 3)),
            (images_nchw.flip(3) - module.normalised(before)).abs().mean((1, 2, 3)),
        )

    assert augmented(0.0).max() < 1e-4
    assert (augmented(1.0) > 0.01).all()
