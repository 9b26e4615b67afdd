"""A generator through the real registry: what a person would throw away at sight never comes into use."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
import yaml

from models.scene.metrics.measures import agreement_of_pictures
from models.scene.score import NegativeKid, score
from registry.mlflow import model_versions
from rushes.bundle.manifest import Certificate, write_certificate
from tests.support.drawn import scene_bundle, scene_set, watch
from tests.support.studio import Studio

pytestmark = pytest.mark.slow


class Gallery(Studio):
    """A studio whose family draws; a run leaves the planted generator of a kind."""

    def stages(self, kind, **how):
        """The files of a run, with a bundle that draws so."""
        super().stages(0.0, key=kind)
        samples = scene_set(self.root / "build" / "clean" / "dots", {"train": 60, "test": 50})
        memory = {"pictures_nhwc": samples.array("train")} if kind == "copies" else {}
        shutil.rmtree(self.build / "bundle")
        bundle = scene_bundle(self.build / "bundle", kind, **memory)
        figures = {side: {NegativeKid.name: -0.1} for side in ("fp32", "compressed")}
        costs = {"size_bytes": {"fp32": 2, "compressed": 1}, "latency_ms": {"fp32": 2.0, "compressed": 1.0}}
        about = {"digest": bundle.digest, "objective": NegativeKid.name, "parity": {}, "machine": {}}
        write_certificate(bundle.folder, Certificate(**about, metrics=figures, **costs))
        return bundle.digest


@pytest.fixture
def gallery(studio, pytestconfig, monkeypatch):
    """The studio with a family that draws, under the rules that are shipped for one."""
    watch(monkeypatch)
    monkeypatch.setattr("registry.promotion.register.asset_reader", lambda *_: lambda _asset: b"")
    drawing = replace(studio.family, score=score, objective=NegativeKid(), agreement=agreement_of_pictures)
    shipped = yaml.safe_load((pytestconfig.rootpath / "mlflow" / "promotion.yaml").read_text())
    rules = shipped | {"families": {drawing.name: shipped["families"]["scene"]}, "resamples": 200}
    rules["guards"]["latency_ratio"] = 1000.0  # the graphs take microseconds, so their times are noise
    (studio.root / "mlflow" / "promotion.yaml").write_text(yaml.safe_dump(rules))
    return Gallery(studio.root, drawing)


def champion(mlflow, studio):
    """The number of the version in use, None if there is none."""
    found = model_versions.standing(mlflow, studio.family.name).champion
    return found and found.number


def test_a_planted_generator_is_registered_and_never_promoted(mlflow, gallery):
    """Collapsed, blank, NaN, noise and a memoriser come first and stay out; a good one comes in and stays."""
    kinds = ["collapsed", "blank", "nan", "noise", "copies", "raises"]
    first = [gallery.nightly(kind) for kind in kinds]
    before = champion(mlflow, gallery)
    good = gallery.nightly("good")
    later = gallery.nightly("copies")

    assert [(one.registered, one.promoted) for one in first] == [(True, False)] * len(kinds)
    assert all("below the floor" in one.reasons[0] for one in first)
    assert before is None
    assert good.promoted
    assert (later.promoted, champion(mlflow, gallery)) == (False, good.version)
    tags = model_versions.read_version(mlflow, gallery.family.name, good.version).tags
    assert list(json.loads(tags["rushes.signature"])) == ["scene.onnx"]  # not the encoder that travels along
