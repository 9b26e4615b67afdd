import sys

import numpy as np
import pytest

from rushes.bundle.manifest import BundleError
from rushes.errors import RushesError
from rushes.scene.text_encoder import TEMPLATES, WIDTH, TextEncoder, heading_phrase, place_of
from tests.support import scenes


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The tiny encoder's two files."""
    folder = tmp_path_factory.mktemp("encoder")
    scenes.write_encoder(folder / "minilm.onnx")
    scenes.write_tokenizer(folder / "tokenizer.json")
    return folder / "minilm.onnx", folder / "tokenizer.json"


@pytest.fixture(scope="module")
def encoder(files):
    """The tiny encoder."""
    return TextEncoder(*files)


@pytest.mark.parametrize(
    ("heading", "text"),
    [
        ("EXT. WOODS - NIGHT", "a photo of the woods at night"),
        ("INT. OFFICE - DAY", "an indoor photo of the office"),
        ("ext. the old pier \u2013 dawn #12A#", "a photo of the old pier at dawn"),
        ("INT./EXT. CAR -- MOMENTS LATER", "a photo of the car"),
        ("INT. HOUSE - KITCHEN - NIGHT (FLASHBACK)", "an indoor photo of the house, kitchen at night"),
        (".THE CAVE", "a photo of the cave"),
        ("a lake in the fog", "a lake in the fog"),
        ("Interior of things", "Interior of things"),
        ("", ""),
    ],
)
def test_a_heading_in_plain_words(heading, text):
    """Visible content is kept; numbers, forms and remarks for people are omitted."""
    assert heading_phrase(heading) == text


def test_a_place_is_the_same_at_any_time():
    """Time, numbers and remarks do not change it; another place or INT/EXT does."""
    same = {place_of(text) for text in ("EXT. THE WOODS - NIGHT", "ext. woods - later #3#", "EXT. WOODS - DAY (1950)")}

    assert len(same) == 1
    assert len(same | {place_of("INT. WOODS - DAY"), place_of("EXT. PARK - DAY"), place_of("a wood")}) == 4


def test_embeddings_have_unit_length_and_mean_something(encoder):
    """Similar texts have similar embeddings."""
    woods, forest, office = encoder.embed(["woods", "forest", "office"])

    assert woods.dtype == np.float32
    assert np.allclose([np.linalg.norm(one) for one in (woods, forest, office)], 1)
    assert woods @ forest > 0.9
    assert woods @ office < 0.2


def test_a_text_does_not_depend_on_its_neighbours(encoder):
    """It depends neither on the length of others nor on a batch boundary."""
    texts = ["forest", "a photo of the sea at night", *["street"] * 40, "sea"]
    alone = np.concatenate([encoder.embed([text]) for text in texts])

    assert np.allclose(encoder.embed(texts), alone, atol=1e-6)
    assert encoder.embed([]).shape == (0, WIDTH)
    assert np.isfinite(encoder.embed(["", "sea " * 999])).all()


def test_a_long_text_is_cut(encoder):
    """Text after 128 tokens is ignored."""
    long = "sea " * 128

    assert np.array_equal(encoder.embed([long + "forest"]), encoder.embed([long + "street"]))


def test_it_asks_no_network(files):
    """Network modules are not even loaded."""
    before = set(sys.modules)
    TextEncoder(*files).embed(["sea"])

    assert not {name for name in set(sys.modules) - before if name.startswith(("huggingface_hub", "httpx", "requests"))}


def test_a_missing_package_is_named(files, monkeypatch):
    """The wheel does not need it until it is used."""
    monkeypatch.setitem(sys.modules, "tokenizers", None)

    with pytest.raises(RushesError, match="pip install tokenizers"):
        TextEncoder(*files)


def test_a_file_of_another_kind_is_refused(files, tmp_path):
    """A file that is not a tokenizer, not a graph, or another graph."""
    model, tokenizer = files
    (tmp_path / "broken").write_text("{}")
    scenes.write_generator(tmp_path / "scene.onnx", np.eye(3, WIDTH), 8)

    with pytest.raises(BundleError, match="is not a tokenizer"):
        TextEncoder(model, tmp_path / "broken")
    with pytest.raises(BundleError, match="is not a valid graph"):
        TextEncoder(tmp_path / "broken", tokenizer)
    with pytest.raises(BundleError, match="takes categories, latents, texts and gives pictures"):
        TextEncoder(tmp_path / "scene.onnx", tokenizer)


HEADINGS = {
    "buildings": "CASTLE,APARTMENT BLOCK,OFFICE TOWER,OLD CHURCH,HOTEL,CITY HALL,FACTORY,PALACE GATES",
    "forest": "WOODS,JUNGLE,PINE GROVE,RAINFOREST,OAK WOODLAND,BAMBOO THICKET,REDWOODS",
    "glacier": "ICE FIELD,FROZEN CREVASSE,POLAR ICE CAP,ICEBERG,ANTARCTICA,ICE SHEET",
    "mountain": "SUMMIT,ALPINE RIDGE,HIMALAYAS,ROCKY PEAK,VOLCANO,CANYON RIM,THE ALPS",
    "sea": "OCEAN,BEACH,OPEN WATER,HARBOUR,SHIP'S DECK,LAGOON,COASTLINE,PIER",
    "street": "MAIN STREET,BACK ALLEY,CROSSROADS,HIGHWAY,MARKET LANE,BROADWAY,TRAFFIC JAM,BUS STOP",
}


@pytest.mark.slow
def test_the_real_encoder_knows_places(minilm_files):
    """Nearly all headings outside the templates are nearest to their category, and more than without plain words."""
    encoder = TextEncoder(*minilm_files)
    known_tlw = np.stack([encoder.embed([template.format(one) for one in HEADINGS]) for template in TEMPLATES])
    rows = [(f"EXT. {one} - NIGHT", label) for label, names in HEADINGS.items() for one in names.split(",")]

    def right(texts):
        nearest = np.einsum("nw,tlw->ntl", encoder.embed(texts), known_tlw).max(axis=1).argmax(axis=1)
        return np.mean([list(HEADINGS)[found] == label for found, (_, label) in zip(nearest, rows, strict=True)])

    raw, written = (right([form(heading) for heading, _ in rows]) for form in (str, heading_phrase))
    woods, office = (
        encoder.embed([heading_phrase("EXT. WOODS - NIGHT"), heading_phrase("INT. OFFICE - DAY")]) @ known_tlw[2, 1]
    )

    assert written > 0.9
    assert written > raw
    assert woods > office + 0.2


def test_templates_take_a_category():
    """Each has one placeholder for it."""
    assert all(template.format("sea").count("sea") == 1 for template in TEMPLATES)
