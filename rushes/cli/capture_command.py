"""`rushes capture`: models on the frames of a camera or film, and what they drive."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path  # noqa: TC003  # typer reads the annotations when it runs
from typing import Annotated, Literal

import typer

from rushes.cli.options import (  # typer reads them
    BackendOption,
    FovOption,
    TrustOption,
    UncertifiedOption,
    UnitsOption,
    WebOption,
    log_line,
    quiet,
    refuse_unused,
)

CAPTURE_EXAMPLES = """\b
Examples:
  rushes capture --show
  rushes capture --web
  rushes capture --drive vmc://127.0.0.1:39539
  rushes capture --drive livelink://192.168.1.20 --show --actors 2
  rushes capture --source take.mp4 --curves take.csv --bvh take.bvh
  rushes capture --record take01 --scene 12A --take 3 --performer anna --drive vmc://127.0.0.1:39539
  rushes capture --actors 2 --performer anna --performer ben --web
  rushes capture --source clip.mp4 --save clip-read.mp4 --json clip.jsonl
  rushes capture --collect inbox/faces --consent anna.yaml
  rushes capture --model models --source stills
  rushes capture --model expression@champion --registry http://models.example:5000 --show
  rushes capture --model expression@3 --tracking tracking@champion --drive vmc://127.0.0.1:39539
  rushes capture --source 1 | jq -r .expression

