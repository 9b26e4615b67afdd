import base64
import json
import os
import shutil
import sys

import pytest

from rushes.bundle import signature
from rushes.bundle.manifest import CERTIFICATE, MANIFEST, SIGNATURE, BundleError, read_head, sha256_file
from rushes.bundle.signature import Signature, load_trust, verify
from rushes.errors import MisuseError, RushesError
from rushes.loading import find_named
from rushes.pull.pull import pull
from rushes.store.store import use_bundle
from tests.support.certified import public_key, sign, signer
from tests.support.command import command_line
from tests.support.runtime import write_bundle


@pytest.fixture(autouse=True)
def nobody(monkeypatch, tmp_path):
    """No trusted key except those of the test."""
    monkeypatch.delenv("RUSHES_TRUST", raising=False)
    monkeypatch.setattr(signature.platformdirs, "user_config_dir", lambda *_, **__: str(tmp_path / "config"))


@pytest.fixture
def studio(tmp_path):
    """The public key that this machine trusts."""
    return public_key(tmp_path / "trusted/studio.pub", signer(1))


@pytest.fixture
def signed(bundle_folder):
    """A bundle that the studio has signed."""
    sign(bundle_folder, signer(1))
    return bundle_folder


def _edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def _swap(folder):
    """Another graph of the same size under the same name."""
    path = folder / "expression.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"!")


def _swap_and_rewrite(folder):
    _swap(folder)
    document = json.loads((folder / MANIFEST).read_text())
    document["files"]["expression.onnx"]["sha256"] = sha256_file(folder / "expression.onnx")
    (folder / MANIFEST).write_text(json.dumps(document))


def _swap_and_rewrite_all(folder):
    _swap_and_rewrite(folder)
    document = json.loads((folder / CERTIFICATE).read_text()) | {"digest": sha256_file(folder / MANIFEST)}
    (folder / CERTIFICATE).write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")


def _claim(folder):
    """The name of the trusted key over a signature by another one."""
    sign(folder, signer(2))
    _edit(folder / SIGNATURE, signer(2).fingerprint, signer(1).fingerprint)


def _sign_statement(folder, **changes):
    """The trusted key's valid signature of a statement about this bundle with other fields."""
    sign(folder, signer(1))
    statement = Signature.model_validate_json((folder / SIGNATURE).read_bytes()).statement.model_copy(update=changes)
    signature = base64.b64encode(signer(1).key.sign(statement.signed_bytes())).decode()
    found = Signature(key=signer(1).fingerprint, signature=signature, statement=statement)
    (folder / SIGNATURE).write_text(found.text())


def _take_from_another(folder, *names):
    """Files of another bundle that the same key has signed."""
    other = folder.parent / "other"
    write_bundle(other, detector=b"another")
    sign(other, signer(1), 8)
    for name in names:
        shutil.copy(other / name, folder / name)


FAULTS = [
    (lambda folder: (folder / SIGNATURE).unlink(), "never signed or its signature was removed"),
    (lambda folder: sign(folder, signer(2)), rf"key {signer(2).fingerprint[:16]}, which is not trusted here"),
    (_claim, r"certificate\.json is not what studio\.pub signed"),
    (lambda folder: _edit(folder / CERTIFICATE, "macro_f1", "macro_f2"), r"certificate\.json is not what studio\.pub"),
    (lambda folder: (folder / CERTIFICATE).write_text((folder / CERTIFICATE).read_text() + "\n"), "was changed after"),
    (_swap, r"expression\.onnx has the sha256"),
    (_swap_and_rewrite, r"certificate\.json certifies"),
    (_swap_and_rewrite_all, r"certificate\.json is not what studio\.pub signed"),
    (lambda folder: (folder / CERTIFICATE).unlink(), r"has no certificate\.json"),
    (lambda folder: (folder / SIGNATURE).write_text("{}"), "not a valid signature file"),
    (lambda folder: _edit(folder / SIGNATURE, '"signature": "', '"signature": "*'), "is not what"),
    (lambda folder: _sign_statement(folder, family="scene"), "is not what"),
    (lambda folder: _edit(folder / SIGNATURE, '"ed25519"', '"none"'), "not a valid signature file"),
    (lambda folder: _take_from_another(folder, SIGNATURE), "is not what"),
    (lambda folder: _take_from_another(folder, MANIFEST, CERTIFICATE), "is not what"),
    (lambda folder: _take_from_another(folder, MANIFEST, CERTIFICATE, SIGNATURE), r"detector\.tflite"),
]


def test_what_the_studio_signed_is_taken(signed, studio):
    """By the key itself or by its folder; the result names the signer."""
    assert use_bundle(find_named("expression", signed), trust=[studio]).digest
    assert use_bundle(find_named("expression", signed), trust=[studio.parent]).digest
    assert verify(read_head(signed), load_trust([studio])).startswith(
        f"signed by studio.pub ({signer(1).fingerprint[:16]})"
    )


