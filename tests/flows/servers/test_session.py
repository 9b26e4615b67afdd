import os
import signal
from pathlib import Path

import pytest

from common.settings import RegistrySettings, RemoteSettings, Settings, TrainingSettings
from flows.servers import servers
from flows.servers.servers import ServerError
from flows.servers.session import session
from tests.support.processes import runs


@pytest.fixture(autouse=True)
def _same_environment(monkeypatch):
    """Checks that a session restores the environment, which it sets for all its processes."""
    for name in ("PATH", "MLFLOW_TRACKING_URI", "PREFECT_API_URL", "RUSHES_STATE", "PREFECT_HOME", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, os.environ.get(name, ""))


def test_server_that_died_is_started_again(tmp_path, kind):
    """A run of hours does not fail at its last task because MLflow died during the second."""
    with session(tmp_path, Settings(registry=RegistrySettings(port=servers.free_port())), "nightly") as now:
        now.open([kind])
        first = now.ready(kind)
        os.kill(first.pid, signal.SIGKILL)
        first.process.wait()
        now.revive(kind)
        second = now.server(kind)

        assert second.pid != first.pid
        assert second.url == first.url  # Prefect's client keeps its first address
        assert second.healthy()
        assert os.environ["MLFLOW_TRACKING_URI"] == second.url
        assert now.servers == [second]
    assert not runs(second.pid)


def test_first_server_is_ended_where_the_second_cannot_be_had(tmp_path, kind, monkeypatch):
    """Servers started before the failure end with the session."""
    opened, real = [], servers.open_servers

    def fail_second(*args, **how):
        if opened:
            message = "no second"
            raise ServerError(message, "")
        opened.extend(real(*args, **how))
        return opened

    monkeypatch.setattr(servers, "open_servers", fail_second)
    settings = Settings(registry=RegistrySettings(port=servers.free_port()))
    with pytest.raises(ServerError, match="no second"), session(tmp_path, settings, "nightly") as now:
        now.open([kind, servers.PREFECT])

    assert not runs(opened[0].pid)


@pytest.mark.parametrize(("url", "meant"), [("shared", "{}/shared"), ("s3://team/data", "s3://team/data"), ("", "")])
def test_folders_mean_the_same_in_the_tree_of_a_trial(tmp_path, url, meant):
    """A remote or storage in a folder beside the checkout is resolved from there, not from the worktree."""
    training = TrainingSettings(storage=url)
    settings = Settings(state=Path(".state"), remote=RemoteSettings(url=url), training=training)
    with session(tmp_path, settings, "nightly") as now:
        assert now.settings.remote.url == now.settings.training.storage == meant.format(tmp_path)
        assert now.settings.state == tmp_path / ".state"
