"""The remedy of a refusal works: changing the param that it names keeps what the check dropped."""

from __future__ import annotations

import textwrap

import cv2
import numpy as np
import pytest

from curation.clean import examine
from curation.errors import DataError, TooManyDropped
from curation.ingest import ingest
from curation.medium import by_name
from curation.params import MEDIA, CollectionParams
from curation.quality.verdicts import hold_losses, hold_splits
from rushes.screenplay.elements import Element
from rushes.screenplay.fountain import write
from tests.curation.film.test_clean import card, large
from tests.support.films import film_params, scene, shots, write_film
from tests.support.raw import Sample, collection_params, encode, photo, photos, write_raw
from tests.support.scripts import plant, script, script_params, typed
from tests.support.scripts import scene as scene_of

# The change that loosens a param, by its last name.
LOOSE = {
    "min_size_px": 1, "max_aspect": 100.0, "min_contrast": 0.0, "min_p95_brightness": 0.0, "max_p5_brightness": 255.0,
    "min_sharpness": 0.0, "near_correlation": 1.0, "min_agreement": 0.01, "max_outlier_z": 1e6,
    "max_dropped_share": 0.99, "max_black": 0.0, "min_letters": 100_000, "min_motion": 0.0, "max_fade_residual": 0.0,
    "min_headings": 0, "min_cues": 0, "min_speakers": 0, "max_broken_lines": 0.99, "min_text_length": 0,
    "near_document_overlap": 1.0, "near_scene_overlap": 1.0,
}  # fmt: skip


def _blurred(seed):
    return cv2.GaussianBlur(photo(seed), (0, 0), 6)


def _copies(seed):
    noise = np.random.default_rng(seed).integers(-2, 3, (48, 48))
    return (photo(999) + noise).clip(0, 255).astype(np.uint8)


def _torn(votes):
    """A picture under both labels, and its votes."""
    return [
        Sample(encode(photo(500 + n)), label, votes=votes, name=f"{label}-{n}")
        for n in range(10)
        for label in ("happy", "sad")
    ]


def _of(draw):
    return [Sample(encode(draw(500 + n))) for n in range(15)]


