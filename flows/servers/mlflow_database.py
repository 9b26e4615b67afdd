"""Check that the local MLflow database has the schema of this version of MLflow.

After an upgrade of MLflow its server refuses an older database and ends, and the reason stands in its log alone. So it
does with one whose making was broken off by a kill: its steps are not transactions, and half a step can't be repeated.
"""

from __future__ import annotations

import re
import sqlite3
import sys
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

HOLDING = ("experiments", "runs", "registered_models")  # tables that hold what somebody would miss
_LINK = re.compile(r"""^(revision|down_revision)\s*=\s*["'](\w+)["']""", re.MULTILINE)


def path_of(state: Path) -> Path:
    """The database of the local server."""
    return state / "mlflow" / "mlflow.db"


def outdated(state: Path) -> tuple[str, str] | None:
    """The problem of the local database, and the command that fixes it; None where there is none.

    One that was never finished holds nothing and is removed; the server makes it anew.
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
    message = f"MLflow's database {path} is of an older MLflow: it has schema {found}, this one wants {wanted}"
    return message, f"cp {path} {path}.before && {sys.executable} -m mlflow db upgrade sqlite:///{path}"


def _is_unfinished(path: Path) -> bool:
    """True if its making was broken off: the last act of that is the experiment that every database begins with."""
    with closing(_connect(path)) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        counts = [database.execute(f"SELECT count(*) FROM {name}").fetchone() for name in HOLDING if name in tables]  # noqa: S608 - ours
    return not tables or ("experiments" in tables and all(count == (0,) for count in counts))


def _connect(path: Path) -> sqlite3.Connection:
    """Not read-only: what a killed server was writing is rolled back first, which a reader alone may not."""
    return sqlite3.connect(f"file:{path}?mode=rw", uri=True)


def revision(path: Path) -> str:
    """The schema of a database; empty where there is no database yet, or nothing in it."""
    if not path.is_file():
        return ""
    with closing(_connect(path)) as database:
        try:
            rows = database.execute("SELECT version_num FROM alembic_version").fetchall()
        except sqlite3.OperationalError:  # no such table
            return ""
    return str(rows[0][0]) if rows else ""


def _revisions() -> tuple[str, set[str]]:
    """The newest schema that the installed MLflow knows, and all of them.

    Read from the text of its migrations: to import them takes four seconds, and every run would wait for that.
    """
    spec = find_spec("mlflow")
    assert spec is not None  # noqa: S101 - it stands in the lock
    assert spec.origin is not None  # noqa: S101 - a package with a file
    folder = Path(spec.origin).parent / "store" / "db_migrations" / "versions"
    links = [dict(_LINK.findall(path.read_text(encoding="utf-8"))) for path in sorted(folder.glob("*.py"))]
    known = {link["revision"] for link in links if "revision" in link}
    (newest,) = known - {link.get("down_revision", "") for link in links}
    return newest, known
