"""The environment is set up before libraries are imported, some of which read files in the checkout."""

import os
import subprocess

import pytest

from common.settings import Settings
from flows.servers.environment import set_up
from rushes.errors import MisuseError


@pytest.mark.parametrize("name", [".env", "prefect.toml", "matplotlibrc", ".numba_config.yaml"])
@pytest.mark.parametrize(
    ("make", "why"),
    [
        (os.mkfifo, "it is a pipe or a device, not a file"),
        (os.mkdir, "it is a folder, not a file"),
        (lambda path: path.write_bytes(b"A=\xff\n"), "it is not UTF-8: line 1"),
    ],
)
def test_a_file_at_which_an_import_would_fail_is_set_aside(monkeypatch, tmp_path, name, make, why):
    """A pipe would block every command for ever."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    make(tmp_path / name)
    with pytest.raises(MisuseError, match=f"^{name}, which [A-Z][a-z]+ reads, cannot be read: {why}$") as refused:
        set_up(tmp_path, Settings())
    subprocess.run(["/bin/sh", "-c", refused.value.remedy], cwd=tmp_path, check=True)

    assert set_up(tmp_path, Settings()) == tmp_path / ".state"
    assert os.path.lexists(tmp_path / ".state/damaged" / name)


def test_files_that_prefect_can_read_stay(monkeypatch, tmp_path):
    """A developer's own settings of Prefect; of prefect.toml, the syntax is checked too."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    (tmp_path / ".env").write_text("PREFECT_API_ENABLE_HTTP2=false\n")
    (tmp_path / "prefect.toml").write_text("logging.level = 'INFO'\n")

    assert set_up(tmp_path, Settings()) == tmp_path / ".state"
    (tmp_path / "prefect.toml").write_text("= [1\n")
    with pytest.raises(MisuseError, match=r"^prefect\.toml, which Prefect reads, cannot be read: Invalid statement"):
        set_up(tmp_path, Settings())
