import errno
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import typer
from typer.testing import CliRunner

from common.settings import Settings
from flows import __main__ as cli
from flows.cli import commands
from flows.cli.app import context
from flows.servers import environment, servers
from flows.servers.lock import run_lock
from flows.servers.servers import ServerError
from flows.servers.session import session
from registry.promotion.rollback import Rollback

COMMANDS = (
    "nightly", "ingest", "candidates", "rollback", "release", "checkout", "rayjob", "up", "down", "status", "serve",
)  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_examples(name):
    """Each command shows an example."""
    output = CliRunner().invoke(cli.app, [name, "--help"])

    assert output.exit_code == 0
    assert f"python -m flows {name}" in output.output


@pytest.mark.parametrize("words", [["ladder"], ["ladder", "expression", "--set", "expression.budget.max_bytes=9"]])
def test_the_earlier_name_of_a_command_names_the_new_one(monkeypatch, capsys, words):
    """It is misuse, and the new command line is printed."""
    monkeypatch.setattr(sys, "argv", ["flows", *words])

    assert cli.main() == 2
    error = capsys.readouterr().err
    assert "`ladder` is now `candidates`" in error
    assert " ".join(["python -m flows candidates", *words[1:]]) in error


@pytest.mark.parametrize("name", typer.main.get_command(cli.app).commands)
def test_every_example_has_a_line_of_its_own(name):
    """It can be pasted as it is, on a wide terminal; exit statuses follow."""
    words = ["keys", "new"] if name == "keys" else [name]
    lines = CliRunner().invoke(cli.app, [*words, "--help"], env={"COLUMNS": "200"}).output.splitlines()
    examples = [line.strip() for line in lines if "python -m flows" in line and "Usage" not in line]

    assert examples
    assert all(line.count("python -m flows") == 1 for line in examples)
    assert any("Exit status: 0 done" in line for line in lines)


def test_help_is_light():
    """Help does not import PyTorch, Prefect or MLflow."""
    code = (
        "import sys, flows.__main__\n"
        "heavy = {'torch', 'prefect', 'mlflow', 'pandas', 'pytorch_lightning'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A separate checkout, with this one's params."""
    shutil.copy(Path(__file__).parents[3] / "params.yaml", tmp_path)
    monkeypatch.setattr(environment, "checkout_root", lambda: tmp_path)
    monkeypatch.setattr(context, "read_settings", lambda: Settings(state=tmp_path / ".state"))
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
        ("checkout", "expression"),
        ("rollback", "expression", "--reason", " "),
    ],
)
def test_misuse_is_refused_before_anything_starts(here, monkeypatch, capsys, words):
    """Exit status 2, the existing names are printed, and neither lock nor server was used."""
    status = run(monkeypatch, *words)

    assert status == 2
    assert capsys.readouterr().err
    assert not (here / ".state" / "run.lock").exists()
    assert not (here / ".state" / "servers").exists()


def test_second_run_names_the_holder_of_the_lock(here, monkeypatch, capsys):
    """Exit status 4."""
    with run_lock(here / ".state", "nightly"):
        status = run(monkeypatch, "nightly")

    assert status == 4
    assert f"process {os.getpid()}" in capsys.readouterr().err


def test_team_server_that_is_down_fails_the_run_and_pages(here, monkeypatch, capsys):
    """A run that cannot start is a failed run: recorded, reported, with the setting to change."""

    def fail(*_, **__):
        message = "the team's Prefect server does not answer at http://x"
        raise ServerError(message, "change prefect.url in settings.toml")

    monkeypatch.setattr(servers, "open_servers", fail)
    status = run(monkeypatch, "nightly")

    output = capsys.readouterr().err
    assert status == 1
    assert "NIGHTLY FAILED" in output
    assert "prefect.url" in output
    assert "does not answer" in (here / ".state" / "last.json").read_text()


@pytest.mark.parametrize(
    ("ended", "status", "word"),
    [(None, 1, "NIGHTLY FAILED"), (True, 0, "do not show how this run ended"), (False, 1, "do not show")],
)
def test_prefect_that_dies_amid_a_run(here, monkeypatch, capsys, ended, status, word):
    """An existing result is kept; without one the run has failed, with a message and a notification."""

    def broken_off(*_, **__):
        now.ended = ended
        message = "Failed to reach API"
        raise RuntimeError(message)

    planted = SimpleNamespace(nightly=broken_off, flush=lambda: None)
    monkeypatch.setitem(sys.modules, "flows.nightly.prefect_flow", planted)
    monkeypatch.setattr(commands.params, "read_params", lambda _root: {})
    (here / "prefect.log").write_text("killed")
    dead = servers.Server(servers.PREFECT, "http://127.0.0.1:9", "a run", log=here / "prefect.log")
    with session(here, Settings(state=here / ".state"), "nightly") as now:
        monkeypatch.setattr(now, "open", lambda _kinds: now.servers.append(dead))
        monkeypatch.setattr(now, "ready", lambda _kind: dead)
        monkeypatch.setattr(commands.prefect_client, "check_access", lambda _server: None)
        found = run(monkeypatch, "nightly")
        now.servers.clear()

    output = capsys.readouterr().err
    assert found == status
    assert word in output
    if ended is None:
        assert Path(re.search(r"see (\S+), then run again", output)[1]).read_text() == "killed"


