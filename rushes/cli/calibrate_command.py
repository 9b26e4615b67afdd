"""`rushes calibrate`: the neutral face and the range of motion of a performer."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from rushes.capture.web.address import parse_web_address
from rushes.cli.options import (  # typer reads them
    BackendOption,
    FovOption,
    ModelOption,
    TrustOption,
    UncertifiedOption,
    UnitsOption,
    WebOption,
    log_line,
    quiet,
)

if TYPE_CHECKING:
    from rushes.calibration.calibration import Calibration
    from rushes.calibration.session import Session

CALIBRATE_EXAMPLES = """\b
Examples:
  rushes calibrate --performer anna
  rushes calibrate --performer anna --web
  rushes calibrate --performer anna --source anna-warmup.mp4
  rushes calibrate --performer anna --source 1 --neutral 3 --motion 30
  rushes capture --performer anna --drive vmc://127.0.0.1:39539

\b
The performer looks at the camera with a neutral face for 5 s, and then moves all of the face for 20 s, after prompts.
Each unit then reads 0 at rest and 1 at its end; one that hardly moved keeps its scale. The angles of the head at
rest become 0. A clip is read in the same two parts, from its first face on. Stored in your data folder beside the
models, in performers/; a second calibration replaces the first. Of a camera, time stands while no face is seen.

\b
With --web, a page shows the live picture, the prompts in large type with a countdown, and the result, with another
round at a click. It waits until somebody has opened it and a face is seen, and while either is missing.

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
    web: WebOption = None,
    model: ModelOption = None,
    tracking_model: UnitsOption = None,
    fov: FovOption = 45.0,
    backend: BackendOption = "auto",
    trust: TrustOption = None,
    uncertified: UncertifiedOption = False,
) -> None:
    """Measure a performer's neutral face and range of motion, for `rushes capture --performer`."""
    quiet()
    from rushes.calibration.calibration import Origin, measure  # noqa: PLC0415  # for a quick --help
    from rushes.calibration.page import CalibrationPage  # noqa: PLC0415  # for a quick --help
    from rushes.calibration.recording import recording_of  # noqa: PLC0415  # for a quick --help
    from rushes.calibration.run import calibrate  # noqa: PLC0415  # for a quick --help
    from rushes.calibration.session import Session  # noqa: PLC0415  # for a quick --help
    from rushes.calibration.store import calibration_path, check_writable, networks_of, write_calibration  # noqa: PLC0415  # for a quick --help
    from rushes.capture.analysis import Tracking, open_tracker  # noqa: PLC0415  # for a quick --help
    from rushes.loading import load, open_model  # noqa: PLC0415  # for a quick --help
    from rushes.model_updates.choice import choose_units  # noqa: PLC0415  # for a quick --help
    from rushes.store.store import origins_of  # noqa: PLC0415  # for a quick --help

    path = calibration_path(performer)
    check_writable(performer)
    address = None if web is None else parse_web_address(web)
    opened = load("expression", store=model, trust=trust, uncertified=uncertified)
    units = choose_units(
        tracking_model, "", expression=opened.bundle, trust=trust, uncertified=uncertified, log=log_line
    )
    bundle = None if units is None else units.bundle
    tracking = Tracking(1, fov, backend, open_model(bundle) if bundle else None)
    tracker, edges = open_tracker(opened, tracking, log_line)

    def finish(session: Session) -> Calibration:
        date = datetime.now().astimezone().isoformat(timespec="seconds")
        made = Origin(date, opened.bundle.digest, networks_of(opened.bundle, bundle))
        found = measure(performer, made, session.at_rest, session.in_motion)
        write_calibration(found, recording_of(session.at_rest, session.in_motion))
        _log_found(found)
        return found

    open_page = None
    if address is not None:
        origin = origins_of(opened.bundle, bundle)
        open_page = partial(
            CalibrationPage, address=address, origin=origin, edges=edges, performer=performer, log=log_line
        )
    calibrate(source, tracker, lambda lead_s: Session(neutral, motion, lead_s), finish, log_line, open_page)
    typer.echo(path)


def _log_found(found: Calibration) -> None:
    from rushes.calibration.steps import hardly_read, to_repeat  # noqa: PLC0415  # for a quick --help

    yaw, pitch, roll = found.angles_deg
    log_line(
        f"{len(found.gain)} of {len(found.neutral)} units moved and have a gain; the head rests at "
        f"yaw {yaw:.1f}, pitch {pitch:.1f}, roll {roll:.1f} degrees"
    )
    for step, units in to_repeat(found):
        log_line(f"hardly moved: {', '.join(units)}; repeat: {step.prompt}")
    if unread := hardly_read(found):
        log_line(f"hardly read by the landmark networks, however far they move: {', '.join(unread)}")
