import pytest

from rushes.bundle.manifest import read_head
from rushes.errors import MisuseError, NothingFitsError, RushesError, TransientError
from rushes.model_updates.choice import choose_model, choose_units
from rushes.pull.pull import pull
from rushes.store.store import PINNED, point, version_of
from rushes.tracking.landmarks import LANDMARKS_ROLE
from tests.support.runtime import write_bundle
from tests.support.units_bundle import write_units_bundle

ALIAS, AWAY = "expression@champion", "http://127.0.0.1:9"  # nothing listens on the port `discard`


def _version(chosen):
    return version_of(chosen.bundle.folder)


@pytest.mark.parametrize("model", [None, "expression", ALIAS])
def test_the_champion_is_fetched_before_the_first_frame(registry, tmp_path, model):
    """Also where an older version is cached; it is followed from then on."""
    pull(ALIAS, registry.url, tmp_path / "store")
    registry.aliases["champion"] = 8
    chosen = choose_model("expression", model, registry.url)

    assert (_version(chosen), chosen.fault) == (8, None)
    assert (str(chosen.followed.wanted), chosen.followed.registry) == (ALIAS, registry.url)


def test_a_set_without_network_begins_with_what_is_cached(registry, tmp_path):
    """The version of that alias, not the one pulled last; it is followed when the network is back."""
    pull(ALIAS, registry.url, tmp_path / "store")
    pull("expression@8", registry.url, tmp_path / "store")
    chosen = choose_model("expression", ALIAS, AWAY)

    assert (_version(chosen), chosen.followed.registry) == (7, AWAY)
    assert "cannot be reached: Connection refused" in str(chosen.fault)


def test_without_network_and_cache_the_remedy_is_named(registry):
    """As `rushes pull` names it."""
    with pytest.raises(TransientError, match=r"cannot be reached.*Or name a folder as --registry"):
        choose_model("expression", ALIAS, AWAY)
    registry.aliases["champion"] = 8

    assert _version(choose_model("expression", ALIAS, str(registry.versions[8]))) is None


def test_a_registry_that_lies_at_the_start(registry, tmp_path):
    """A cached version begins; without a cache the capture fails."""
    registry.tags = {"rushes.digest": "0" * 64}
    with pytest.raises(RushesError, match="registered with the digest 000000000000"):
        choose_model("expression", ALIAS, registry.url)
    registry.tags = {}
    pull(ALIAS, registry.url, tmp_path / "store")
    registry.tags, registry.aliases["champion"] = {"rushes.digest": "0" * 64}, 8
    chosen = choose_model("expression", ALIAS, registry.url)

    assert _version(chosen) == 7
    assert "registered with the digest 000000000000" in str(chosen.fault)


def test_a_mistyped_alias_is_not_hidden_by_a_cache(registry, tmp_path):
    """The registry answers that it has none of that name."""
    pull(ALIAS, registry.url, tmp_path / "store")
    with pytest.raises(NothingFitsError, match="has no expression@champoin"):
        choose_model("expression", "expression@champoin", registry.url)


def test_a_tracking_model_that_nobody_named_stops_no_capture(registry, tmp_path):
    """The registry has no such family: the stored version is used. One that was named is asked for."""
    folder = tmp_path / "store/tracking/v3-0123456789ab"
    write_units_bundle(folder)
    lines = []
    chosen = choose_units(None, registry.url, log=lines.append)

    assert (chosen.bundle.folder, chosen.followed) == (folder, None)
    assert lines[0].startswith("the stored tracking model is used, and not followed: ")
    assert lines[0].endswith("--tracking mediapipe")
    with pytest.raises(NothingFitsError):
        choose_units("tracking", registry.url)


def test_a_tracking_model_of_other_landmarks_is_left_out(registry, tmp_path):
    """MediaPipe's network is used where nobody named it, such as one trained for older landmarks."""
    write_units_bundle(tmp_path / "store/tracking/v3-0123456789ab")
    (tmp_path / "points.tflite").write_bytes(b"points")
    write_bundle(tmp_path / "expression", assets={tmp_path / "points.tflite": LANDMARKS_ROLE})
    expression, old = read_head(tmp_path / "expression"), read_head(registry.versions[7])
    lines = []

    assert choose_units(None, "", expression=expression, log=lines.append) is None
    assert lines[0].startswith("MediaPipe's network reads the units: ")
    assert choose_units(None, "", expression=old, log=lines.append) is not None
    assert choose_units("tracking", "", expression=expression) is not None  # the capture refuses it with its remedy


def test_a_version_by_number_is_not_followed(registry):
    """It is fetched once; later the registry is not asked."""
    first = choose_model("expression", "expression@8", registry.url)
    registry.asked.clear()
    second = choose_model("expression", "expression@8", registry.url)

    assert (_version(first), first.followed, _version(second)) == (8, None, 8)
    assert registry.asked == []


def test_without_a_registry_nothing_is_fetched(registry, tmp_path):
    """A name is then one of the store."""
    pull(ALIAS, registry.url, tmp_path / "store")
    registry.asked.clear()
    registry.aliases["champion"] = 8
    chosen = choose_model("expression", ALIAS, "")

    assert (_version(chosen), chosen.followed, registry.asked) == (7, None, [])


def test_a_pinned_version_does_not_follow(registry, tmp_path):
    """The registry is not asked; a number still names another version."""
    fixed = pull("expression@8", registry.url, tmp_path / "store").folder
    pull("expression@9", registry.url, tmp_path / "store")
    point(fixed.parent, PINNED, fixed)
    registry.asked.clear()
    lines = []
    chosen = choose_model("expression", ALIAS, registry.url, log=lines.append)

    assert (_version(chosen), chosen.followed, registry.asked) == (8, None, [])
    assert lines == [
        "expression v8 is pinned, and expression@champion not followed. To follow it: rushes pin --remove expression"
    ]
    assert _version(choose_model("expression", "expression@9", registry.url)) == 9


@pytest.mark.parametrize(
    ("model", "registry", "message"),
    [
        ("{here}", "http://models", "--registry follows an alias, and --model .* is a folder"),
        ("{here}/none", "", "there is no such folder"),
        ("scene@champion", "", "nor a model of the family expression"),
        ("expression@", "", "is not the name of a model"),
    ],
)
def test_other_words_are_refused_by_name(tmp_path, model, registry, message):
    """A folder, a name, and nothing else."""
    with pytest.raises(MisuseError, match=message):
        choose_model("expression", model.format(here=tmp_path), registry)


def test_another_place_than_a_registry_is_named(registry, tmp_path):
    """A cached version does not hide the typo."""
    pull(ALIAS, registry.url, tmp_path / "store")
    with pytest.raises(MisuseError, match="neither a folder here nor a URL"):
        choose_model("expression", ALIAS, "htp://models")
