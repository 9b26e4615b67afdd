"""The same limits under TLS, which uses another socket class."""

import datetime as dt
import ipaddress
import ssl
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from rushes.errors import RushesError
from rushes.pull import http_retry
from rushes.pull.http_guard import Limits
from rushes.pull.pull import pull
from tests.support.fake_mlflow import FakeMlflow
from tests.support.lying import drop_by_drop, endless_without_length, lying, silence
from tests.support.runtime import write_bundle

QUICK = Limits(connect_s=1, silence_s=0.25, window_s=0.3, min_bytes_per_s=5000, download_s=3)
HEAD = b"HTTP/1.0 200 OK\r\n\r\n"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate and its key, in one file."""
    key, name = Ed25519PrivateKey.generate(), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "registry")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, None)
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + made.public_bytes(Encoding.PEM))
    return path


@pytest.fixture
def registry(tmp_path, monkeypatch, certificate):
    """A registry over TLS."""
    for name in ("USERNAME", "PASSWORD", "TOKEN", "INSECURE_TLS", "SERVER_CERT_PATH"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    monkeypatch.setattr(http_retry, "PAUSES_S", (0,))
    write_bundle(tmp_path / "v7")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with lying(FakeMlflow({7: tmp_path / "v7"}, {"champion": 7}), context) as liar_registry:
        yield liar_registry


def test_an_honest_server(registry, tmp_path, monkeypatch, certificate):
    """Refused with the variable that names its certificate; with the variable, it is read to the end."""
    with pytest.raises(RushesError, match=r"not trusted here: name it in MLFLOW_TRACKING_SERVER_CERT_PATH"):
        pull("expression", registry.url, tmp_path / "store", limits=QUICK)
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(certificate))

    assert pull("expression", registry.url, tmp_path / "store", limits=QUICK).fetched == 2


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        (silence, "in time"),
        (drop_by_drop(HEAD + b"{"), "too slow|in time"),
        (drop_by_drop(b"HTTP/1.0 200 "), "too slow|in time"),
        (endless_without_length(b" " * 65536), "larger than"),
    ],
)
def test_a_lie_is_refused(registry, tmp_path, monkeypatch, certificate, lie, reason):
    """Silence, single bytes, an endless body: refused as soon as without TLS."""
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(certificate))
    registry.place, registry.lie, started = "registered-models/alias", lie, time.monotonic()

    with pytest.raises(RushesError, match=reason):
        pull("expression", registry.url, tmp_path / "store", limits=QUICK)
    assert time.monotonic() - started < 5