PICTURES = {
    "unreadable": lambda: [Sample(b"no picture %d" % n) for n in range(15)],
    "too small": lambda: _of(lambda seed: photo(seed, 20)),
    "too narrow": lambda: _of(lambda seed: photo(seed, 200)[:40]),
    "constant": lambda: _of(lambda seed: (100 + photo(seed) // 200).astype(np.uint8)),
    "underexposed": lambda: _of(lambda seed: photo(seed) // 8),
    "overexposed": lambda: _of(lambda seed: 220 + photo(seed) // 8),
    "blurred": lambda: _of(_blurred),
    "exact duplicate": lambda: [Sample(encode(photo(999)), name=str(n)) for n in range(15)],
    "near duplicate": lambda: _of(_copies),
    "conflicting labels": lambda: _torn(None),
    "conflicting labels, though voted on": lambda: _torn({"happy": 0.5, "sad": 0.5}),
}


def _refused(root, name, params):
    examined = examine(root, name, params)
    try:
        hold_losses(examined, name, params)
    except TooManyDropped as error:
        return error, examined
    return None, examined


def _followed(params, error, name):
    """The params after the remedy has been followed."""
    section = params.model_dump()
    for path in error.params:
        *folders, last = path.removeprefix(f"collections.{name}.").split(".")
        place = section
        for folder in folders:
            place = place[folder]
        assert f"{path} (now {place[last]})" in error.remedy
        place[last] = LOOSE[last]
    return CollectionParams.model_validate(section)


def _check_that_following_helps(root, name, params, reason):
    """The stage no longer stops at that reason: fewer are dropped for it, or the limit is higher."""
    error, before = _refused(root, name, params)
    again, after = _refused(root, name, _followed(params, error, name))

    assert error.check == reason
    assert again is None or again.check != reason
    if not error.param.endswith("max_dropped_share"):
        assert (after.table["reason"] == reason).sum() < (before.table["reason"] == reason).sum()
    return error


@pytest.mark.parametrize("fault", PICTURES)
def test_following_the_remedy_of_a_picture_helps(tmp_path, fault):
    """For checks of pictures."""
    reason = fault.partition(",")[0]
    write_raw(tmp_path, [*photos(30), *PICTURES[fault]()])
    params = collection_params()

    _check_that_following_helps(tmp_path, "faces", params, reason)


FILMS = {
    "black": [np.full((240, 320, 3), 20, np.uint8)] * 200,
    "black, without any light": [np.zeros((240, 320, 3), np.uint8)] * 200,
    "title card": [card()] * 200,
    "frozen": [*large(scene(20)[:1] * 100), *large(scene(21)[:1] * 100)],
}


@pytest.mark.parametrize("fault", FILMS)
def test_following_the_remedy_of_a_film_helps(tmp_path, fault):
    """The same for checks that apply only to frames."""
    reason = fault.partition(",")[0]
    params = film_params(clean={"min_size_px": 16, "near_correlation": 1.0, "max_dropped_share": 0.2})
    ingest(write_film(tmp_path / "film.mp4", [*large(shots(3)), *FILMS[fault]]), tmp_path, "films", params)

    _check_that_following_helps(tmp_path, "films", params, reason)


def _one_voice(number):
    return [Element("character", "ANN") if one.kind == "character" else one for one in script(number)]


def _one_scene(number):
    return [Element("heading", "INT. A - DAY"), *scene_of(900 + number, speeches=12)[1:]]


def _broken(number):
    lines = (line for text in typed(script(number)).split("\n") for line in textwrap.wrap(text, 40) or [""])
    return "\n\n".join(lines)


SCRIPTS = {
    "no script, too few headings": (_one_scene, ["min_headings"]),
    "no script, too few cues": (lambda n: [one for one in script(n) if one.kind in {"heading", "action"}],
                                ["min_cues", "min_speakers"]),
    "no script, one voice": (_one_voice, ["min_speakers"]),
    "no script, one short scene": (lambda n: scene_of(900 + n), ["min_headings", "min_cues"]),
    "broken lines": (_broken, ["max_broken_lines"]),
    "another draft": (lambda n: [*scene_of(900 + n), *script(5)], ["near_document_overlap"]),
}  # fmt: skip


@pytest.mark.parametrize("fault", SCRIPTS)
def test_following_the_remedy_of_a_script_helps(tmp_path, fault):
    """For documents; two failures of one are reported together, since changing one of two params keeps nothing."""
    reason, (draw, wanted) = fault.partition(",")[0], SCRIPTS[fault]
    folder = plant(tmp_path / "given", 4, first=70)
    for number in range(6):
        drawn = draw(80 + number)
        text = drawn if isinstance(drawn, str) else write(drawn)
        (folder / f"fault {number}.fountain").write_text(text, encoding="utf-8")
    params = script_params(clean={"max_dropped_share": 0.2})
    ingest(folder, tmp_path, "scripts", params)

    error = _check_that_following_helps(tmp_path, "scripts", params, reason)

    assert [path.rpartition(".")[2] for path in error.params] == wanted


def test_two_failures_have_two_remedies(tmp_path):
    """Conflicting labels are resolved by votes; labels without votes are not."""
    params, found = collection_params(), []
    for name, votes in (("a", None), ("b", {"happy": 0.5, "sad": 0.5})):
        write_raw(tmp_path / name, [*photos(30), *_torn(votes)])
        found.append(_refused(tmp_path / name, "faces", params)[0].param.rpartition(".")[2])

    assert found == ["max_dropped_share", "min_agreement"]


def test_a_split_that_lost_all_is_ingested_again(tmp_path):
    """More samples, in the collection of the printed command; those that were there stay."""
    params = collection_params(max_dropped_share=0.99)
    there = photos(30, split="train") + photos(10, first=100, split="validation")
    write_raw(tmp_path, [*there, *(Sample(encode(photo(500 + n) // 8), split="test") for n in range(5))])
    with pytest.raises(DataError, match="is left in test after the checks, which drop all 5 of 5 groups") as refused:
        hold_splits(examine(tmp_path, "faces", params), "faces")
    verb, collection, _ = refused.value.remedy.split()[-3:]
    write_raw(tmp_path, [*there, *photos(5, first=200, split="test")], collection)

    assert verb == "ingest"
    hold_splits(examine(tmp_path, "faces", params), "faces")


@pytest.mark.parametrize("name", MEDIA)
def test_every_reason_has_a_param(name):
    """A reason's param exists in a collection, so that no message names a missing one."""
    params = film_params()

    for path in by_name(name).reasons.values():
        params.value_of(path)
