"""A bug in any command is reported as a bug, and a fault that the user can fix as such."""

import shutil
import sys
from pathlib import Path

import pytest
import typer

from flows import __main__ as cli
from flows.servers import environment
from rushes import __version__
from rushes.errors import TransientError, UserError

# A command line for each command, and functions that it calls, also within its `try` blocks.
COMMANDS = {
    "nightly": (
        "nightly --set expression.train.epochs=3",
        ["flows.nightly.params.lay", "flows.nightly.params.read_yaml", "flows.servers.environment.set_up"],
    ),
    "ingest": ("ingest faces {here}/takes", ["flows.nightly.data_tasks.load_collection", "flows.cli.commands.session"]),
    "candidates": ("candidates expression", ["flows.nightly.params.choose", "flows.cli.candidates.read_result"]),
    "rollback": ("rollback expression --reason worse", ["flows.servers.servers.found", "flows.cli.commands.session"]),
    "release": ("release expression", ["flows.servers.servers.team_server", "flows.servers.servers.found"]),
    "checkout": ("checkout expression@3", ["registry.git.snapshot.tagged"]),
    "search": (
        "search expression --range train.dropout=0..0.3",
        ["flows.search.run.make_plan", "flows.search.space.read_yaml", "flows.search.run.session"],
    ),
    "push": ("push", ["flows.cli.commands.push_version"]),
    "runs": ("runs", ["flows.cli.run_tables.past_runs"]),
    "compare": ("compare last 20260101", ["flows.cli.run_tables.find_run"]),
    "logs": ("logs train", ["flows.cli.stage_logs.known_logs"]),
    "rayjob": ("rayjob --out {here}/job.yaml", ["flows.cli.rayjob.build_manifest", "flows.cli.rayjob.find_faults"]),
    "up": ("up", ["flows.servers.local.up"]),
    "down": ("down", ["flows.servers.local.down"]),
    "status": ("status", ["flows.servers.local.look"]),
    "serve": ("serve", ["flows.servers.servers.team_server"]),
    "keys": ("keys new {here}/studio.pem", ["registry.signing.new_pair"]),
}
PLACES = [(name, place) for name, (_, places) in COMMANDS.items() for place in places]
EVERYWHERE = "flows.cli.app.context.load_settings"  # within the `try` that reads settings.toml


@pytest.fixture
def flows(tmp_path, monkeypatch, capfd):
    """Runs a command in a checkout of its own with an error planted; returns status and standard error."""
    shutil.copy(Path(__file__).parents[3] / "params.yaml", tmp_path)
    (tmp_path / "takes").mkdir()
    monkeypatch.setattr(environment, "checkout_root", lambda: tmp_path)
    monkeypatch.setattr(environment, "set_up", lambda root, settings: root / settings.state)

    def run(command, place, error):
        def fail(*_args, **_named):
            raise error

        monkeypatch.setattr(place, fail)
        line = COMMANDS[command][0].format(here=tmp_path)
        monkeypatch.setattr(sys, "argv", ["flows", *line.split()])
        return cli.main(), capfd.readouterr().err

    return run


def test_every_command_is_planted():
    """A new command needs a line above."""
    assert set(typer.main.get_command(cli.app).commands) == set(COMMANDS)


@pytest.mark.parametrize(("command", "place"), [*PLACES, *((name, EVERYWHERE) for name in COMMANDS if name != "keys")])
def test_a_planted_value_error_is_reported_as_a_bug(flows, command, place):
    """With traceback, version and place; not as a mistake of the user."""
    status, err = flows(command, place, ValueError("operands could not be broadcast together"))

    assert status == 1
    assert f"this is a bug in rushes {__version__}, please report it: ValueError: operands" in err
    assert "Traceback" in err
    assert "test_bugs.py:" in err.splitlines()[-1]


@pytest.mark.parametrize(("command", "place"), PLACES)
def test_a_planted_user_error_is_shown_with_its_remedy(flows, command, place):
    """Message, remedy and exit status; no traceback."""
    status, err = flows(command, place, UserError("the disk is full", "make room", exit_status=3))

    assert (status, "bug" in err, "Traceback" in err) == (3, False, False)
    assert err.rstrip().endswith("the disk is full\n  make room")


def test_a_transient_error_is_shown_without_a_traceback(flows):
    """An unreachable server is not a bug."""
    status, err = flows("status", "flows.servers.local.look", TransientError("MLflow does not answer"))

    assert (status, "Traceback" in err) == (1, False)
    assert "see whether the servers answer: make status" in err
