"""Checks of the stage's process before a training on Ray, and its description of failures."""

from __future__ import annotations

import pickle
import re
import subprocess
import tomllib
import zipfile
from contextlib import nullcontext

import pytest
import ray

from common.settings import TrainingSettings
from rushes.errors import MisuseError, TransientError
from tests.common.test_threads import run
from tests.support.repos import git
from training.engines.ray import cluster
from training.engines.ray.checkout import pack
from training.engines.ray.driver import accelerator_of, check_reach
from training.engines.ray.policy import own_error
from training.engines.ray.worker import check_packages
from training.monitoring.divergence import DivergedError


@pytest.fixture
def cluster_of(monkeypatch):
    """Pretends that the cluster has so many nodes that are up, and one that has left."""

    def pretend(count):
        monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": True}] * count + [{"Alive": False}])

    return pretend


@pytest.mark.parametrize("uri", ["http://127.0.0.1:5000", "http://localhost:5000", "http://[::1]:5000"])
def test_a_tracker_that_nodes_cannot_reach(cluster_of, monkeypatch, uri):
    """A server of this machine serves a cluster of this machine alone."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    shared = TrainingSettings(engine="ray", storage="/studio")
    cluster_of(1)
    check_reach(shared)
    cluster_of(3)

    with pytest.raises(MisuseError, match=r"which the other 2 nodes of the cluster cannot reach") as refused:
        check_reach(shared)
    assert "registry.url" in refused.value.remedy
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://10.0.0.5:5000")
    check_reach(shared)


def test_nodes_without_shared_storage(cluster_of, monkeypatch):
    """Several nodes need one place for checkpoints."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    alone = TrainingSettings(engine="ray")
    cluster_of(1)
    check_reach(alone)
    cluster_of(2)

    with pytest.raises(MisuseError, match=r"the cluster has 2 nodes, and training.storage is empty") as refused:
        check_reach(alone)
    check_reach(TrainingSettings(engine="ray", storage=refused.value.remedy.split()[-1]))


def test_other_packages_on_a_node():
    """The node, the package, and both versions are named."""
    with pytest.raises(MisuseError, match=r"node 10.0.0.7 has numpy \d.*, and this checkout requires 0.1"):
        check_packages({"numpy": "0.1"}, "10.0.0.7")
    with pytest.raises(MisuseError, match=r"has nosuch missing"):
        check_packages({"nosuch": "1"}, "10.0.0.7")


def test_the_spin_of_a_process_is_throttled(tmp_path):
    """As that of a stage; here Ray's context is pretended."""
    code = """
        import sys, threading, types, ray.train
        from training.engines.ray import worker
        from common.settings import GpuSettings

        rank = types.SimpleNamespace(get_world_rank=lambda: 0, get_world_size=lambda: 1)
        ray.train.get_context, ray.util.get_node_ip_address = lambda: rank, lambda: "10.0.0.7"
        names = lambda _devices: print(*[thread.name.replace(" ", "-") for thread in threading.enumerate()])
        more = {"accelerator": "cpu", "threads": 1, "gpu": GpuSettings(), "wanted": 1}
        worker.train({"work": names, "environment": {}, "packages": {}, **more})
    """
    assert "spin-throttle" in run(code, tmp_path)


def test_the_archive_is_the_checkout(tmp_path):
    """Files that git knows or would add, as they are; the same files make the same archive."""
    root = tmp_path / "root"
    root.mkdir()
    git(root, "init", "--quiet")
    for name, text in {"a.py": "1", ".gitignore": "settings.toml\n", "settings.toml": "secret", "new.py": "2"}.items():
        (root / name).write_text(text)
    git(root, "add", "a.py", ".gitignore")
    git(root, "commit", "--quiet", "--message", "first")
    (root / "a.py").write_text("changed")
    first, again = (pack(root, tmp_path / name) for name in ("first.zip", "again.zip"))

    with zipfile.ZipFile(first) as archive:
        assert {name: archive.read(name).decode() for name in archive.namelist()} == {
            ".gitignore": "settings.toml\n",
            "a.py": "changed",
            "new.py": "2",
        }
    assert first.read_bytes() == again.read_bytes()


