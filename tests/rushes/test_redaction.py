import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rushes import redaction
from rushes.redaction import Login, join_login, redact, split_login
from rushes.store.store import pull_hint

SECRET = "hunter2-Gr4n1te"  # noqa: S105 - an invented password


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """Clears the secrets of other tests."""
    monkeypatch.setattr(redaction, "_known", set())


@pytest.mark.parametrize(
    ("given_url", "url", "login"),
    [
        ("https://ada:hunter2-Gr4n1te@m.example:5000/x", "https://m.example:5000/x", ("ada", SECRET)),
        ("https://ada:p%40ss%2Fword@m.example", "https://m.example", ("ada", "p@ss/word")),
        ("https://ada:p@ssword@m.example", "https://m.example", ("ada", "p@ssword")),
        ("https://ghp_0123456789@m.example/r.git", "https://m.example/r.git", ("ghp_0123456789", "")),
        ("ssh://git@m.example/r", "ssh://git@m.example/r", ("", "")),
        ("ssh://git:hunter2-Gr4n1te@m.example/r", "ssh://m.example/r", ("git", SECRET)),
        ("https://ada:pa/ss-word@m.example:5000/x", "https://m.example:5000/x", ("ada", "pa/ss-word")),
        ("https://ada:pa?ss#word@m.example/", "https://m.example/", ("ada", "pa?ss#word")),
        ("https://ada:pass word'1\"@m.example/", "https://m.example/", ("ada", "pass word'1\"")),
        ("s3://AKIA:sec/ret+1@bucket/p", "s3://bucket/p", ("AKIA", "sec/ret+1")),
        ("https://m.example:5000/take@2", "https://m.example:5000/take@2", ("", "")),
        ("http://[::1]:5000/take@2", "http://[::1]:5000/take@2", ("", "")),
        ("s3://bucket/take@2", "s3://bucket/take@2", ("", "")),
        ("/mnt/a@b/c", "/mnt/a@b/c", ("", "")),
        ("", "", ("", "")),
    ],
)
def test_login_leaves_the_address(given_url, url, login):
    """An address is split into a printable part and a secret one."""
    assert split_login(given_url) == (url, Login(*login))
    assert SECRET not in repr(split_login(given_url))


@pytest.mark.parametrize("written", ["p%2fss%2Fword", "p@ss%2Fword-1", "pass word'1\"", "sec/ret?#12"])
def test_a_password_is_hidden_as_it_was_written(written):
    """Libraries repeat it with their own escapes, or as typed."""
    split_login(f"https://ada:{written}@m.example/x")

    assert written not in redact(f"login of ada with {written} failed; https://ada:{written}@m.example/x")


@given(user=st.text(min_size=1, max_size=9), password=st.text(min_size=1, max_size=20))
def test_login_survives_being_split_and_joined(user, password):
    """The client gets the same name and password, whatever characters they have."""
    url = join_login("https://m.example/x", Login(user, password))

    assert split_login(url) == ("https://m.example/x", Login(user, password))


# A distinctive piece between characters that end the host of an address for other parsers.
ODD = st.text(alphabet="/@:#?", max_size=4)
PIECES = st.lists(st.sampled_from(["Gr4n1te", "S4ndst0ne", "M4rble"]), min_size=2, max_size=4)


@given(pieces=PIECES, odd=st.lists(ODD, min_size=4, max_size=4), scheme=st.sampled_from(["https", "s3", "ssh"]))
@example(pieces=["p", "ss", "w0rd"], odd=["@", "/", "", ""], scheme="https")
@example(pieces=["12345", "Gr4n1te"], odd=["/", "", "", ""], scheme="https")
def test_no_piece_of_a_password_is_left(pieces, odd, scheme):
    """Every unescaped piece of it is hidden, in a text and in the parts of a split address."""
    password = "".join(f"{piece}{between}" for piece, between in zip(pieces, odd, strict=False))
    url = f"{scheme}://ada:{password}@m.example:5000/x"
    redaction._known.clear()  # of the last example
    texts = [redact(f"cannot reach {url}: refused"), redact(f"'{url}'")]
    texts.append(redact(f"cannot reach {split_login(url)[0]}"))

    assert [piece for piece in pieces for text in texts if len(piece) > 3 and piece in text] == []
    assert all("m.example:5000/x" in text for text in texts)


@pytest.mark.parametrize(
    "text", ["ssh://git@m.example:22/r@2", "https://m.example:5000/take@2", "http://[::1]:5000/a@b"]
)
def test_addresses_without_a_secret_stay(text):
    """An account, and an @ in a path."""
    assert redact(f"cannot reach {text}") == f"cannot reach {text}"


def test_a_long_text_is_redacted_at_once():
    """A log may end with one line of a megabyte."""
    assert redact("a" * 1_000_000 + "://ada:Gr4n1te@m.example").endswith("://***@m.example")


@pytest.mark.parametrize(
    "text",
    [
        f"Max retries exceeded with url: https://ada:{SECRET}@m.example/api",
        f"'webdavs://ada:{SECRET}@m.example' and redis://:{SECRET}@r.example",
        f"GET https://b.example/o?X-Amz-Signature={SECRET}&x=1",
        f"curl https://hooks.example/?token={SECRET}",
        f"cannot reach https://ada:/{SECRET}?@m.example:5000/api",
    ],
)
def test_secrets_of_others_texts_are_hidden(text):
    """Texts of libraries and programs are printed without the secret, and with the host."""
    assert SECRET not in redact(text)
    assert ".example" in redact(text)


def test_known_secrets_are_hidden_wherever_they_stand(monkeypatch):
    """A password that was read once, or is in the environment, is hidden without its address too."""
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "fr0m-the-environment")
    monkeypatch.setenv("SHORT_TOKEN", "no")
    split_login("https://ada:p%40ss%2Fword@m.example")

    assert redact("p@ss/word p%40ss%2Fword fr0m-the-environment no") == "*** *** *** no"


def test_plain_words_stay(tmp_path, monkeypatch):
    """Addresses without a login, e-mail addresses and the path to a key file are kept."""
    monkeypatch.setenv("SSH_KEY_SECRET", str(tmp_path))
    text = f"http://127.0.0.1:5000/#/x ada@m.example {tmp_path} key=value {os.sep}"

    assert redact(text) == text


def test_a_hint_to_pull_names_no_password(monkeypatch):
    """For a registry from the command line or from the environment."""
    monkeypatch.setenv("RUSHES_REGISTRY", f"https://ada:{SECRET}@m.example")

    assert pull_hint("scene") == "rushes pull scene --registry https://m.example"
    assert pull_hint("scene", f"https://ada:{SECRET}@n.example") == "rushes pull scene --registry https://n.example"