@pytest.mark.parametrize(("spoil", "reason"), FAULTS)
def test_a_command_refuses(signed, studio, spoil, reason):
    """Signature removed, unknown key, figure edited, file swapped: each is refused with its reason."""
    spoil(signed)

    with pytest.raises(BundleError, match=reason):
        use_bundle(find_named("expression", signed), trust=[studio], uncertified=True)


@pytest.mark.parametrize(("spoil", "reason"), FAULTS)
def test_pull_refuses_and_keeps_nothing(signed, studio, tmp_path, spoil, reason):
    """The same faults, planted in the registry: nothing reaches the store."""
    spoil(signed)
    # A folder is compared with its own manifest first: a contradictory one is refused earlier.
    refused = "" if spoil is _swap_and_rewrite else "is refused, and nothing was kept: .*"

    with pytest.raises(BundleError, match=f"{refused}{reason}"):
        pull("expression", str(signed), tmp_path / "store", trust=load_trust([studio]))
    assert not (tmp_path / "store/expression").exists()


def test_without_keys_signed_and_unsigned_are_taken(signed, tmp_path):
    """Without trusted keys no signature is required, which pull prints; the signature is still copied."""
    pulled = pull("expression", str(signed), tmp_path / "store")
    assert (pulled.folder / SIGNATURE).read_bytes() == (signed / SIGNATURE).read_bytes()
    (signed / SIGNATURE).unlink()

    assert f"signed by the key {signer(1).fingerprint[:16]}; not verified" in pulled.signature
    assert "not signed; not verified" in pull("expression", str(signed), tmp_path / "other").signature
    assert use_bundle(find_named("expression", signed)).certificate


def test_a_signature_comes_from_a_server_too(mlflow, studio, tmp_path):
    """It lies next to the certificate, in MLflow."""
    sign(mlflow.versions[7], signer(1))

    pulled = pull("expression", mlflow.url, tmp_path / "store", trust=load_trust([studio]))

    assert "which is trusted" in pulled.signature
    assert (pulled.folder / SIGNATURE).is_file()


@pytest.mark.parametrize("by", [None, signer(2)])
def test_nothing_large_is_asked_for_before_it_is_known_whose_it_is(mlflow, studio, tmp_path, by):
    """For an unsigned bundle, or one signed by an unknown key, neither graph nor detector is fetched."""
    if by is not None:
        sign(mlflow.versions[7], by)

    with pytest.raises(BundleError, match="is refused"):
        pull("expression", mlflow.url, tmp_path / "store", trust=load_trust([studio]))
    assert [path for path in mlflow.asked if path.endswith(CERTIFICATE)]
    assert not [path for path in mlflow.asked if path.endswith((".onnx", ".tflite"))]


def test_a_key_that_is_claimed_is_shown_in_one_line(signed, studio, monkeypatch, capsys):
    """It is free text: no line break or escape sequence of it reaches the screen."""
    _edit(signed / SIGNATURE, signer(1).fingerprint, "\\u001b[2K\\nsigned by studio.pub")

    assert verify(read_head(signed), load_trust()).startswith("signed by the key ?[2K?signed by ")
    status, _, err = command_line(monkeypatch, capsys)("check", signed, "--trust", studio)
    assert (status, len(err.splitlines())) == (1, 1)
    assert "is by the key ?[2K?signed by s, which is not trusted here" in err


def test_what_stands_unsigned_is_fetched_again(signed, studio, tmp_path):
    """An unsigned bundle is refused once a key is trusted; a new pull fetches its signature."""
    (signed / SIGNATURE).rename(tmp_path / "kept.sig")
    folder = pull("expression", str(signed), tmp_path / "store").folder
    with pytest.raises(BundleError, match="signature was removed"):
        pull("expression", str(signed), tmp_path / "store", trust=load_trust([studio]))
    shutil.copy(tmp_path / "kept.sig", signed / SIGNATURE)

    assert pull("expression", str(signed), tmp_path / "store", trust=load_trust([studio])).folder == folder
    assert use_bundle(find_named("expression", folder), trust=[studio])


def test_a_certificate_is_required_by_default(bundle_folder):
    """Without one it is refused unless --uncertified is given; with a trusted key it is always refused."""
    (bundle_folder / CERTIFICATE).unlink()

    with pytest.raises(BundleError, match=r"has no certificate\.json.*--uncertified"):
        use_bundle(find_named("expression", bundle_folder))
    assert use_bundle(find_named("expression", bundle_folder), uncertified=True).certificate is None


def test_keys_come_from_the_environment_or_the_configuration(bundle_folder, studio, tmp_path, monkeypatch):
    """RUSHES_TRUST precedes the folder trusted/, and either makes an unsigned bundle be refused."""
    public_key(tmp_path / "config/trusted/other.pub", signer(2))
    assert list(load_trust().keys) == [signer(2).fingerprint]
    with pytest.raises(BundleError, match=r"Trusted: other\.pub"):
        use_bundle(find_named("expression", bundle_folder))
    monkeypatch.setenv("RUSHES_TRUST", str(studio))

    assert list(load_trust().keys) == [signer(1).fingerprint]


