"""What a run holds from its first to its last moment: the lock of the tree, and servers to speak to.

A session that is entered while another is open in the same process is that other one: the command line opens it before
Prefect is imported, and the flow, which a scheduler may start alone, asks for one again.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from flows import environment, servers
from flows.lock import run_lock
from flows.stopping import undisturbed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flows.lock import RunLock
    from flows.servers import Kind, Server
    from registry.settings import Settings


@dataclass
class Session:
    """The lock and the servers of a run; the servers may still be starting: `ready` waits for them."""

    root: Path
    settings: Settings
    state: Path
    lock: RunLock
    servers: list[Server] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    ended: bool | None = None  # whether the night ended well, once it has ended and was told

    def server(self, kind: Kind) -> Server | None:
        """The server of a kind, if this session has one."""
        return next((server for server in self.servers if server.kind is kind), None)

    def ready(self, kind: Kind) -> Server:
        """The server of a kind, as soon as it answers; one that has died since it was opened is started again.

        Raises:
            ServerError: It does not answer in time.
        """
        server = self.server(kind)
        if server is not None and not server.alive():
            servers.stop(self.state, server)  # what it has left of itself
            self.servers.remove(server)
            server = None
        server = server or self._open(kind)
        servers.wait_healthy([server])
        return server

    def open(self, kinds: Sequence[Kind]) -> None:
        """Begins to start the servers that are not there yet; waits for none, and names them to our children."""
        for kind in kinds:
            if self.server(kind) is None:  # one by one, so that what is started is ended, should the next one fail
                self.servers += servers.open_servers(self.settings, self.state, [kind], pass_fds=(self.lock.fd,))
        for server in self.servers:
            os.environ["MLFLOW_TRACKING_URI" if server.kind is servers.MLFLOW else "PREFECT_API_URL"] = server.api

    def urls(self) -> dict[str, str]:
        """Where the servers that outlive this run answer."""
        return {server.kind.name: server.url for server in self.servers if server.keeper != "a run"}

    def _open(self, kind: Kind) -> Server:
        self.open([kind])
        server = self.server(kind)
        assert server is not None  # noqa: S101 - opened in the line before
        return server


_open: list[Session] = []


@contextmanager
def session(root: Path, settings: Settings, command: str) -> Iterator[Session]:
    """Holds the lock of the tree, and ends the servers that were started for this run.

    Raises:
        LockHeldError: Another run holds the lock.
    """
    if _open:
        yield _open[-1]
        return
    state = environment.settle(root, settings)
    with ExitStack() as stack:
        lock = stack.enter_context(run_lock(state, command))
        now = Session(root, _anchored(settings, root, state), state, lock)
        _open.append(now)
        stack.callback(_open.remove, now)
        stack.callback(_stop_servers, now)
        yield now


def _anchored(settings: Settings, root: Path, state: Path) -> Settings:
    """The settings with folders made absolute: a trial runs in another tree, and means the same ones."""
    url = settings.remote.url
    if url and "://" not in url:
        url = os.path.normpath(root / Path(url).expanduser())
    return settings.model_copy(update={"state": state, "remote": settings.remote.model_copy(update={"url": url})})


def _stop_servers(now: Session) -> None:
    with undisturbed():
        servers.stop_own(now.state, now.servers)
