import numpy as np
import pytest

from rushes.drive import names
from rushes.drive.names import PRESETS, names_of
from rushes.errors import MisuseError
from rushes.tracking.face import UNITS

# ARKit's 52 blend shape locations, as Apple lists them by part of the face.
ARKIT = """
    eyeBlinkLeft eyeLookDownLeft eyeLookInLeft eyeLookOutLeft eyeLookUpLeft eyeSquintLeft eyeWideLeft
    eyeBlinkRight eyeLookDownRight eyeLookInRight eyeLookOutRight eyeLookUpRight eyeSquintRight eyeWideRight
    jawForward jawLeft jawRight jawOpen
    mouthClose mouthFunnel mouthPucker mouthLeft mouthRight mouthSmileLeft mouthSmileRight mouthFrownLeft
    mouthFrownRight mouthDimpleLeft mouthDimpleRight mouthStretchLeft mouthStretchRight mouthRollLower mouthRollUpper
    mouthShrugLower mouthShrugUpper mouthPressLeft mouthPressRight mouthLowerDownLeft mouthLowerDownRight
    mouthUpperUpLeft mouthUpperUpRight
    browDownLeft browDownRight browInnerUp browOuterUpLeft browOuterUpRight
    cheekPuff cheekSquintLeft cheekSquintRight noseSneerLeft noseSneerRight tongueOut
"""
# Presets of VRMC_vrm-1.0/expressions.md, and of the BlendShapeClips of VRM 0.x as UniVRM names them.
VRM1 = (
    "happy angry sad relaxed surprised aa ih ou ee oh blink blinkLeft blinkRight "
    "lookUp lookDown lookLeft lookRight neutral"
)
VRM0 = "Neutral A I U E O Blink Blink_L Blink_R Joy Angry Sorrow Fun LookUp LookDown LookLeft LookRight"


def test_units_are_arkits():
    """All 52, under Apple's names."""
    assert sorted(UNITS) == sorted(ARKIT.split())


def test_arkit_has_each_unit_under_its_own_name():
    """Perfect Sync: the name begins with a capital, the value is the unit's."""
    found = names_of("arkit")
    values = np.linspace(0, 1, 52, dtype=np.float32)

    assert sorted(found.targets) == sorted(unit[0].upper() + unit[1:] for unit in ARKIT.split())
    assert [name.lower() for name in found.targets] == [unit.lower() for unit in UNITS]
    np.testing.assert_array_equal(found.apply(values), values)


@pytest.mark.parametrize(
    ("preset", "published", "left_out"),
    [("vrm1", VRM1, {"blink", "neutral"}), ("vrm0", VRM0, {"Blink", "Neutral"})],
)
def test_presets_of_vrm_are_the_published_ones(preset, published, left_out):
    """None is misspelt and none is missing but those that would act twice."""
    assert set(names_of(preset).targets) == set(published.split()) - left_out
    assert set(names_of("vrm").targets) >= set(names_of(preset).targets)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_at_rest_when_the_face_is_and_reaches_its_end(preset):
    """Each target is 0 for a neutral face, and 0.9 or more for the units that raise it, up to 1."""
    found = names_of(preset)

    np.testing.assert_array_equal(found.apply(np.zeros(52, np.float32)), 0)
    assert 0.9 <= found.apply((found.weights > 0).any(0).astype(np.float32)).max() <= 1
    for row, weights in enumerate(found.weights):
        assert 0.9 <= found.apply((weights > 0).astype(np.float32))[row] <= 1


@pytest.mark.parametrize(
    ("preset", "units", "target"),
    [
        ("vrm1", {"eyeBlinkLeft": 1}, "blinkLeft"),
        ("vrm1", {"eyeLookOutLeft": 1, "eyeLookInRight": 1}, "lookLeft"),  # both eyes to the actor's left
        ("vrm1", {"eyeLookInLeft": 1, "eyeLookOutRight": 1}, "lookRight"),
        ("vrm1", {"jawOpen": 1}, "aa"),
        ("vrm1", {"mouthPucker": 1, "jawOpen": 0.2}, "ou"),
        ("vrm1", {"mouthFunnel": 1, "jawOpen": 0.5}, "oh"),
        ("vrm0", {"mouthSmileLeft": 1, "mouthSmileRight": 1}, "Joy"),
        ("vrm0", {"mouthFrownLeft": 1, "mouthFrownRight": 1, "browInnerUp": 0.5}, "Sorrow"),
    ],
)
def test_the_right_target_rises_most(preset, units, target):
    """Vowels, emotions and gaze, left as the actor's left."""
    found = names_of(preset)
    values = found.apply(np.array([units.get(unit, 0) for unit in UNITS], np.float32))

    assert found.targets[values.argmax()] == target


