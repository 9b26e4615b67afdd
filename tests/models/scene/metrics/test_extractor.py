"""The extractor is the network that its weights belong to."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch

from models.scene.metrics.extractor import (
    EXTRACTOR,
    FEATURES,
    SIZE_PX,
    Extractor,
    SameConv,
    features_of,
    load_extractor,
    prepared,
)


def stored(change=None):
    """A file as the package holds it, with weights drawn at random: names begin with an underscore."""
    torch.manual_seed(0)
    names = {}
    for name, tensor in Extractor().state_dict().items():
        parts = [part if part.isdigit() or part in PLAIN else f"_{part}" for part in name.split(".")]
        spread = "running_var" in name or "bn" in name
        names[".".join(parts)] = tensor.clone() if not spread else torch.rand_like(tensor.float()) + 0.5
    names.update(change or {})
    file = io.BytesIO()
    torch.save(names, file)
    return file.getvalue()


PLAIN = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}


def test_it_has_the_size_of_the_paper():
    """4.65 million weights, as EfficientNet-lite0 has; 13 blocks of the 16 widen by six."""
    network = Extractor()

    assert sum(weight.numel() for weight in network.parameters()) == 4_652_008
    assert len(network.blocks) == 16


def test_other_weights_are_refused():
    """A key too many is another network."""
    with pytest.raises(RuntimeError, match="extra"):
        load_extractor(stored({"_blocks.0._extra.weight": torch.zeros(1)}))


def test_folding_the_norms_changes_nothing():
    """The loaded network answers as the plain one with the same weights."""
    data = stored()
    plain = Extractor().eval()
    plain.load_state_dict({k.replace("._", ".").removeprefix("_"): v for k, v in torch.load(io.BytesIO(data)).items()})
    pictures = np.random.default_rng(0).integers(0, 256, (3, 40, 40, 3)).astype(np.uint8)
    with torch.inference_mode():
        wanted = plain(prepared(pictures)).numpy()

    found = features_of(load_extractor(data), pictures)

    assert found.shape == (3, FEATURES)
    assert np.allclose(found, wanted, atol=1e-3 * np.abs(wanted).max())


@pytest.mark.parametrize(("kernel", "stride", "size"), [(3, 2, 128), (5, 2, 64), (3, 1, 9), (5, 1, 8)])
def test_padding_is_tensorflows(kernel, stride, size):
    """Half the size at a stride of two, and the odd pixel lies at the end."""
    conv = SameConv(1, 1, kernel, stride)
    torch.nn.init.ones_(conv.weight)

    drawn = conv(torch.ones(1, 1, size, size))

    assert drawn.shape[-1] == size // stride
    assert (drawn[0, 0, 0, 0] > drawn[0, 0, -1, -1]) == (stride == 2)


def test_pictures_come_in_any_size():
    """Black and white stay what they are; nothing overshoots where a bicubic filter would."""
    pictures = np.zeros((2, 30, 50, 3), np.uint8)
    pictures[1, :, 25:] = 255

    value = prepared(pictures)

    assert value.shape == (2, 3, SIZE_PX, SIZE_PX)
    assert value.min() == pytest.approx(-127 / 128)
    assert value.max() == pytest.approx(1.0)


def test_no_pictures_have_no_features():
    """A split may be empty."""
    assert features_of(Extractor(), np.zeros((0, 8, 8, 3), np.uint8)).shape == (0, FEATURES)


def test_its_package_is_pinned(pytestconfig):
    """And its hash is that of the file, so that no figure is made with other eyes."""
    pins = (pytestconfig.rootpath / "assets.txt").read_text()

    assert f"{EXTRACTOR.package}==" in pins
    assert len(EXTRACTOR.sha256) == 64
    assert EXTRACTOR.licence