\b
Prints one line of JSON a frame: frame, time_s, timecode, expression (of the largest face, or null), faces (box_px,
score, label, probabilities), model (family, version, digest), and with --units or an output that needs them actors
(actor, performer and calibrated if it is named, state, score, units, head and gaze_deg, and unfiltered with these three
before smoothing, landmarks_px).
--drive vmc:// takes ?actor=N, livelink:// also ?subject=NAME. Of a camera the latest picture is always the next one.
--record makes a folder with the picture without any drawing (camera.mkv), curves.csv, lines.jsonl and slate.json.
--collect keeps pictures for training on which the model is unsure, of a performer who consents: of several actors, the
one whom --performer names as the consent does. The consent is a YAML file with three lines, such as who: anna, use:
training and until: 2027-06-30.
With --registry, a new version of the alias is fetched and verified beside the one that runs, and swapped between two
frames; back if it fails or is too slow. `rushes pin` fixes a version. A model of the family tracking is followed too.
Exit status: 0 done, 1 failed, 2 misuse, 3 no face in any frame.
"""


def capture_command(
    context: typer.Context,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|NAME[@champion|@7]",
            help="A bundle, a model store, or a model of your data folder; by default the one in use there.",
        ),
    ] = None,
    tracking_model: UnitsOption = None,
    registry: Annotated[
        str, typer.Option(metavar="URL|FOLDER", help="Follow the alias in this registry during the capture.")
    ] = "",
    poll: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="Time between two looks at the registry.")
    ] = 30.0,
    source: Annotated[
        str, typer.Option(metavar="CLIP|FOLDER|0|URL", help="A clip, a folder of images, or a camera.")
    ] = "0",
    show: Annotated[bool, typer.Option("--show", help="Show the result in a window; q quits.")] = False,
    save: Annotated[
        Path | None, typer.Option(metavar="OUT.mp4", help="Write a film with the results drawn in.")
    ] = None,
    json: Annotated[
        str, typer.Option("--json", metavar="FILE|-", help="File for the lines of JSON; - is standard output.")
    ] = "-",
    units: Annotated[
        bool, typer.Option("--units", help="Track 52 units, head pose and gaze; the outputs below do so anyway.")
    ] = False,
    drive: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="Send to a character: vmc://HOST:PORT or livelink://HOST. Repeatable."),
    ] = None,
    names: Annotated[
        str, typer.Option(metavar="RIG|FILE.yaml", help="Names of the rig for VMC: arkit, vrm, vrm0, vrm1 or a file.")
    ] = "arkit",
    curves: Annotated[
        Path | None, typer.Option(metavar="OUT.csv", help="Write the curves as Live Link Face does.")
    ] = None,
    bvh: Annotated[Path | None, typer.Option(metavar="OUT.bvh", help="Write the motion of head and eyes.")] = None,
    web: WebOption = None,
    record: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Record a take: picture, curves, lines and slate.")
    ] = None,
    scene: Annotated[str, typer.Option(metavar="TEXT", help="Scene on the slate.")] = "",
    take: Annotated[str, typer.Option(metavar="TEXT", help="Take on the slate; by default the folder's name.")] = "",
    performer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Performer: applies their calibration, and names the actor. Repeatable, from left to right.",
        ),
    ] = None,
    timecode: Annotated[
        str | None,
        typer.Option(
            metavar="clock|HH:MM:SS:FF",
            help="Timecode at the start; by default the time of day for a camera, that of its file for a film, else 0.",
        ),
    ] = None,
    rate: Annotated[
        str | None, typer.Option(metavar="FPS", help="Rate of the timecode, such as 29.97df; by default the nearest.")
    ] = None,
    film: Annotated[Literal["jpeg", "lossless"], typer.Option(help="Coding of the recorded picture.")] = "jpeg",
    collect: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Collect pictures for training, such as in inbox/faces; needs --consent."),
    ] = None,
    consent: Annotated[
        Path | None, typer.Option(metavar="FILE.yaml", help="Consent of the performer: who, use and until.")
    ] = None,
    collect_rate: Annotated[
        float, typer.Option(min=0.01, max=600, metavar="N", help="Maximum number of pictures a minute.")
    ] = 6,
    unsure: Annotated[
        float,
        typer.Option(
            min=0, max=1, metavar="MARGIN", help="Collect where the two likeliest labels are less than this apart."
        ),
    ] = 0.2,
    actors: Annotated[int, typer.Option(min=1, max=16, help="Maximum number of actors.")] = 1,
    fov: FovOption = 45.0,
    backend: BackendOption = "auto",
    trust: TrustOption = None,
    uncertified: UncertifiedOption = False,
) -> None:
    """Recognise the expression of each face in a camera, clip or folder; track faces and drive characters."""
    quiet()
    from rushes.calibration.performers import Performer, check_performers, names_of  # noqa: PLC0415  # for a quick --help
    from rushes.calibration.store import find_calibration  # noqa: PLC0415  # for a quick --help
    from rushes.capture.analysis import Tracking, open_analyser  # noqa: PLC0415  # for a quick --help
    from rushes.capture.loop import capture  # noqa: PLC0415  # for a quick --help
    from rushes.capture.outputs import Outputs, Take  # noqa: PLC0415  # for a quick --help
    from rushes.collect.sink import collecting_of  # noqa: PLC0415  # for a quick --help
    from rushes.loading import open_model  # noqa: PLC0415  # for a quick --help
    from rushes.model_updates.analyser_updates import following  # noqa: PLC0415  # for a quick --help
    from rushes.model_updates.choice import choose_model, choose_units  # noqa: PLC0415  # for a quick --help
    from rushes.store.store import origins_of  # noqa: PLC0415  # for a quick --help

    names_of_performers = check_performers(performer or [], actors)
    recorded = (
        None
        if record is None
        else Take(record.expanduser(), scene, take, tuple(map(Performer, names_of_performers)), film)
    )
    refuse_unused(context, record is not None, "--record FOLDER", "scene", "take", "film")
    refuse_unused(context, bool(registry), "--registry URL", "poll")
    refuse_unused(context, collect is not None, "--collect FOLDER", "collect_rate", "unsure")
    refuse_unused(
        context, any(address.startswith("vmc:") for address in drive or ()), "--drive vmc://HOST:PORT", "names"
    )
    collecting = collecting_of(collect, consent, names_of_performers, actors, unsure, collect_rate)
    outputs = Outputs(
        show, save, json, tuple(drive or ()), names, curves, bvh, web, recorded, timecode, rate, collect=collecting
    )
    outputs.check(source, actors)
    tracking = Tracking(actors, fov, backend) if units or outputs.tracked else None
    of_tracking = ("performer", "tracking_model", "actors", "fov", "backend")
    refuse_unused(context, tracking is not None, "--units, or an output of units such as --drive", *of_tracking)
    chosen = choose_model("expression", model, registry, trust=trust, uncertified=uncertified, log=log_line)
    opened = open_model(chosen.bundle)
    chosen_units = None
    if tracking is not None:
        chosen_units = choose_units(
            tracking_model, registry, expression=chosen.bundle, trust=trust, uncertified=uncertified, log=log_line
        )
        tracking = replace(tracking, model=open_model(chosen_units.bundle) if chosen_units else None)
    units_bundle = chosen_units.bundle if chosen_units else None
    performers = [
        Performer(name, find_calibration(name, opened.bundle, log_line, units_bundle)) for name in names_of_performers
    ]
    outputs = replace(outputs, calibrated=names_of(performers, calibrated=True) or None)
    if recorded is not None:
        outputs = replace(outputs, record=replace(recorded, performers=tuple(performers)))
    analyser = open_analyser(opened, tracking, performers, log_line)
    models = [chosen, *([chosen_units] if chosen_units else [])]
    with following(models, analyser, tracking, performers, log_line, interval_s=poll) as followed:
        capture(source, followed, outputs, log=log_line, origin=origins_of(opened.bundle, units_bundle))