def test_broken_settings_are_reported(monkeypatch, tmp_path, capsys):
    """An unknown key is named, with the file that lists all keys."""
    (tmp_path / "settings.toml").write_text("[registry]\nprot = 5001\n")
    monkeypatch.setattr(environment, "checkout_root", lambda: tmp_path)
    monkeypatch.chdir(tmp_path)  # the command changes the folder; this restores it
    status = run(monkeypatch, "status")

    output = capsys.readouterr().err
    assert status == 2
    assert "registry.prot" in output
    assert "settings.example.toml" in output


def test_variable_that_is_not_a_setting_is_reported(monkeypatch, tmp_path, capsys):
    """A table of settings cannot be a string."""
    monkeypatch.setattr(environment, "checkout_root", lambda: tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUSHES_REMOTE", "s3://bucket")

    assert run(monkeypatch, "status") == 2
    assert "remote" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), ConnectionError("MLflow does not answer")]
)
def test_faults_of_the_environment_have_no_traceback(here, monkeypatch, capsys, error):
    """A full disk, an unreachable server: one line, exit status 1."""

    def fail(*_):
        raise error

    monkeypatch.setattr(commands, "run_release", fail)

    assert here
    assert run(monkeypatch, "release", "expression") == 1
    assert str(error) in capsys.readouterr().err


def test_ingest_leaves_the_home_alone(here, monkeypatch):
    """matplotlib, which the families import, gets its folder before it is imported."""
    seen = []
    monkeypatch.setattr(
        commands.data_tasks, "load_collection", lambda *_: seen.append(os.environ["MPLCONFIGDIR"]) or 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        commands.run_ingest(here, Settings(state=here / ".state"), here, "faces")

    assert seen == [str(here / ".state" / "matplotlib")]


def test_schedule_is_not_hung_on_the_server_of_a_run(here, monkeypatch, capsys):
    """A run's server ends with the run; the scheduler needs a permanent one."""
    state = here / ".state"
    (state / "servers").mkdir(parents=True)
    monkeypatch.setenv("PREFECT_API_URL", "")
    servers.remember(state, servers.Server(servers.PREFECT, "http://x", "a run", os.getpid(), _began()))

    assert run(monkeypatch, "serve") == 1
    assert "make up" in capsys.readouterr().err


def _began():
    return psutil.Process().create_time()


def test_data_of_before_are_fetched_before_new_ones_come(here, monkeypatch):
    """A version made without them would drop them."""
    asked = []
    state = commands.versions.DataState(present=False, starter=False, md5="abc", remote="s3://team")
    monkeypatch.setattr(commands.versions, "state", lambda *_: state)
    monkeypatch.setattr(commands.versions, "pull", lambda *_: asked.append("pull"))
    (here / "datasets.dvc").touch()
    commands._bring_present(here, Settings())

    assert asked == ["pull"]


@pytest.mark.parametrize("versioned", [False, True])
def test_first_data_of_a_team_need_nothing_from_before(here, monkeypatch, versioned):
    """With an empty remote neither a missing version nor the shipped starter's prevents an ingest."""
    nothing = commands.versions.DataState(present=False, starter=versioned, md5="", remote="s3://team", problem="none")
    starter = commands.versions.DataState(present=False, starter=True, md5="abc", remote="s3://team")
    monkeypatch.setattr(commands.versions, "state", lambda *_: starter if versioned else nothing)
    monkeypatch.setattr(commands.versions, "pull", lambda *_: pytest.fail("nothing is there to be pulled"))
    if versioned:
        (here / "datasets.dvc").touch()

    assert commands._bring_present(here, Settings()) is None


@pytest.mark.parametrize(("signs", "is_signed"), [(False, False), (True, True), (True, False)])
def test_a_rollback_to_an_unsigned_version_has_a_warning(signs, is_signed):
    """Without a configured key, signatures are not required."""
    output = commands.rolled_back(Rollback("expression", 4, 2, ["expression v3: gone"], is_signed), signs=signs)

    assert output[0] == "expression v2 is in use again; v4 is rejected and never promoted again"
    assert "  skipped: expression v3: gone" in output
    assert any("v2 has no signature" in line for line in output) == (signs and not is_signed)
    assert output[-1].endswith("release expression")
