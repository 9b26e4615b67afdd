import json

import numpy as np
import pytest

from rushes.bundle.manifest import BundleError, read_bundle
from rushes.errors import MisuseError
from rushes.scene.generator import SceneGenerator, credit_line, credits_of
from rushes.scene.text_encoder import TextEncoder
from tests.support import scenes


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny bundle that draws."""
    folder = tmp_path_factory.mktemp("scene")
    scenes.write_bundle(folder)
    return folder


@pytest.fixture(scope="module")
def generator(folder):
    """The generator of the tiny bundle."""
    return SceneGenerator.from_bundle(read_bundle(folder))


def _nearest(pictures):
    """The label whose landscape the pictures are nearest to."""
    known = [scenes.landscape(number, scenes.SIZE_PX) for number in range(len(scenes.LABELS))]
    return scenes.LABELS[int(np.argmin([np.abs(pictures.mean(0) - one).mean() for one in known]))]


def test_a_seed_gives_the_same_pictures(generator):
    """Fewer pictures are the first of more, also across a batch boundary."""
    many = generator.generate("forest", 20, 7)

    assert many.shape == (20, scenes.SIZE_PX, scenes.SIZE_PX, 3)
    assert many.dtype == np.uint8
    assert np.array_equal(many[:3], generator.generate("forest", 3, 7))
    assert not np.array_equal(many[:3], generator.generate("forest", 3, 8))
    assert len(generator.generate("forest", 0, 7)) == 0


def test_the_text_decides(generator):
    """An unseen heading is drawn as its most similar text; the category takes precedence."""
    assert _nearest(generator.generate("EXT. WOODS - NIGHT", 40, 1)) == "forest"
    assert _nearest(generator.generate("INT. OFFICE - DAY", 40, 1)) == "street"
    assert _nearest(generator.generate("EXT. WOODS - NIGHT", 40, 1, "sea")) == "sea"


def test_a_heading_is_read_in_plain_words(generator):
    """In the form of the texts that the model was trained on."""
    plain = generator.generate("a photo of the woods at night", 2, 1)

    assert np.array_equal(generator.generate("EXT. THE WOODS - NIGHT #4#", 2, 1), plain)


def test_an_unknown_category_names_those_there_are(generator):
    """The error lists the valid ones."""
    with pytest.raises(MisuseError, match="--category wood: this model knows forest, sea, street"):
        generator.generate("sea", 1, 1, "wood")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"input": {"size_px": 16}}, "input in manifest.json cannot be used .latents: Field required"),
        ({"input": {"size_px": 32, "latents": 4}}, "not uint8 of 32 px"),
        ({"input": {"size_px": 16, "latents": 5}}, "cannot be run with what the manifest describes"),
        ({"labels": ["forest"]}, "cannot be run with what the manifest describes"),
    ],
)
def test_a_graph_that_is_another_than_in_the_manifest(tmp_path, changes, fault):
    """The error comes on opening, not on drawing."""
    scenes.write_bundle(tmp_path, **changes)

    with pytest.raises(BundleError, match=fault):
        SceneGenerator.from_bundle(read_bundle(tmp_path))


def test_a_graph_with_other_outputs_is_refused(folder, tmp_path):
    """Their names are part of the contract."""
    scenes.write_generator(tmp_path / "other.onnx", np.eye(3, 384), 16, output="images")
    encoder = TextEncoder(folder / "minilm.onnx", folder / "tokenizer.json")

    with pytest.raises(BundleError, match="gives images"):
        SceneGenerator(tmp_path / "other.onnx", encoder, scenes.LABELS, size_px=16, latents=4)


def test_credits(tmp_path):
    """Each source is named once; invalid credits are refused, and credits may be empty."""
    lines = {"a": "Film A, CC BY", "b": "Film A, CC BY", "c": " "}
    scenes.write_bundle(tmp_path / "good", settings={"credits": lines})
    scenes.write_bundle(tmp_path / "bad", settings={"credits": ["Film"]})

    assert credits_of(read_bundle(tmp_path / "good")) == ["Film A, CC BY"]
    assert credit_line([]) == ""
    with pytest.raises(BundleError, match="are not lines of text by source"):
        credits_of(read_bundle(tmp_path / "bad"))
    assert json.loads((tmp_path / "good/manifest.json").read_text())["settings"]["credits"] == lines
