"""A PostgreSQL cluster for a test. The package is listed in .ci/debian.txt."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from flows.servers.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

DEADLINE_S = 60
USER, PASSWORD = "rushes", "a-studio's/secret"


@contextmanager
def serve() -> Iterator[str]:
    """A server with an empty, password-protected database `mlflow`; yields HOST:PORT."""
    folder = Path(tempfile.mkdtemp(prefix="rushes-postgres-"))
    owner = _not_root(folder)
    (folder / "password").write_text(PASSWORD)
    port, data = free_port(), folder / "data"
    words = [_binary("initdb"), "-D", data, "-U", USER, "--auth=scram-sha-256", f"--pwfile={folder / 'password'}"]
    subprocess.run(words, check=True, capture_output=True, cwd=folder, **owner)
    command = [_binary("postgres"), "-D", data, "-p", str(port), "-c", f"unix_socket_directories={folder}"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([*command, "-c", "fsync=off"], stdout=log, stderr=log, cwd=folder, **owner)
    try:
        _create(port, server, folder / "log")
        yield f"127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGINT)  # fast shutdown: it ends connections and its own children
        server.wait(30)
        shutil.rmtree(folder)


def _not_root(folder: Path) -> dict[str, Any]:
    """The package's own account for root, as in CI: PostgreSQL refuses to run as root."""
    if os.getuid():
        return {}
    account = pwd.getpwnam("postgres")
    os.chown(folder, account.pw_uid, account.pw_gid)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _binary(name: str) -> str:
    """Path of a server program: Debian keeps them off PATH."""
    found = shutil.which(name) or max(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), default=None)
    assert found, f"needs PostgreSQL's {name}: apt-get install postgresql"
    return str(found)


def _create(port: int, server: subprocess.Popen, log: Path) -> None:
    until = time.monotonic() + DEADLINE_S
    while True:
        try:
            where = {"host": "127.0.0.1", "port": port, "user": USER, "password": PASSWORD, "dbname": "postgres"}
            with psycopg.connect(**where, autocommit=True) as database:
                database.execute("CREATE DATABASE mlflow")
        except psycopg.OperationalError:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)
        else:
            return
