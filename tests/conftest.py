"""What holds for every test: no telemetry, no screen, and in CI no test that quietly does not run."""

import os
import shutil
import signal

import pytest

os.environ.update(
    DO_NOT_TRACK="1",
    DVC_NO_ANALYTICS="1",
    MLFLOW_DISABLE_TELEMETRY="true",
    MPLBACKEND="Agg",
    ORT_DISABLE_TELEMETRY="1",
    PREFECT_SERVER_ANALYTICS_ENABLED="false",
    RAY_USAGE_STATS_ENABLED="0",
)
# In the background of a script (nohup, &) SIGINT is ignored, by every child as well: what tests interrupt would go on.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def pytest_collection_modifyitems(config, items):
    """Without a CUDA device the tests that need one are left out, openly: they are deselected, not skipped."""
    if shutil.which("nvidia-smi"):
        return
    needy = [item for item in items if item.get_closest_marker("gpu")]
    if needy:
        config.hook.pytest_deselected(items=needy)
        items[:] = [item for item in items if item not in needy]


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