def test_a_head_that_goes_ends_the_wait():
    """The function is still at work in its thread."""
    with subprocess.Popen(["sleep", "30"], stdin=subprocess.DEVNULL) as other:
        with pytest.raises(TransientError, match=r"the head of the Ray cluster at 127.0.0.1:1 has gone"):
            cluster.watched(other.wait, "127.0.0.1:1", timeout_s=1.0)
        other.kill()


def test_an_error_of_ours_is_found_and_travels():
    """Under Ray's own, and through pickle, whatever its arguments were."""
    error = DivergedError("train/loss", 3, "expression.train.learning_rate", 1e-3, "32-true")
    outer = RuntimeError("a process failed")
    outer.__cause__ = error
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - its own

    assert own_error({1: RuntimeError("connection reset"), 0: outer}) is error
    assert own_error({0: RuntimeError("connection reset")}) is None
    assert (str(again), again.remedy, again.kind) == (str(error), error.remedy, error.kind)


@pytest.mark.parametrize(
    ("nodes", "workers", "needs", "most", "remedy"),
    [
        ([{"CPU": 4.0}, {"CPU": 3.0}], 2, {"CPU": 2.0}, 1, "leave out --parallel, or lower training.workers"),
        ([{"CPU": 4.0}, {"CPU": 4.0}], 1, {"CPU": 1.0}, 8, "--parallel 8, or lower training.workers"),
        ([{"CPU": 4.0}, {"CPU": 4.0, "GPU": 1.0}], 1, {"CPU": 1.0, "GPU": 1.0}, 1, "leave out --parallel"),
        ([{"CPU": 1.0}], 2, {"CPU": 1.0}, 0, "lower training.workers"),
    ],
)
def test_room_for_several_trainings(monkeypatch, nodes, workers, needs, most, remedy):
    """A process has to fit into one node, and all resources count; the number that the message gives is accepted."""
    monkeypatch.setattr(cluster, "connected", lambda _training, _runtime: nullcontext("10.0.0.5:6379"))
    left = {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}}
    monkeypatch.setattr(ray, "nodes", lambda: [*({"Alive": True, "Resources": one} for one in nodes), left])
    wanted = TrainingSettings(engine="ray", workers=workers, resources_per_worker=needs)
    with pytest.raises(MisuseError, match=f"has room for {most} of {most + 2} trainings") as caught:
        cluster.check_room(wanted, most + 2)

    assert remedy in caught.value.remedy
    cluster.check_room(wanted, most)


@pytest.mark.parametrize(
    ("accelerator", "needs", "found"),
    [
        ("auto", {"CPU": 2}, "cpu"),
        ("auto", {"CPU": 2, "GPU": 1}, "gpu"),
        ("cpu", {}, "cpu"),
        ("gpu", {"GPU": 0.5}, "gpu"),
    ],
)
def test_processes_use_what_they_reserve(accelerator, needs, found):
    """Ray hides from a process every GPU that it has not reserved."""
    assert accelerator_of(TrainingSettings(engine="ray", accelerator=accelerator, resources_per_worker=needs)) == found


@pytest.mark.parametrize(("accelerator", "needs"), [("gpu", {"CPU": 2}), ("cpu", {"CPU": 1, "GPU": 1})])
def test_a_gpu_that_is_not_reserved(accelerator, needs):
    """A training is not moved to the other device without a word; the remedy, pasted, is accepted."""
    with pytest.raises(
        MisuseError, match=f'accelerator is "{accelerator}", and each process reserves CPU = '
    ) as refused:
        accelerator_of(TrainingSettings(engine="ray", accelerator=accelerator, resources_per_worker=needs))
    table = tomllib.loads(re.search(r"(resources_per_worker = .*}) in", refused.value.remedy)[1])
    accelerator_of(TrainingSettings(engine="ray", accelerator=accelerator, **table))
