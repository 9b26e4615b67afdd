"""Training on a Ray cluster of two nodes, each a network namespace: equal to one machine, and able to lose a node."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time

import psutil
import pytest
import torch

from models.scene.params import AugmentParams as CropParams
from models.script.encode import encode
from models.script.params import AugmentParams
from registry.mlflow import runs
from tests.models.script.conftest import packed
from tests.support.mlflow_server import serve
from tests.support.nodes import PORT, RAY, machines
from tests.support.places import TRAIN as SCENE
from tests.support.places import place_set
from tests.support.repos import ROOT
from tests.support.sets import small_set
from tests.training.engines.conftest import TRAIN, Checkout, epochs_in, make_checkout, read_until, same
from training.monitoring.throughput import FIGURES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SCRIPT = {"batch_size": 4, "sequence_length": 32, "epoch_characters": 1024, "width": 32, "embedding": 16}
EPOCHS = 3
MEMORY_BYTES = 1_000_000_000
AGAIN_S = 60


@pytest.fixture(scope="module")
def nodes():
    """Two machines with a node of Ray each, of which the first is the head, and one without."""
    with machines(3) as (head, other, bare):
        head.start_ray()
        other.start_ray(head)
        yield head, other, bare


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """The checkout after a training by two processes of one machine, and what these have learned."""
    checkout = make_checkout(tmp_path_factory.mktemp("local"))
    checkout.configure(devices=2, strategy="ddp")
    checkout.train()
    return checkout.learned()


def use_ray(checkout, head, **training):
    """Settings of a training on the cluster."""
    storage = str(checkout.root.parent / "storage")
    (checkout.root.parent / "storage").mkdir(exist_ok=True)
    given = {"engine": "ray", "address": f"{head.host}:{PORT}", "workers": 2, "storage": storage}
    checkout.configure(**given | training)


def workers_of(machine):
    """The training's processes on a machine."""
    below = psutil.Process(machine.processes[0].pid).children(recursive=True)
    return [one for one in below if "RayTrainWorker" in " ".join(one.cmdline())]


def test_nodes_are_small(nodes):
    """Before they have trained anything."""
    assert sum(machine.memory_bytes() for machine in nodes[:2]) < MEMORY_BYTES


def test_two_nodes_learn_what_two_processes_learn(nodes, checkout, local, tmp_path):
    """Bit for bit."""
    use_ray(checkout, nodes[0])
    log = checkout.train(nodes[0])

    assert same(checkout.learned(tmp_path / "storage"), local)
    assert {f"of 2 on {machine.host}" in log for machine in nodes[:2]} == {True}


