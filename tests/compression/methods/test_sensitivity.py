"""Sensitivity to int8: the layer with a planted outlier is found, and keeping it in float pays."""

from __future__ import annotations

import numpy as np
import pytest

from compression.methods.quantise import quantise_static
from compression.methods.sensitivity import sensitivities
from compression.search.candidate import reference
from rushes.inference.session import open_graph
from tests.support.exported import PARAMS, SMALL, no_asset
from tests.support.outliers import with_loud_channel
from tests.support.sets import small_set
from tests.support.trained import quickly_trained


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """The float graph of a network with a loud channel, and feeds."""
    folder = tmp_path_factory.mktemp("sensitivity")
    samples = small_set(folder / "set", {"train": 64, "validation": 32})
    loud = with_loud_channel(quickly_trained(samples))
    graph = reference(SMALL, loud, samples, PARAMS, folder / "reference", no_asset)[0]
    return folder / "reference" / graph.name, SMALL.calibration(samples, "train", 48, 0, graph)


def answers(path, feeds):
    """Probabilities N,L."""
    return np.concatenate([open_graph(path, threads=1).run(None, feed)[0] for feed in feeds])


LOUD = {"/network/body/body.0/first/Conv", "/network/body/body.0/second/Conv"}  # write and read the loud channel


def test_the_most_hurt_layers_are_found(planted):
    """Those on both sides of the loud channel come first, by far; every layer is listed."""
    found = sensitivities(*planted, ())
    names, values = list(found), list(found.values())

    assert set(names[:2]) == LOUD
    assert values[1] > 10 * values[2]
    assert len(found) == 7


def test_what_stays_float_anyway_is_not_looked_at(planted):
    """They are given by name prefix."""
    assert not any(name.startswith("/network/body") for name in sensitivities(*planted, ("/network/body",)))


def test_sparing_them_pays(planted, tmp_path):
    """With these two in float the outputs are restored; with the two least affected instead they are not."""
    source, feeds = planted
    names, truth = list(sensitivities(source, feeds, ())), answers(source, feeds)
    most, least = (
        np.abs(answers(quantise_static(source, tmp_path / "x.onnx", feeds, float_layers=two), feeds) - truth).mean()
        for two in (names[:2], names[-2:])
    )

    assert most < 0.05
    assert least > 0.2
