"""Clusters are named after their appearance, with distinct names."""

import numpy as np
import pytest

from curation.image.style_clusters import layouts_of, looks_of, names_of
from curation.params import StyleClusterParams

FLAT = {
    "look: dim blue": (20, 60, 170),
    "look: soft green": (40, 140, 50),
    "look: pale grey": (235, 235, 232),
    "look: dim brown": (100, 60, 20),
    "look: dark grey": (14, 14, 14),
}


@pytest.mark.parametrize(("name", "colour"), FLAT.items())
def test_a_plain_colour_has_its_name(name, colour):
    """Names consist of light and hue."""
    picture = np.full((1, 16, 16, 3), colour, np.uint8)

    assert names_of(layouts_of(picture)) == [name]


def test_similar_clusters_get_different_names():
    """By top and bottom where those differ, else by their light."""
    green = np.full((3, 16, 16, 3), (40, 140, 50), np.uint8)
    green[1] -= 8
    green[2, :4] = (60, 110, 220)
    names = names_of(layouts_of(green))

    assert len(set(names)) == 3
    assert all("green" in name for name in names)
    assert sum(name.endswith((", darker", ", lighter")) for name in names) == 2


def test_test_pictures_have_no_influence():
    """A colour that train lacks gets the nearest cluster, and does not form its own."""
    colours = [(200, 30, 30)] * 5 + [(30, 30, 200)] * 5 + [(30, 200, 30)] * 5
    pictures = np.stack([np.full((16, 16, 3), colour, np.uint8) for colour in colours])
    train = np.arange(15) < 10
    names = looks_of(layouts_of(pictures), train, StyleClusterParams(count=6))

    assert len(set(names)) == 2
    assert set(names[10:]) < set(names[:10])
