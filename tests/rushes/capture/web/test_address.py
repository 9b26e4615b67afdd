import pytest

from rushes.capture.web.address import PORT, WebAddress, parse_web_address
from rushes.errors import MisuseError


@pytest.mark.parametrize(
    ("text", "host", "port", "local"),
    [
        ("8765", "127.0.0.1", 8765, True),
        ("0", "127.0.0.1", 0, True),
        ("localhost:9000", "localhost", 9000, True),
        ("[::1]:9000", "::1", 9000, True),
        ("127.0.0.2", "127.0.0.2", PORT, True),
        ("0.0.0.0:9000", "0.0.0.0", 9000, False),  # noqa: S104  # an address that a user may give
        ("cart.local:9000", "cart.local", 9000, False),
        ("[::]:9000", "::", 9000, False),
    ],
)
def test_an_address_is_parsed(text, host, port, local):
    """A port alone is one of this machine; only loopback addresses are local."""
    address = parse_web_address(text)

    assert (address, address.is_local) == (WebAddress(host, port), local)


@pytest.mark.parametrize("text", ["", "70000", "host:port", "::1", "http://x", "host:80/x", "a@host", "[::1", "x?y"])
def test_an_invalid_address_is_refused(text):
    """The message names the given text, and what would be right."""
    with pytest.raises(MisuseError, match=r"^--web .* is not an address: give a port \(--web 8765\)"):
        parse_web_address(text)
