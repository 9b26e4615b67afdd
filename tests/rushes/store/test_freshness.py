import json
import shutil

import pytest

from rushes.bundle.manifest import SIGNATURE, BundleError, read_head
from rushes.bundle.signature import load_trust, verify
from rushes.errors import RushesError, UserError
from rushes.inference.check import check
from rushes.loading import find_named
from rushes.pull.pull import pull
from rushes.store.freshness import remember
from rushes.store.store import find_model, folder_name, use_bundle
from tests.support.certified import public_key, sign, sign_as_before, signer
from tests.support.command import command_line
from tests.support.runtime import write_bundle

DAYS = [f"2031-05-0{day}T12:00:00.000+00:00" for day in range(1, 10)]


@pytest.fixture(autouse=True)
def key(tmp_path, monkeypatch):
    """The key of the studio, trusted by a machine without a history."""
    monkeypatch.setenv("RUSHES_MACHINE_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("RUSHES_TRUST", str(public_key(tmp_path / "trusted/studio.pub", signer())))
    return load_trust()


@pytest.fixture
def studio(mlflow, tmp_path):
    """A registry with versions 7 and 8, signed one after the other; 8 is the champion."""
    write_bundle(tmp_path / "v8", detector=b"another")
    mlflow.versions[8], mlflow.aliases["champion"] = tmp_path / "v8", 8
    for version in (7, 8):
        sign(mlflow.versions[version], signer(), version, DAYS[version - 7])
    return mlflow


def test_an_older_bundle_under_a_higher_number_is_refused(studio, key, tmp_path):
    """Version 7's files, with their valid signature, offered as version 9, are refused, and not kept."""
    studio.versions[9], studio.aliases["champion"] = studio.versions[7], 9

    with pytest.raises(BundleError, match=r"is signed as expression 7 but offered as version 9"):
        pull("expression", studio.url, tmp_path / "store", trust=key)
    assert not list((tmp_path / "store").rglob("v*"))


@pytest.mark.parametrize("wanted", ["expression", "expression@7"])
def test_what_was_seen_is_not_gone_back_on(studio, key, tmp_path, wanted):
    """After 8, version 7 by number, or by an alias without a new signature, is refused without --allow-older."""
    newest = pull("expression", studio.url, tmp_path / "store", trust=key).folder
    studio.aliases["champion"] = 7
    with pytest.raises(
        BundleError, match=r"is expression 7, signed on 2031-05-01.*has seen expression 8.*--allow-older"
    ):
        pull(wanted, studio.url, tmp_path / "store", trust=key)
    assert find_model(tmp_path / "store", "expression") == newest
    older = pull(wanted, studio.url, tmp_path / "store", trust=key, allow_older=True).folder

    assert use_bundle(find_named("expression", tmp_path / "store")).folder == older
    assert pull(wanted, studio.url, tmp_path / "store", trust=key).folder == older


def test_a_rollback_signs_again_and_is_followed(studio, key, tmp_path):
    """7 pulled, then 8, then 7 restored and signed again: it is accepted, and 8 is then the older one."""
    for alias in (7, 8):
        studio.aliases["champion"] = alias
        pull("expression", studio.url, tmp_path / "store", trust=key)
    sign(studio.versions[7], signer(), 7, DAYS[5])
    studio.aliases["champion"] = 7

    assert pull("expression", studio.url, tmp_path / "store", trust=key).version == 7
    with pytest.raises(BundleError, match=r"is expression 8, signed on 2031-05-02"):
        pull("expression@8", studio.url, tmp_path / "store", trust=key)


def test_a_clock_behind_does_not_hide_a_higher_version(studio, key, tmp_path):
    """9 was signed by a machine whose clock is a day behind: its number is higher, so it is accepted."""
    pull("expression", studio.url, tmp_path / "store", trust=key)
    write_bundle(tmp_path / "v9", detector=b"a third")
    sign(tmp_path / "v9", signer(), 9, DAYS[0])
    studio.versions[9], studio.aliases["champion"] = tmp_path / "v9", 9

    assert pull("expression", studio.url, tmp_path / "store", trust=key).version == 9


def test_a_stick_does_not_go_back_either(studio, key, tmp_path, monkeypatch, capsys):
    """An old stick, used without a pull, is refused with the command that would accept it, and that works."""
    pull("expression@7", studio.url, tmp_path / "stick", trust=key)
    pull("expression@8", studio.url, tmp_path / "store", trust=key)

    with pytest.raises(BundleError, match="has seen expression 8"):
        use_bundle(find_named("expression", tmp_path / "stick"))
    rushes = command_line(monkeypatch, capsys)
    where = ["--registry", tmp_path / "stick", "--to", tmp_path / "own", "--trust", tmp_path / "trusted"]
    assert rushes("pull", "expression", *where)[0] == 1
    assert rushes("pull", "expression", "--allow-older", *where)[0] == 0
    assert use_bundle(find_named("expression", tmp_path / "own"), trust=[tmp_path / "trusted"]).folder.name.startswith(
        "v7-"
    )


def test_a_folder_renamed_to_a_higher_version_is_refused(studio, key, tmp_path):
    """In a model store as in a registry, the version is signed."""
    folder = pull("expression@7", studio.url, tmp_path / "stick", trust=key).folder
    forged = folder.with_name(folder_name(9, folder.name[3:]))
    shutil.copytree(folder, forged)
    (tmp_path / "stick/expression/newest").write_text(forged.name)

    with pytest.raises(BundleError, match="offered as version 9"):
        use_bundle(find_named("expression", tmp_path / "stick"))


def test_an_older_signature_verifies_but_has_no_order(bundle_folder, key):
    """Over the certificate alone: accepted on a machine without a history, else refused."""
    sign_as_before(bundle_folder, signer())
    assert "without version and time (an older form)" in verify(read_head(bundle_folder), key)
    assert use_bundle(find_named("expression", bundle_folder))
    sign(bundle_folder, signer(), 7, DAYS[0])
    assert "as expression 7 on 2031-05-01" in check(bundle_folder, key).signature
    use_bundle(find_named("expression", bundle_folder))
    sign_as_before(bundle_folder, signer())

    with pytest.raises(BundleError, match="has an older signature without a version"):
        use_bundle(find_named("expression", bundle_folder))


@pytest.mark.parametrize("field", ["family", "version", "digest", "certificate", "time"])
def test_no_field_of_a_statement_can_be_changed(bundle_folder, key, field):
    """Each of them is under the signature."""
    sign(bundle_folder, signer(), 7, DAYS[0])
    path = bundle_folder / SIGNATURE
    document = json.loads(path.read_text())
    change = {"version": 8, "time": DAYS[8], "family": "scene"}.get(field, "0" * 64)
    document["statement"][field] = change
    path.write_text(json.dumps(document))

    with pytest.raises(BundleError, match=r"is not what studio\.pub signed"):
        verify(read_head(bundle_folder), key)


def test_a_memory_that_cannot_be_read_is_named(studio, key, tmp_path):
    """It is neither silently ignored nor a traceback; removing it helps."""
    pull("expression", studio.url, tmp_path / "store", trust=key)
    memory = tmp_path / "state/seen/expression.json"
    memory.write_bytes(b"\xff{")
    with pytest.raises(RushesError, match=r"seen/expression\.json.*cannot be read\. Remove it"):
        pull("expression", studio.url, tmp_path / "store", trust=key)
    memory.unlink()

    assert pull("expression", studio.url, tmp_path / "store", trust=key).version == 8


def test_a_record_that_cannot_be_removed_is_a_users_error(tmp_path):
    """It is named, with the remedy."""
    write_bundle(tmp_path / "unsigned")
    (tmp_path / "state/seen/expression.json").mkdir(parents=True)

    with pytest.raises(UserError, match=r"expression\.json, the record of the newest version seen, cannot be written"):
        remember(read_head(tmp_path / "unsigned"), load_trust(), reset=True)
