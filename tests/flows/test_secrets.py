"""Passwords in settings.toml give access, and appear nowhere else."""

import sys

import pytest

from flows.servers.servers import free_port
from tests.support.locked import asking
from tests.support.mlflow_server import serve
from tests.support.project import make_project, write_faces

pytestmark = pytest.mark.slow
PASSWORDS = {"registry": "m1flow%Granite", "prefect": "pr3fect%Basalt", "remote": "r3mote%Marble"}
SECRETS = [*PASSWORDS.values(), *(word.replace("%", "%25") for word in PASSWORDS.values()), "n0tify-Slate"]
SETTINGS = """\
[registry]
url = "http://ada:m1flow%25Granite@127.0.0.1:{registry}"
[prefect]
url = "http://ada:pr3fect%25Basalt@127.0.0.1:{prefect}/api"
[remote]
url = "http://ada:r3mote%25Marble@127.0.0.1:{remote}/data"
[notify]
command = "{python} -c 'raise SystemExit(3)' https://hooks.example/?token=n0tify-Slate"
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A project whose MLflow and DVC remote require passwords, and whose Prefect is down; and all its output."""
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "mlflow").mkdir()
    with (
        serve(folder / "mlflow") as mlflow,
        asking("ada", PASSWORDS["registry"], behind=mlflow) as registry,
        asking("ada", PASSWORDS["remote"]) as remote,
    ):
        project = make_project(folder)
        text = SETTINGS.format(registry=registry.port, prefect=free_port(), remote=remote.port, python=sys.executable)
        (project.root / "settings.toml").write_text(text)
        (project.root / "datasets.dvc").unlink()  # the team's first data: the remote has no version yet
        write_faces(folder / "takes", iter(["angry", "happy", "sad"]), first=1, each=4)
        words = [["ingest", "faces", str(folder / "takes")], ["status"], ["release", "expression"], ["nightly"], ["up"]]
        output = {line[0]: project.flows(*line) for line in words}
        yield project, output, remote


def test_logins_open_what_they_are_for(place):
    """The data were pushed to a remote, and MLflow was used, though both require a password."""
    _, output, remote = place

    assert output["ingest"].returncode == 0, output["ingest"].stderr
    assert any(path.endswith(".dir") for path in remote.stored), sorted(remote.stored)  # the list of the version
    assert "the registry has no family expression" in output["release"].stderr or output["release"].returncode == 3
    assert "nothing yet" in output["status"].stdout


def test_passwords_appear_nowhere(place):
    """Neither on a terminal nor in a file except the settings and DVC's own configuration, which is private."""
    project, output, _ = place
    printed = "".join(done.stdout + done.stderr for done in output.values())

    assert output["nightly"].returncode == 1
    assert "127.0.0.1" in printed
    assert [secret for secret in SECRETS if secret in printed] == []
    assert _holders(project.root) == {"settings.toml", ".dvc/config.local"}
    assert (project.root / ".dvc/config.local").stat().st_mode & 0o077 == 0


def _holders(root):
    """The files with a secret, except this test, which is in the checkout too."""
    files = [path for path in root.rglob("*") if path.is_file() and "tests" not in path.relative_to(root).parts]
    return {str(p.relative_to(root)) for p in files if any(secret.encode() in p.read_bytes() for secret in SECRETS)}