def test_keys_that_are_named_must_be_there(tmp_path, monkeypatch):
    """A wrong path is an error; it never turns verification off."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.pub").write_text("no key")
    (tmp_path / "private.pub").write_text("-----BEGIN PRIVATE KEY-----")
    for name, reason in (
        ("nowhere.pub", "No such file"),
        ("empty", "holds no trusted key"),
        ("text.pub", "not an Ed25519 public key"),
        ("private.pub", "is a private key"),
    ):
        monkeypatch.setenv("RUSHES_TRUST", str(tmp_path / name))
        with pytest.raises(MisuseError, match=reason):
            load_trust()


def _no_key(folder):
    folder.mkdir(parents=True)
    (folder / "studio.pem").write_text("called otherwise")


def _a_link_to_nothing(folder):
    folder.parent.mkdir(parents=True)
    folder.symlink_to("nowhere")


@pytest.mark.parametrize(
    ("lay", "reason"),
    [
        (lambda folder: folder.mkdir(parents=True), "holds no trusted key"),
        (_no_key, "holds no trusted key"),
        (_a_link_to_nothing, "cannot be read: No such file"),
    ],
)
def test_a_folder_for_keys_holds_some(signed, tmp_path, lay, reason):
    """An existing folder trusted/ without a key refuses everything, rather than accepting everything."""
    lay(tmp_path / "config/trusted")

    with pytest.raises(MisuseError, match=rf"config/trusted.* {reason}"):
        use_bundle(find_named("expression", signed))


@pytest.mark.parametrize("place", ["config", "named", "given"])
def test_a_folder_of_keys_that_cannot_be_listed_is_an_error(studio, tmp_path, monkeypatch, place):
    """Another user's folder, or an unavailable share, is not taken for an empty one."""

    def refuse(_):
        raise PermissionError(13, "Permission denied")

    if place == "config":
        shutil.copytree(studio.parent, tmp_path / "config/trusted")
    monkeypatch.setenv("RUSHES_TRUST", str(studio.parent) if place == "named" else "")
    monkeypatch.setattr(signature.Path, "iterdir", refuse)

    with pytest.raises(MisuseError, match=r"the trusted keys in .*trusted cannot be read: Permission denied"):
        load_trust([studio.parent] if place == "given" else None)


@pytest.mark.parametrize("named", [os.pathsep, os.pathsep * 3])
def test_a_list_of_no_keys_is_misuse(studio, tmp_path, monkeypatch, named):
    """RUSHES_TRUST without a path is an error, and does not turn verification off; empty, it counts as unset."""
    monkeypatch.setenv("RUSHES_TRUST", named)
    with pytest.raises(MisuseError, match="names no key and no folder"):
        load_trust()
    monkeypatch.setenv("RUSHES_TRUST", "")
    shutil.copytree(studio.parent, tmp_path / "config/trusted")

    assert list(load_trust().keys) == [signer(1).fingerprint]


def test_without_the_package_nothing_is_taken_on_faith(signed, studio, monkeypatch):
    """With trusted keys and without `cryptography`, the message names the package to install."""
    monkeypatch.setitem(sys.modules, "cryptography", None)

    with pytest.raises(RushesError, match="pip install cryptography"):
        use_bundle(find_named("expression", signed), trust=[studio])
    assert use_bundle(find_named("expression", signed))


def test_pull_and_capture_print_it_in_a_line(signed, studio, clip, tmp_path, monkeypatch, capsys):
    """The commands print the signer, or one line with status 1 for an unsigned bundle."""
    rushes = command_line(monkeypatch, capsys)
    words = ("--registry", signed, "--to", tmp_path / "store", "--trust", studio)
    status, out, _ = rushes("pull", "expression", *words)
    (signed / SIGNATURE).unlink()
    refused = rushes("capture", "--model", signed, "--source", clip, "--trust", studio)

    assert (status, "signed by studio.pub" in out) == (0, True)
    assert (refused[0], len(refused[2].splitlines())) == (1, 1)
    assert "certificate.sig is missing" in refused[2]


def test_a_killed_pull_leaves_no_old_signature(signed, studio, tmp_path):
    """A partly fetched bundle is not taken for the registry's current one."""
    write_bundle(tmp_path / "store/expression" / f".bundle-{sha256_file(signed / MANIFEST)[:12]}.part")
    shutil.copy(signed / SIGNATURE, next((tmp_path / "store/expression").iterdir()))
    (signed / SIGNATURE).unlink()

    with pytest.raises(BundleError, match="signature was removed"):
        pull("expression", str(signed), tmp_path / "store", trust=load_trust([studio]))
