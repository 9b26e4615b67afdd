"""`rushes calibrate`: the neutral face and the range of motion of a performer."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from rushes.cli.options import BackendOption, FovOption, ModelOption, TrustOption, UncertifiedOption, log_line, quiet

CALIBRATE_EXAMPLES = """\b
Examples:
  rushes calibrate --performer anna
  rushes calibrate --performer anna --source anna-warmup.mp4
  rushes calibrate --performer anna --source 1 --neutral 3 --motion 30
  rushes capture --performer anna --drive vmc://127.0.0.1:39539

\b
The performer looks at the camera with a neutral face for 5 s, and then moves all of the face for 20 s, after prompts.
Each unit then reads 0 at rest and 1 at its end; one that hardly moved keeps its scale. The angles of the head at
rest become 0. A clip is read in the same two parts, from its first face on. Stored in your data folder beside the
models, in performers/; a second calibration replaces the first.

\b
Exit status: 0 done, 1 failed, 2 misuse, 3 the face was not seen long enough.
"""


def calibrate_command(
    performer: Annotated[str, typer.Option(metavar="NAME", help="Name of the performer.")],
    source: Annotated[str, typer.Option(metavar="0|URL|CLIP", help="A camera, or a clip.")] = "0",
    neutral: Annotated[float, typer.Option(min=0.5, max=60, metavar="SECONDS", help="Time of the neutral face.")] = 5.0,
    motion: Annotated[
        float, typer.Option(min=0.5, max=600, metavar="SECONDS", help="Time of the range of motion.")
    ] = 20.0,
    model: ModelOption = None,
    fov: FovOption = 45.0,
    backend: BackendOption = "auto",
    trust: TrustOption = None,
    uncertified: UncertifiedOption = False,
) -> None:
    """Measure a performer's neutral face and range of motion, for `rushes capture --performer`."""
    quiet()
    from rushes.calibration.calibration import Origin, measure  # noqa: PLC0415  # for a quick --help
    from rushes.calibration.session import Session, run_session  # noqa: PLC0415  # for a quick --help
    from rushes.calibration.store import calibration_path, networks_of, write_calibration  # noqa: PLC0415  # for a quick --help
    from rushes.capture.analysis import Tracking, open_tracker  # noqa: PLC0415  # for a quick --help
    from rushes.loading import load  # noqa: PLC0415  # for a quick --help

    calibration_path(performer)
    opened = load("expression", store=model, trust=trust, uncertified=uncertified)
    session = Session(neutral, motion)
    run_session(source, open_tracker(opened, Tracking(1, fov, backend)), session, log_line)
    date = datetime.now().astimezone().isoformat(timespec="seconds")
    origin = Origin(date, opened.bundle.digest, networks_of(opened.bundle))
    found = measure(performer, origin, session.at_rest, session.in_motion)
    path = write_calibration(found)
    unmoved = found.unmoved()
    yaw, pitch, roll = found.angles_deg
    log_line(
        f"{len(found.gain)} of {len(found.neutral)} units moved and have a gain; the head rests at "
        f"yaw {yaw:.1f}, pitch {pitch:.1f}, roll {roll:.1f} degrees"
    )
    if unmoved:
        log_line(f"hardly moved: {', '.join(unmoved)}")
    typer.echo(path)
