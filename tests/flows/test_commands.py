import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows import __main__ as cli
from flows import commands, environment, servers
from flows.lock import run_lock
from flows.servers import ServerError
from registry.settings import Settings

COMMANDS = ("nightly", "ingest", "rollback", "release", "up", "down", "status", "serve")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_examples(name):
    """Each command shows how it is typed."""
    told = CliRunner().invoke(cli.app, [name, "--help"])

    assert told.exit_code == 0
    assert f"python -m flows {name}" in told.output


def test_help_is_light():
    """Asking what there is does not wait for PyTorch, Prefect or MLflow."""
    code = (
        "import sys, flows.__main__\n"
        "heavy = {'torch', 'prefect', 'mlflow', 'pandas', 'pytorch_lightning'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A checkout of its own, with the params of ours."""
    shutil.copy(Path(__file__).parents[2] / "params.yaml", tmp_path)
    monkeypatch.setattr(environment, "checkout", lambda: tmp_path)
    monkeypatch.setattr(cli, "_settings", lambda: Settings(state=tmp_path / ".state"))
    monkeypatch.chdir(tmp_path)
    for name in ("PATH", "PREFECT_HOME", "RUSHES_STATE", "MPLCONFIGDIR", "MLFLOW_TRACKING_URI", "PREFECT_API_URL"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    return tmp_path


def run(monkeypatch, *words):
    """The exit status of a command."""
    monkeypatch.setattr(sys, "argv", ["flows", *words])
    try:
        return cli.main()
    except SystemExit as done:
        return done.code


@pytest.mark.parametrize(
    "words",
    [
        ("nightly", "--set", "expression.train.epocs=3"),
        ("nightly", "--set", "expression.train.epochs=three"),
        ("nightly", "--families", "expresion"),
        ("ingest", "facs", "."),
        ("nightly", "--no-such-option"),
    ],
)
def test_misuse_is_refused_before_anything_starts(here, monkeypatch, capsys, words):
    """Exit status 2, what exists is told, and neither lock nor server was touched."""
    status = run(monkeypatch, *words)

    assert status == 2
    assert capsys.readouterr().err
    assert not (here / ".state" / "run.lock").exists()
    assert not (here / ".state" / "servers").exists()


def test_second_run_is_told_who_holds_the_lock(here, monkeypatch, capsys):
    """Exit status 4."""
    with run_lock(here / ".state", "nightly"):
        status = run(monkeypatch, "nightly")

    assert status == 4
    assert f"process {os.getpid()}" in capsys.readouterr().err


def test_team_server_that_is_down_fails_the_night_and_pages(here, monkeypatch, capsys):
    """A night that could not begin is a night that failed: written down, told, with the setting to change."""

    def fail(*_, **__):
        message = "the team's Prefect server does not answer at http://x"
        raise ServerError(message, "change prefect.url in settings.toml")

    monkeypatch.setattr(servers, "open_servers", fail)
    status = run(monkeypatch, "nightly")

    told = capsys.readouterr().err
    assert status == 1
    assert "NIGHTLY FAILED" in told
    assert "prefect.url" in told
    assert "does not answer" in (here / ".state" / "last.json").read_text()


def test_broken_settings_are_told(monkeypatch, tmp_path, capsys):
    """A key that no setting has is named, and the file that has them all."""
    (tmp_path / "settings.toml").write_text("[registry]\nprot = 5001\n")
    monkeypatch.setattr(environment, "checkout", lambda: tmp_path)
    monkeypatch.chdir(tmp_path)  # the command goes there itself; this brings us back
    status = run(monkeypatch, "status")

    told = capsys.readouterr().err
    assert status == 2
    assert "registry.prot" in told
    assert "settings.example.toml" in told


def test_data_of_before_are_fetched_before_new_ones_come(here, monkeypatch):
    """A version made without them would drop them."""
    asked = []
    state = commands.versions.DataState(present=False, starter=False, md5="abc", remote="s3://team")
    monkeypatch.setattr(commands.versions, "state", lambda *_: state)
    monkeypatch.setattr(commands.versions, "pull", lambda *_: asked.append("pull"))
    commands._bring_present(here, Settings())

    assert asked == ["pull"]
