"""Settings of every test: no telemetry, no screen, and in CI no test that quietly does not run."""

import atexit
import os
import shutil
import signal
import tempfile
from uuid import uuid4

import hypothesis
import pytest

from common.threads import bound_spin

os.environ.update(
    DO_NOT_TRACK="1",
    DVC_NO_ANALYTICS="1",
    MLFLOW_DISABLE_TELEMETRY="true",
    MPLBACKEND="Agg",
    ORT_DISABLE_TELEMETRY="1",
    PREFECT_SERVER_ANALYTICS_ENABLED="false",
    RAY_USAGE_STATS_ENABLED="0",
    RUSHES_MACHINE_STATE=tempfile.mkdtemp(prefix="rushes-state-"),  # what a machine has proved and seen
)
bound_spin(os.environ)  # tests run beside each other
# nohup ignores SIGHUP, the background of a script (&) SIGINT and SIGQUIT, some supervisors block or ignore others, and
# every child inherits that: what a test sends would not arrive. Here each means what it means at a terminal.
PYTHONS_OWN = {signal.SIGPIPE, signal.SIGXFSZ}  # Python itself ignores these
for _number in signal.valid_signals() - PYTHONS_OWN:
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_SETMASK, ())
atexit.register(shutil.rmtree, os.environ["RUSHES_MACHINE_STATE"], ignore_errors=True)
# A busy machine takes longer than a second for an example of milliseconds.
hypothesis.settings.register_profile("any machine", hypothesis.settings.get_profile("default"), deadline=None)
IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}
if not IN_CI:  # there Hypothesis' own profile has no deadline, and the same examples each time
    hypothesis.settings.load_profile("any machine")


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """A file that skips itself fails in CI."""
    return _no_skip((yield), collector.nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """A test that skips itself fails in CI."""
    return _no_skip((yield), item.nodeid)


def _no_skip(report, name):
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{name} was skipped, and in CI every test runs: {reason}"
    return report


@pytest.fixture(scope="module", params=["folder", "s3"])
def storage_base(request, tmp_path_factory):
    """Storage of checkpoints: a folder, or a bucket of an S3 server."""
    from tests.support.s3 import ROOT, s3_server  # noqa: PLC0415  # moto takes a second
    from training.storage import place_of  # noqa: PLC0415  # as above

    if request.param == "folder":
        yield tmp_path_factory.mktemp("storage")
    else:
        with s3_server():
            yield place_of(ROOT)


@pytest.fixture
def place(storage_base):
    """Unused folder in the storage."""
    return storage_base / uuid4().hex
