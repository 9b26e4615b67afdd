"""Opens the sink that an address of `--drive` names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rushes.drive.address import parse_address
from rushes.drive.livelink import LiveLinkSink
from rushes.drive.vmc import VmcSink

if TYPE_CHECKING:
    from collections.abc import Callable

    from rushes.drive.address import Address
    from rushes.drive.names import NameMap
    from rushes.drive.sink import FaceSink
    from rushes.drive.timecode import TakeClock

_OPENERS: dict[str, Callable[[Address, NameMap, TakeClock, Callable[[str], None]], FaceSink]] = {
    "vmc": lambda address, names, _clock, log: VmcSink.open(address, names, log),
    "livelink": lambda address, _names, clock, log: LiveLinkSink.open(address, clock, log),
}


def open_destination(text: str, names: NameMap, clock: TakeClock, log: Callable[[str], None]) -> FaceSink:
    """Opens a receiver.

    Args:
        text: Address such as `vmc://127.0.0.1:39540` or `livelink://127.0.0.1`.
        names: Names of the rig, for receivers whose names are free (VMC).
        clock: Timecode of the take.
        log: Called with a line if the receiver is absent, and at the end.

    Raises:
        MisuseError: The address is not valid.
        UserError: The name of the host is not known.
    """
    address = parse_address(text)
    return _OPENERS[address.scheme](address, names, clock, log)
