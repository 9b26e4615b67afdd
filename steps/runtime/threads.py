"""Spin time of OpenMP's threads between the parallel parts of a step.

They spin while they wait for each other. Alone on a machine that saves a little; beside anything else they wait for a
thread that cannot run because they themselves keep its core busy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import MutableMapping

SPIN = "2000"
OF_A_USER = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def bound_spin(environment: MutableMapping[str, str]) -> None:
    """Bounds how long OpenMP's threads spin, unless somebody has decided that already.

    libgomp reads it once, when it is loaded: this has to be called before PyTorch is imported. Children inherit it.

    Args:
        environment: `os.environ`, or that of a process yet to be started.
    """
    if not any(name in environment for name in OF_A_USER):
        environment["GOMP_SPINCOUNT"] = SPIN
