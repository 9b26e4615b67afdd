"""Checks that the local MLflow database has the schema of the installed MLflow.

After an upgrade of MLflow, its server refuses an older database and ends, with the reason only in its log. The same
happens after a kill during the creation of the database: its migrations are not transactions, and half a migration
cannot be repeated.
"""

from __future__ import annotations

import re
import shlex
import sqlite3
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

from common.commands import python, unused

HOLDING = ("experiments", "runs", "registered_models")  # tables with data worth keeping
_LINK = re.compile(r"""^(revision|down_revision)\s*=\s*["'](\w+)["']""", re.MULTILINE)


def path_of(state: Path) -> Path:
    """The database of the local server."""
    return state / "mlflow" / "mlflow.db"


def outdated(state: Path) -> tuple[str, str] | None:
    """The problem of the local database, and the command that fixes it; None if there is none.

    A database whose creation was interrupted is empty and is removed; the server creates it again.
    """
    path = path_of(state)
    if not path.is_file():
        return None
    found, (wanted, known) = revision(path), _revisions()
    if found == wanted:
        return None
    if found in {"", *known} and _is_unfinished(path):
        for name in ("", "-journal", "-wal", "-shm"):
            path.with_name(path.name + name).unlink(missing_ok=True)
        return None
    if found not in known:
        message = f"MLflow's database {path} was written by a newer MLflow: it has schema {found}"
        return message, "make install   # with the requirements.lock that it was written with"
    message = f"MLflow's database {path} is of an older MLflow: it has schema {found}, this one needs {wanted}"
    copy = shlex.join(["cp", str(path), unused(f"{path}.before", path.parent)])
    return message, f"{copy} && {python()} -m mlflow db upgrade {shlex.quote(f'sqlite:///{path}')}"


def _is_unfinished(path: Path) -> bool:
    """True if its creation was interrupted: that ends with the default experiment, which every database has."""
    with closing(_connect(path)) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        counts = [database.execute(f"SELECT count(*) FROM {name}").fetchone() for name in HOLDING if name in tables]  # noqa: S608 - ours
    return not tables or ("experiments" in tables and all(count == (0,) for count in counts))


def _connect(path: Path) -> sqlite3.Connection:
    """Opens the database writable: it rolls back the interrupted write of a killed server, which a reader cannot."""
    return sqlite3.connect(f"file:{path}?mode=rw", uri=True)


def revision(path: Path) -> str:
    """Schema version of a database; empty if there is none yet, or it is empty."""
    if not path.is_file():
        return ""
    with closing(_connect(path)) as database:
        try:
            rows = database.execute("SELECT version_num FROM alembic_version").fetchall()
        except sqlite3.OperationalError:  # no such table
            return ""
    return str(rows[0][0]) if rows else ""


def _revisions() -> tuple[str, set[str]]:
    """The newest schema of the installed MLflow, and all of them.

    Read from the source of its migrations: importing them takes four seconds in every run.
    """
    spec = find_spec("mlflow")
    assert spec is not None  # noqa: S101 - it is in requirements.lock
    assert spec.origin is not None  # noqa: S101 - a package with a file
    folder = Path(spec.origin).parent / "store" / "db_migrations" / "versions"
    links = [dict(_LINK.findall(path.read_text(encoding="utf-8"))) for path in sorted(folder.glob("*.py"))]
    known = {link["revision"] for link in links if "revision" in link}
    (newest,) = known - {link.get("down_revision", "") for link in links}
    return newest, known
