import json
import shutil
import stat
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from typer.testing import CliRunner

from common.settings import Settings, SigningSettings
from flows.__main__ import app
from flows.servers import environment
from registry.mlflow import model_versions
from registry.mlflow.artifacts import log_signature
from registry.promotion import rollback
from registry.signing import KeyFileError, load_signer, new_pair
from registry.subprocesses import git
from rushes.bundle.manifest import CERTIFICATE, SIGNATURE, BundleError, read_bundle, sha256_file
from rushes.bundle.signature import Signature, fingerprint, fits, load_trust
from rushes.pull.pull import pull
from tests.support.certified import signer
from tests.support.runtime import write_bundle
from tests.support.studio import BEST, POOR, POOREST

TIME = "2031-05-01T12:00:00.000+00:00"


def _signer_at(path):
    return load_signer(Settings(signing=SigningSettings(key=str(path))))


def test_a_pair_belongs_together(tmp_path):
    """The public key verifies what the private key signs, and no other bytes; only its owner reads the latter."""
    public, name = new_pair(tmp_path / "keys/studio.pem", tmp_path / "checkout")
    made = _signer_at(tmp_path / "keys/studio.pem")
    ((known, (content, file)),) = load_trust([public]).keys.items()
    write_bundle(tmp_path / "bundle")
    found = Signature.model_validate_json(made.sign(read_bundle(tmp_path / "bundle"), 7, TIME))

    assert known == made.fingerprint == name == fingerprint(content)
    assert file == tmp_path / "keys/studio.pub"
    assert fits(content, found.signature, found.statement.signed_bytes())
    assert not fits(content, found.signature, found.statement.model_copy(update={"version": 8}).signed_bytes())
    assert stat.S_IMODE((tmp_path / "keys/studio.pem").stat().st_mode) == 0o600


def test_signing_again_changes_nothing(tmp_path):
    """The same key, bundle, version and time give the same file."""
    write_bundle(tmp_path / "bundle")
    bundle = read_bundle(tmp_path / "bundle")

    assert signer(1).sign(bundle, 7, TIME) == signer(1).sign(bundle, 7, TIME)
    assert len({signer(one).sign(bundle, two, TIME) for one in (1, 2) for two in (7, 8)}) == 4


def test_no_key_is_written_over(tmp_path):
    """Neither half: who holds it trusts it."""
    new_pair(tmp_path / "studio.pem", tmp_path / "checkout")
    before = (tmp_path / "studio.pem").read_bytes()

    for taken in ("studio.pem", "studio.key", "studio.pub"):
        with pytest.raises(KeyFileError, match="exists already"):
            new_pair(tmp_path / taken, tmp_path / "checkout")
    assert (tmp_path / "studio.pem").read_bytes() == before


def test_a_key_never_gets_into_git(tmp_path):
    """In the checkout only where git ignores it: a run records every other file."""
    root = tmp_path / "checkout"
    root.mkdir()
    git(root, "init", "--quiet")
    (root / ".gitignore").write_text("/keys/\n")

    with pytest.raises(KeyFileError, match="git would record it") as caught:
        new_pair(root / "studio.pem", root)
    assert caught.value.remedy.endswith("keys new keys/studio.pem")
    assert not (root / "studio.pem").exists()
    assert new_pair(root / "keys/studio.pem", root)[0].is_file()


def test_an_invalid_key_in_the_settings_is_reported(tmp_path):
    """A file that is missing, no key, of another kind, or locked by a passphrase; without a setting none is asked."""
    (tmp_path / "text.pem").write_text("no key")
    other = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "other.pem").write_bytes(other)
    locked = signer().key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word"))
    (tmp_path / "locked.pem").write_bytes(locked)

    for name in ("nowhere.pem", "text.pem", "other.pem", "locked.pem"):
        with pytest.raises(KeyFileError, match=rf"signing\.key: .*{name} (cannot be read|is not an Ed25519)"):
            _signer_at(tmp_path / name)
    assert load_signer(Settings(signing=SigningSettings())) is None


def test_the_command_makes_a_pair(tmp_path, monkeypatch):
    """At the given path, relative to the folder in which it was typed."""
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["keys", "new", "keys/set.pem"])

    assert done.exit_code == 0, done.output
    assert "--trust set.pub" in done.output
    assert _signer_at(tmp_path / "keys/set.pem").fingerprint in done.output
    assert not (environment.checkout_root() / "keys/set.pem").exists()


