"""Machines of a cluster: network namespaces of this one, each with its own address, joined by a bridge. Needs root."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from tests.support.processes import kill_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PORT = 6379
RAY = Path(sys.executable).with_name("ray")
# A node that does not need memory for objects, and does not report its usage.
SMALL = ("--num-cpus=1", "--object-store-memory=100000000", "--disable-usage-stats", "--include-dashboard=false")
NETS = itertools.count(1)
TOKEN = "7" * 64
UP = "Ray runtime started"


@dataclass
class Machine:
    """A network namespace: commands in it see its address alone, and reach servers of the tests at `outside`."""

    namespace: str
    host: str
    device: str
    outside: str
    processes: list[subprocess.Popen[str]] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)

    def command(self, words: Sequence[str]) -> list[str]:
        """The command that runs another one in here."""
        return ["ip", "netns", "exec", self.namespace, *words]

    def environment(self, env: Mapping[str, str]) -> dict[str, str]:
        """With the cluster's token; Gloo finds a machine's address by its name, the same in all namespaces."""
        return {**env, "GLOO_SOCKET_IFNAME": self.device, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}

    def start_ray(self, head: Machine | None = None) -> None:
        """Starts a node of Ray, the head or one of its cluster, and waits until it is up."""
        folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
        self.folders.append(folder)
        role = [f"--address={head.host}:{PORT}"] if head else ["--head", f"--port={PORT}"]
        words = [str(RAY), "start", "--block", f"--node-ip-address={self.host}", f"--temp-dir={folder}", *role, *SMALL]
        process = subprocess.Popen(
            self.command([word for word in words if not (head and "dashboard" in word)]),
            env=self.environment(os.environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.processes.append(process)
        printed = []
        for line in process.stdout:
            printed.append(line)
            if UP in line:
                return
        raise AssertionError("".join(printed))

    def kill(self) -> None:
        """Kills all its processes, as a power failure would."""
        for process in self.processes:
            if psutil.pid_exists(process.pid):
                kill_tree(process.pid)
            process.wait(30)
        self.processes.clear()
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)

    def memory_bytes(self) -> int:
        """Memory of its processes, shared pages counted once."""
        found = [psutil.Process(one.pid) for one in self.processes]
        every = [process for one in found for process in (one, *one.children(recursive=True))]
        return sum(process.memory_full_info().pss for process in every)


@contextmanager
def machines(count: int) -> Iterator[list[Machine]]:
    """Machines that can reach each other, and servers that listen at `outside`, and nothing else."""
    with ExitStack() as stack:
        place = next(NETS)
        bridge, net = f"rb{os.getpid()}-{place}"[:15], (os.getpid() + place) % 250
        _ip("link", "add", bridge, "type", "bridge")
        stack.callback(_ip, "link", "del", bridge)
        outside = f"10.77.{net}.254"
        _ip("addr", "add", f"{outside}/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        made = []
        for number in range(1, count + 1):
            name = f"{os.getpid()}-{place}{number}"
            machine = Machine(f"rn{name}", f"10.77.{net}.{number}", f"rv{name}", outside)
            stack.enter_context(_joined(machine, bridge))
            stack.callback(machine.kill)
            made.append(machine)
        yield made


@contextmanager
def _joined(machine: Machine, bridge: str) -> Iterator[None]:
    outside = f"ro{machine.device[2:]}"
    _ip("netns", "add", machine.namespace)
    try:
        _ip("link", "add", machine.device, "type", "veth", "peer", "name", outside)
        _ip("link", "set", machine.device, "netns", machine.namespace)
        _ip("link", "set", outside, "master", bridge, "up")
        _ip("-n", machine.namespace, "link", "set", "lo", "up")
        _ip("-n", machine.namespace, "addr", "add", f"{machine.host}/24", "dev", machine.device)
        _ip("-n", machine.namespace, "link", "set", machine.device, "up")
        yield
    finally:
        _ip("netns", "del", machine.namespace)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