def test_a_rig_of_ones_own(tmp_path):
    """The three forms of an entry; names that YAML 1.1 takes for true and false stay names."""
    path = tmp_path / "rig.yaml"
    path.write_text(
        "# Anna's rig\n"
        "Jaw_Open: jawOpen\n"
        "On: {mouthSmileLeft: 0.5, mouthSmileRight: 0.25}\n"
        "Brow:\n"
        "  units: {browInnerUp: -2}\n"
        "  offset: 0.5\n"
        "  clip: [-1, 1]\n",
        encoding="utf-8",
    )
    found = names_of(str(path))
    smiling = np.array([unit.startswith("mouthSmile") or unit == "jawOpen" for unit in UNITS], np.float32)

    assert found.targets == ("Jaw_Open", "On", "Brow")
    np.testing.assert_allclose(found.apply(smiling), (1, 0.75, 0.5))
    np.testing.assert_allclose(found.apply(np.ones(52, np.float32)), (1, 0.75, -1))  # clipped


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "write TARGET: UNIT"),
        ("jawOpen", "write TARGET: UNIT"),
        ("- jawOpen", "write TARGET: UNIT"),
        ("{}", "write TARGET: UNIT"),
        ("A: jawOpn", "A: 'jawOpn' is not one of ARKit's 52 units. Did you mean 'jawOpen'?"),
        ("A: JAWOPEN", "Did you mean 'jawOpen'?"),
        ("A: {jawOpn: 1}", "Did you mean 'jawOpen'?"),
        ("A: {units: {jawOpen: 1}, ofset: 1}", "A: 'ofset' is not known; write TARGET: UNIT"),
        ("A: {jawOpen: 1, offset: 1}", "A: offset stands beside units: add units"),
        ("A: [jawOpen]", "write TARGET: UNIT"),
        ("A:", "'' is not one of ARKit's 52 units"),
        ("A: {}", "A.units: Dictionary should have at least 1 item"),
        ("A: {units: jawOpen}", "A.units: Input should be a valid dictionary"),
        ("A: {jawOpen: much}", "A.units.jawOpen: Input should be a valid number"),
        ("A: {jawOpen: .nan}", "A.units.jawOpen"),
        ("A: {jawOpen: nan}", "A.units.jawOpen: Input should be a finite number"),
        ("A: {jawOpen: 1e9}", "less than or equal to 100"),
        ("A: {units: {jawOpen: 1}, offset: -inf}", "A.offset"),
        ("A: {units: {jawOpen: 1}, clip: [1, 0]}", "A.clip: the first number must be below the second"),
        ("A: {units: {jawOpen: 1}, clip: [1]}", "A.clip"),
        ("A: jawOpen\nA: jawLeft", "in line 2: a name is not text, or there twice"),
        ("A: {jawOpen: 1, jawOpen: 2}", "in line 1: a name is not text, or there twice"),
        ("? [a, b]\n: jawOpen", "a name is not text"),
        ("A: &x {jawOpen: 1}\nB: *x", "in line 2: an alias (*)"),
        ("A: {jawOpen: {a: {b: c}}}", "nested this deeply"),
        ("A: " + "[" * 3000, "nested this deeply"),
        ("A: {jawOpen: 1", "is not valid YAML"),
        ("A: jawOpen\n---\nB: jawOpen", "is not valid YAML"),
        ("A: !!python/object/apply:os.system [exit]", "write TARGET: UNIT"),
        ("A: \x00", "is not valid YAML"),
        ('"": jawOpen', "is not a name of 1 to 128 printable characters"),
        ('"a\\e[2J": jawOpen', "is not a name"),
        (f"{'x' * 129}: jawOpen", "is not a name"),
        ("".join(f"t{index}: jawOpen\n" for index in range(513)), "has 513 targets; at most 512"),
        ("# " + "x" * names.MOST_BYTES, "has more than 65536 bytes"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path, text, words):
    """With the file, the place, and what would do; the message is one safe line."""
    path = tmp_path / "rig.yaml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(MisuseError) as caught:
        names_of(str(path))

    assert caught.value.message.startswith(f"--names {path}: ")
    assert words in caught.value.message
    assert caught.value.message.isprintable()


def test_a_bomb_of_aliases_is_refused(tmp_path):
    """Nine lines that would be 9^8 entries; nothing is expanded."""
    lines = ["a0: &a0 {jawOpen: 1}"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    path = tmp_path / "bomb.yaml"
    path.write_text("\n".join(lines), encoding="utf-8")

    with pytest.raises(MisuseError, match=r"in line 2: an alias \(\*\)"):
        names_of(str(path))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("arkitt", "names no rig: arkit, vrm, vrm0, vrm1, or a file FILE.yaml. Did you mean 'arkit'?"),
        ("VRM", "Did you mean 'vrm'?"),
        ("", "names no rig"),
        ("rig.json", "names no rig"),
        ("missing.yaml", "cannot be read: No such file"),
    ],
)
def test_an_unknown_rig(text, words):
    """The presets are listed."""
    with pytest.raises(MisuseError) as caught:
        names_of(text)

    assert words in caught.value.message


def test_a_file_that_is_not_text(tmp_path):
    """In another encoding."""
    path = tmp_path / "rig.yml"
    path.write_bytes("Kälte: jawOpen".encode("latin-1"))

    with pytest.raises(MisuseError, match="is not text in UTF-8"):
        names_of(str(path))