def test_what_is_signed_is_what_was_read(tmp_path):
    """Written over in the meantime, the certificate that was checked is signed and logged, and no other."""
    write_bundle(tmp_path / "bundle")
    read = read_bundle(tmp_path / "bundle")
    certificate = (tmp_path / "bundle" / CERTIFICATE).read_text()
    (tmp_path / "bundle" / CERTIFICATE).write_text("{}")
    logged = {}
    client = SimpleNamespace(log_text=lambda run, text, name: logged.update({(run, name): text}))
    log_signature(client, "run", read, signer(), 7, TIME)

    assert logged == {
        ("run", f"bundle/{CERTIFICATE}"): certificate,
        ("run", f"bundle/{SIGNATURE}"): signer().sign(read, 7, TIME),
    }


@pytest.mark.slow
def test_what_is_registered_is_signed(mlflow_server, mlflow, studio, tmp_path, monkeypatch):
    """Pulled with the public key alone; build/ and the digest know nothing of it; edited in MLflow it is refused."""
    public, name = new_pair(tmp_path / "keys/studio.pem", tmp_path / "checkout")
    monkeypatch.setenv("RUSHES_SIGNING__KEY", str(tmp_path / "keys/studio.pem"))
    studio.nightly(POOR)
    version = model_versions.read_version(mlflow, studio.family.name, 1)
    pulled = pull(studio.family.name, mlflow_server, tmp_path / "store", trust=load_trust([public]))

    assert version.tags["rushes.signed_by"] == name
    assert "signed by studio.pub" in pulled.signature
    assert pulled.digest == sha256_file(studio.build / "bundle/manifest.json")
    assert not (studio.build / "bundle" / SIGNATURE).exists()
    edited = (pulled.folder / "certificate.json").read_text().replace('"compressed": 0.1', '"compressed": 0.01')
    mlflow.log_text(version.run_id, edited, "bundle/certificate.json")
    with pytest.raises(BundleError, match=r"is not what studio\.pub signed"):
        pull(studio.family.name, mlflow_server, tmp_path / "other", trust=load_trust([public]))


@pytest.mark.slow
def test_what_was_registered_before_there_was_a_key_is_signed_later(
    mlflow_server, mlflow, studio, tmp_path, monkeypatch
):
    """The same bundle is not a new version, but gets its signature, once; a new key replaces that of the old one."""
    assert studio.nightly(POOR).registered
    for turn in ("one", "two"):
        public, name = new_pair(tmp_path / f"keys/{turn}.pem", tmp_path / "checkout")
        monkeypatch.setenv("RUSHES_SIGNING__KEY", str(tmp_path / f"keys/{turn}.pem"))
        measured = json.loads((studio.build / "bundle" / CERTIFICATE).read_text())
        measured["latency_ms"]["compressed"] += 0.01  # evaluate ran again: the same files, other milliseconds
        (studio.build / "bundle" / CERTIFICATE).write_text(json.dumps(measured))
        assert not studio.register().registered
        pulled = pull(studio.family.name, mlflow_server, tmp_path / turn, trust=load_trust([public]))

        assert f"signed by {turn}.pub" in pulled.signature
        assert model_versions.read_version(mlflow, studio.family.name, 1).tags["rushes.signed_by"] == name
    shutil.rmtree(tmp_path / "keys")
    with pytest.raises(KeyFileError, match="cannot be read"):
        studio.register()


@pytest.mark.slow
def test_what_a_rollback_restores_is_signed_again(mlflow_server, mlflow, studio, tmp_path, monkeypatch):
    """A machine that trusts keys and has seen version 2 goes back to 1 with the registry, and not to 2 afterwards."""
    public, _ = new_pair(tmp_path / "keys/studio.pem", tmp_path / "checkout")
    monkeypatch.setenv("RUSHES_SIGNING__KEY", str(tmp_path / "keys/studio.pem"))
    monkeypatch.setenv("RUSHES_MACHINE_STATE", str(tmp_path / "machine"))
    name, store, keys = studio.family.name, tmp_path / "store", load_trust([public])
    for shift in (POOREST, BEST):
        studio.nightly(shift)
        pull(name, mlflow_server, store, trust=keys)
    assert rollback.rollback(name, "sees ghosts", mlflow, studio.state).is_signed

    assert pull(name, mlflow_server, store, trust=keys).version == 1
    with pytest.raises(BundleError, match=f"is {name} 2, signed on .* --allow-older"):
        pull(f"{name}@2", mlflow_server, store, trust=keys, rejected=True)
