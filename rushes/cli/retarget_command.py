"""`rushes retarget`: maps a recorded take to a rig once more."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from rushes.cli.options import log_line, refuse_unused
from rushes.errors import MisuseError

RETARGET_EXAMPLES = """\b
Examples:
  rushes retarget take01 --names anna.yaml --smooth offline
  rushes retarget take01 --names anna.yaml --out anna.csv --bvh anna.bvh
  rushes retarget take01 --names vrm1 --out vmc://127.0.0.1:39539
  rushes retarget MySlate_5_Anna.csv --rate 60 --out livelink://192.168.1.20

\b
TAKE is a folder of capture --record, or a CSV of Live Link Face. Without --out and --bvh the output is retargeted.csv
in the folder, or TAKE.retargeted.csv beside the CSV. A CSV as output has a column for each target of the rig, and those
of head and eyes; --names arkit writes the same values in the columns of Live Link Face. To an address the take is
played once, at its rate. --smooth live is the filter of capture; offline does not lag. Of a CSV alone the rate is 24,
25, 30, 50 or 60 by its timecodes unless --rate names it.

\b
Exit status: 0 done, 1 failed, 2 misuse, 3 no face in the take.
"""


def retarget_command(
    context: typer.Context,
    take: Annotated[Path, typer.Argument(exists=True, metavar="TAKE", help="Folder of a take, or a CSV.")],
    out: Annotated[str, typer.Option(metavar="OUT.csv|ADDRESS", help="CSV, or vmc://HOST:PORT, livelink://HOST.")] = "",
    bvh: Annotated[Path | None, typer.Option(metavar="OUT.bvh", help="Write the motion of head and eyes.")] = None,
    names: Annotated[
        str, typer.Option(metavar="RIG|FILE.yaml", help="Names of the rig: arkit, vrm, vrm0, vrm1 or a file.")
    ] = "arkit",
    smooth: Annotated[Literal["none", "live", "offline"], typer.Option(help="Smoothing.")] = "none",
    actor: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Actor of the take; by default the first one seen.")
    ] = None,
    rate: Annotated[str | None, typer.Option(metavar="FPS", help="Rate of a CSV, such as 29.97df.")] = None,
) -> None:
    """Map a recorded take to a rig: smoothed, as curves with the rig's columns, or played to a character."""
    from rushes.capture.outputs import check_outputs  # noqa: PLC0415  # for a quick --help
    from rushes.drive.address import is_address, parse_address  # noqa: PLC0415  # for a quick --help
    from rushes.drive.bvh import BvhSink  # noqa: PLC0415  # for a quick --help
    from rushes.drive.curves import write_curves  # noqa: PLC0415  # for a quick --help
    from rushes.drive.destinations import open_destination  # noqa: PLC0415  # for a quick --help
    from rushes.drive.names import names_of  # noqa: PLC0415  # for a quick --help
    from rushes.take.reading import read_motion  # noqa: PLC0415  # for a quick --help
    from rushes.take.retargeting import ARKIT, mapped, own_files, play, retargeted_path, smoothed  # noqa: PLC0415  # for a quick --help

    if not out and bvh is None:
        if (names, smooth) == (ARKIT, "none"):
            message = (
                "nothing to change: add --names, --smooth, --out OUT.csv, --out vmc://127.0.0.1:39539 or --bvh OUT.bvh"
            )
            raise MisuseError(message)
        out = str(retargeted_path(take, actor))
    address = parse_address(out) if is_address(out) else None
    curves = None if not out or address else Path(out).expanduser()
    refuse_unused(
        context, bool(curves or (address and address.scheme == "vmc")), "--out OUT.csv or vmc://HOST", "names"
    )
    sources = [take, *(own_files(take) if take.is_dir() else ())]
    check_outputs({"--out": curves, "--bvh": bvh}, sources)
    rig = names_of(names)
    motion = smoothed(read_motion(take, actor=actor, rate=rate), smooth)
    if address is not None and address.actor not in {None, motion.actor}:
        message = f"--out {out}: the motion is that of actor {motion.actor}: add --actor {address.actor}, or leave "
        raise MisuseError(message + "?actor out")
    # The name of a host is resolved before a file is written.
    receiver = open_destination(out, rig, motion.clock, log_line) if address is not None else None
    if curves is not None:
        write_curves(curves, mapped(motion, rig, names))
        typer.echo(curves)
    if bvh is not None:
        if not motion.places_m.any():
            log_line(f"{take} has no places of the head (lines.jsonl): it turns at 0, 0, 0 in {bvh}")
        skeleton = BvhSink.open(bvh, motion.clock.rate.fps)
        try:
            for number, (time_s, face) in enumerate(motion.faces()):
                skeleton.put(time_s, number, [face])
        finally:
            skeleton.close()
        typer.echo(bvh)
    if receiver is not None:
        try:
            play(motion, receiver)
        finally:
            receiver.close()
