"""Resources of a run for its whole duration: the lock of the tree, and its servers.

A session that is entered while another is open in the same process is the same session: the command line opens it
before Prefect is imported, and the flow, which a scheduler may start without the command line, requests it again.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from flows.cli.console import print_line
from flows.servers import environment, servers
from flows.servers.definitions import HOST
from flows.servers.lock import run_lock
from flows.servers.stopping import undisturbed
from registry.dvc.faults import clear_stale_locks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from common.settings import Settings
    from flows.servers.definitions import Kind
    from flows.servers.lock import RunLock
    from flows.servers.servers import Server


@dataclass
class Session:
    """The lock and the servers of a run; servers may still be starting: `ready` waits for them."""

    root: Path
    settings: Settings
    state: Path
    lock: RunLock
    servers: list[Server] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    ended: bool | None = None  # True if the run succeeded, once it has ended and was reported

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
            servers.stop(self.state, server)  # its leftovers
            self.servers.remove(server)
            server = self._again(server)
        server = server or self._open(kind)
        servers.wait_healthy([server])
        return server

    def revive(self, kind: Kind) -> None:
        """Restarts a server of this machine that has died since it was opened, and waits until it answers.

        Raises:
            ServerError: It does not answer in time.
        """
        server = self.server(kind)
        if server is not None and not server.alive():
            self.ready(kind)

    def open(self, kinds: Sequence[Kind]) -> None:
        """Begins to start missing servers without waiting, and exports their addresses to child processes."""
        for kind in kinds:
            if self.server(kind) is None:  # one by one, so that they are stopped if the next one fails
                self.servers += servers.open_servers(self.settings, self.state, [kind], pass_fds=(self.lock.fd,))
        for server in self.servers:
            os.environ.update(server.variables())

    def lasting_url(self, kind: Kind) -> str:
        """Address of a server's pages after this run: the team's, or that of `make up`.

        A server that was started for this run ends with it and may have any port; its database is that of `make up`.
        """
        server = self.ready(kind)
        return f"http://{HOST}:{servers.table_of(self.settings, kind)[1]}" if server.keeper == "a run" else server.url

    def urls(self) -> dict[str, str]:
        """Addresses of the servers that outlive this run."""
        return {server.kind.name: server.url for server in self.servers if server.keeper != "a run"}

    def _again(self, dead: Server) -> Server | None:
        """Restarts a run's own server at its old address, which Prefect's client keeps; `open` handles the others."""
        if dead.keeper != "a run":
            return None
        print_line(f"{dead.kind.title} has died; it is started again")
        self.servers.append(servers.start(self.state, dead.kind, dead.port, dead.keeper, pass_fds=(self.lock.fd,)))
        return self.servers[-1]

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
    state = environment.set_up(root, settings)
    with ExitStack() as stack:
        lock = stack.enter_context(run_lock(state, command))
        clear_stale_locks(root)  # DVC's own locks of killed commands
        now = Session(root, _anchored(settings, root, state), state, lock)
        _open.append(now)
        stack.callback(_open.remove, now)
        stack.callback(_stop_servers, now)
        yield now


def _anchored(settings: Settings, root: Path, state: Path) -> Settings:
    """The settings with absolute folders: a trial runs in another tree, and shares them."""

    def absolute(address: str) -> str:
        return os.path.normpath(root / Path(address).expanduser()) if address and "://" not in address else address

    remote = settings.remote.model_copy(update={"url": absolute(settings.remote.url)})
    training = settings.training.model_copy(update={"storage": absolute(settings.training.storage)})
    return settings.model_copy(update={"state": state, "remote": remote, "training": training})


def _stop_servers(now: Session) -> None:
    with undisturbed():
        servers.stop_own(now.state, now.servers)
