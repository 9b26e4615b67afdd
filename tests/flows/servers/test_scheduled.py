"""Scheduled runs: a cron line that fires, the pager, a skipped run, and a killed one.

One `up` on a tiny copy of the project, whose params name missing data, so that every run ends at once. The tests
depend on each other.
"""

import os
import time
from datetime import timedelta

import psutil
import pytest
from prefect.client.orchestration import SyncPrefectClient

from flows.servers.lock import holder, run_lock
from flows.servers.prefect_client import DEPLOYMENT
from tests.support.processes import kill_tree
from tests.support.project import make_project
from tests.support.serving import end, server_record

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
DEADLINE_S = 120
SETTINGS = """\
[schedule]
cron = "* * * * *"
heartbeat_timeout_s = 60
[notify]
command = "sh {pager}"
"""
# Accepts the message; then, if requested, the run does not end.
PAGER = "cat > {out}.part && mv {out}.part {out}\nwhile [ -e {hold} ]; do sleep 0.1; done\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The copy, with its servers and its scheduler."""
    folder = tmp_path_factory.mktemp("scheduled")
    project = make_project(folder)
    with (project.root / "params.yaml").open("a") as params:
        params.write("expresion: {}\n")
    (folder / "pager").write_text(PAGER.format(out=folder / "paged", hold=folder / "hold"))
    with (project.root / "settings.toml").open("a") as settings:
        settings.write(SETTINGS.format(pager=folder / "pager"))
    up = project.flows("up")
    assert up.returncode == 0, up.stderr
    yield project
    (folder / "hold").unlink(missing_ok=True)
    end(project)


@pytest.fixture
def folder(project):
    """Folder of the notification's files."""
    return project.root.parent


@pytest.fixture
def prefect(project):
    """A client of the server of `up`."""
    login = (project.root / ".state/prefect/login").read_text().strip()
    with SyncPrefectClient(f"{server_record(project, 'prefect')['url']}/api", auth_string=login) as client:
        yield client


def wait(look, what):
    """Polls `look` until it has a result."""
    until = time.monotonic() + DEADLINE_S
    while not (seen := look()):
        assert time.monotonic() < until, f"waited for {what}"
        time.sleep(0.2)
    return seen


def state_of(prefect, run, *names):
    """Waits for a run to be in a state."""

    def look():
        state = prefect.read_flow_run(run.id).state
        return state if state.name in names else None

    return wait(look, f"{names} of {run.name}")


def click(prefect):
    """Starts a run as from the browser."""
    return prefect.create_flow_run_from_deployment(prefect.read_deployment_by_name(DEPLOYMENT).id)


def set_paused(prefect, paused):
    """Pauses the deployment, or resumes it, as from the browser."""
    deployment = prefect.read_deployment_by_name(DEPLOYMENT).id
    prefect.pause_deployment(deployment) if paused else prefect.resume_deployment(deployment)


def test_cron_line_starts_a_run_that_ends_and_pages(project, prefect, folder):
    """Within its minute; it fails, and the pager's command is really called."""

    def look():
        found = [run for run in prefect.read_flow_runs() if run.auto_scheduled and run.state.is_final()]
        return found[0] if found else None

    run = wait(look, "a run by cron")
    set_paused(prefect, paused=True)
    status = project.flows("status").stdout

    assert run.state.name == "Failed"
    assert abs(run.start_time - run.expected_start_time) < timedelta(minutes=1)
    assert "expresion" in (folder / "paged").read_text()
    assert "last run   by schedule" in status
    assert "Failed: params.yaml: expresion: there is no such param" in status
    assert "scheduler  paused" in status


def test_run_is_skipped_while_one_from_the_command_line_is_on(project, prefect, folder):
    """It ends as cancelled and names the active run, without a notification."""
    (folder / "paged").unlink()
    with run_lock(project.root / ".state", "make nightly"):
        state = state_of(prefect, click(prefect), "Cancelled", "Failed", "Crashed", "Completed")

    assert state.name == "Cancelled"
    assert f"another run holds the lock of this checkout: make nightly, process {os.getpid()}" in state.message
    assert not (folder / "paged").exists()


def test_run_that_is_killed_alone_pages(project, prefect, folder):
    """As after running out of memory, it cannot notify itself, so the scheduler does."""
    (folder / "hold").touch()
    run = click(prefect)
    wait((folder / "paged").exists, "the run")
    (folder / "paged").unlink()
    psutil.Process(holder(project.root / ".state").pid).kill()
    (folder / "hold").unlink()
    wait((folder / "paged").exists, "the page")

    assert state_of(prefect, run, "Crashed")
    assert "Process exited with status code: -9" in (folder / "paged").read_text()
    (folder / "paged").unlink()


def test_killed_run_is_marked_as_crashed(project, prefect, folder):
    """While it runs, another is cancelled; killed with the scheduler, it does not stay Running."""
    (folder / "hold").touch()
    run = click(prefect)
    wait((folder / "paged").exists, "the first run")
    assert state_of(prefect, click(prefect), "Cancelled", "Failed", "Crashed", "Completed").name == "Cancelled"
    kill_tree(server_record(project, "scheduler")["pid"])

    assert prefect.read_flow_run(run.id).state.is_running()
    assert "scheduler  stopped" in project.flows("status").stdout
    assert "no sign of life for 60 s" in state_of(prefect, run, "Crashed").message


def test_up_makes_a_deleted_deployment_again(project, prefect):
    """Status reports that it is gone, though the scheduler's process runs; `up` creates it again, and resumes it."""
    project.flows("up")
    prefect.delete_deployment(prefect.read_deployment_by_name(DEPLOYMENT).id)
    gone = project.flows("status").stdout
    up = project.flows("up")

    assert "Prefect has no deployment nightly/nightly" in gone
    assert up.returncode == 0, up.stderr
    assert "* * * * * UTC, next" in up.stdout