def test_every_family_has_the_gradients_of_one_process(nodes, tmp_path, monkeypatch):
    """On one process, two, and two nodes, with the same global batch; also with two optimisers, and a carried state."""
    texts = encode(packed(tmp_path / "clean"), AugmentParams(), tmp_path / "texts", lambda _asset: b"")
    places = place_set(tmp_path / "places", params=CropParams(), monkeypatch=monkeypatch)
    faces = small_set(tmp_path / "faces", {"train": 48, "validation": 16})
    once = {"epochs": 1, "ema_decay": 0.0, "precision": "32-true"}
    jobs = [
        ("expression", str(faces.folder), TRAIN | once),
        ("scene", str(places.folder), SCENE | once),
        ("script", str(texts.folder), SCRIPT | once),
    ]
    script = ["-m", "tests.support.gradients", json.dumps(jobs)]
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    ways = {"one": script, "two": [*torchrun, *script], "nodes": script}
    for name, words in ways.items():
        (tmp_path / name).mkdir()
        given = [sys.executable, *words, str(tmp_path / name)]
        command = nodes[0].command([*given, f"{nodes[0].host}:{PORT}"]) if name == "nodes" else given
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        env = nodes[0].environment(env) if name == "nodes" else env
        done = subprocess.run(command, cwd=ROOT, env=env, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    for family, *_ in jobs:
        one, two, apart = (torch.load(tmp_path / name / f"{family}.pt") for name in ways)
        assert len(one) == len(two) == len(apart) >= 3
        for first, *others in zip(one, two, apart, strict=True):
            for name, other in ((name, other) for name in first for other in others):
                torch.testing.assert_close(other[name], first[name], rtol=1e-4, atol=1e-6)


def test_a_killed_process_costs_at_most_an_epoch(nodes, checkout, local, tmp_path):
    """Of whichever node; it trains again within a minute, and the result is that of an undisturbed training."""
    use_ray(checkout, nodes[0])
    process = checkout.start(nodes[0])
    log = read_until(process, "epoch 3 of 12")
    workers_of(nodes[1])[0].kill()
    killed_s = time.monotonic()
    log += read_until(process, "process 1 of 2")
    started_s = time.monotonic()
    log += read_until(process, "epoch ")  # of the first epoch after the kill, later than its first step
    trained_s = time.monotonic()
    log += process.communicate(timeout=200)[0]
    print(f"after SIGKILL: restart {started_s - killed_s:.1f} s, end of an epoch {trained_s - killed_s:.1f} s")

    assert process.returncode == 0, log
    assert trained_s - killed_s < AGAIN_S
    assert same(checkout.learned(tmp_path / "storage"), local)
    assert len(epochs_in(log)) <= 13


def test_one_run_has_the_speed_of_every_process(nodes, checkout, tmp_path, monkeypatch):
    """In a real MLflow, written by the first process alone, each epoch once."""
    (tmp_path / "mlflow").mkdir()
    use_ray(checkout, nodes[0])
    checkout.project.set_train(epochs=EPOCHS)
    with serve(tmp_path / "mlflow", nodes[0].outside) as uri:
        log = checkout.train(nodes[0], MLFLOW_TRACKING_URI=uri)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        mlflow = runs.client()
        (one,) = runs.runs(mlflow, "expression", "")
        names = [f"process/{rank}/{name}" for rank in range(2) for name in FIGURES]
        points = {name: mlflow.get_metric_history(one.info.run_id, name) for name in names}
    requests = [line for line in (tmp_path / "mlflow/log").read_text().splitlines() if "log-batch" in line]
    (writer,) = {machine.host for machine in nodes if any(f" {machine.host}:" in line for line in requests)}

    assert one.info.status == "FINISHED"
    assert {name for name in one.data.metrics if name.startswith("process/")} == set(names)
    assert {len(found) for found in points.values()} == {EPOCHS}
    for name, found in points.items():
        assert all(0 <= point.value < 1 if "data_wait" in name else point.value > 0 for point in found), name
    assert f"process 1 of 2 on {writer}" in log


def test_an_error_of_ours_is_not_tried_again(nodes, checkout):
    """It arrives with its remedy, as from this machine."""
    use_ray(checkout, nodes[0])
    checkout.project.set_train(learning_rate=1e18)
    process = checkout.start(nodes[0])
    log = process.communicate(timeout=200)[0]

    assert process.returncode == 1
    assert "expression.train.learning_rate" in json.loads(checkout.failure())["remedy"]
    assert log.count("process 1 of 2") == 1


def test_too_few_nodes(nodes, checkout):
    """The stage ends when none has come in the stated time; with fewer processes it trains."""
    use_ray(checkout, nodes[0], workers=4, node_timeout_s=5)
    checkout.project.set_train(batch_size=64)
    process = checkout.start(nodes[0])
    log = process.communicate(timeout=200)[0]

    assert process.returncode == 1
    assert "the cluster has no room for 4 processes" in log
    assert "lower training.workers" in json.loads(checkout.failure())["remedy"]


def test_a_machine_that_is_no_node_becomes_one(nodes, checkout):
    """The remedy is a command that makes it one."""
    address = f"{nodes[0].host}:{PORT}"
    use_ray(checkout, nodes[0], workers=1)
    process = checkout.start(nodes[2])
    log = process.communicate(timeout=200)[0]

    assert process.returncode == 1
    assert f"the Ray cluster at {address} cannot be used from here" in log
    assert json.loads(checkout.failure())["remedy"].partition("   #")[0] == f"{RAY} start --address={address}"


def test_a_lost_node_is_not_waited_for(nodes, checkout):
    """The training goes on with fewer processes, and reports it; the node comes back for the next training."""
    head, other, _bare = nodes
    use_ray(checkout, head, min_workers=1)
    process = checkout.start(head)
    log = read_until(process, "epoch 2 of 12")
    other.kill()
    log += process.communicate(timeout=200)[0]
    other.start_ray(head)

    assert process.returncode == 0, log
    assert "process 1 of 1" in log
    assert "2 were wanted, the training goes on with fewer" in log
    assert len(epochs_in(log)) <= 13


def test_a_lost_head_ends_the_stage_and_the_next_run_resumes(nodes, checkout, tmp_path):
    """On another machine's checkout, from the shared storage."""
    head, other, _bare = nodes
    use_ray(checkout, head)
    process = checkout.start(other)
    read_until(process, "epoch 3 of 12")
    head.kill()
    log = process.communicate(timeout=90)[0]
    other.kill()
    head.start_ray()
    other.start_ray(head)
    clone = Checkout(checkout.project)
    shutil.copytree(checkout.root, tmp_path / "clone", ignore=shutil.ignore_patterns(".state"))
    clone.project = type(checkout.project)(tmp_path / "clone", checkout.project.env)
    resumed = clone.train(head)

    assert process.returncode == 1
    assert f"the head of the Ray cluster at {head.host}:{PORT} has gone" in log
    assert json.loads(checkout.failure())["kind"] == "transient"
    assert epochs_in(resumed)[0] >= 3  # the line of an epoch precedes its checkpoint
