"""Keeps passwords out of all printed and written text.

Credentials are removed from an address when it is read (`split_login`), so that most code never handles them. Text from
other sources (another program's output, a library's exception, a validation error) goes through `redact` before it is
part of a message. This module uses only the standard library, because it is imported before anything heavy.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

HIDDEN = "***"
# A login extends from :// to the last @ before a space or quote: people leave @ / ? # in a password unescaped, and
# hiding too much is better than revealing a part of a password. The text has a login if the host part contains an @, or
# if a colon that is not followed by a port is followed by / ? #. So `https://host.example:5000/take@2` has none.
_LOGIN = re.compile(
    r"([a-z][a-z0-9+.-]{0,30}://)"
    r"(?=[^\s/?#'\"<>]+@"
    r"|(?!\[|(?:localhost|[^\s/?#@:'\"<>]*\.[^\s/?#@:'\"<>]*):\d+[/?#])[^\s/?#@:'\"<>]*:[^\s@'\"<>]*[/?#])"
    r"([^\s'\"<>]+)@",
    re.IGNORECASE,
)
# Login of an address according to the standard: up to the last @ of the host part.
_USERINFO = re.compile(r"([a-z][a-z0-9+.-]*://)([^\s/?#'\"<>]+)@(?=[^/?#])", re.IGNORECASE)
# Login in a text that is only an address: spaces and quotes also belong to the password.
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*://)(?!\[)([^/?#@:]*:(?!\d+[/?#]).*|[^/?#]+)@", re.IGNORECASE | re.DOTALL)
# Query parameters that are secrets by themselves: presigned URLs of S3 and Azure, tokens of webhooks.
_SECRET_QUERY = re.compile(
    r"([?&](?:x-amz-signature|x-amz-security-token|sig|signature|token|access_token|api_key|key|password)=)[^\s&'\"<>]+",
    re.IGNORECASE,
)
_SECRET_VARIABLE = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|API_KEY|AUTH_STRING|CREDENTIALS", re.IGNORECASE)
# A shorter value also occurs in ordinary words; replacing those would garble every message.
_MIN_SECRET_CHARS = 6
_NO_LOGIN_NEEDED = ("ssh", "git+ssh", "sftp")  # ssh://git@host names an account, not a secret


class Login(NamedTuple):
    """User name and password of an address, decoded; both are empty if it has none."""

    user: str = ""
    password: str = ""

    def __bool__(self) -> bool:
        return bool(self.user or self.password)

    def __repr__(self) -> str:
        return f"Login({HIDDEN})" if self else "Login()"


_known: set[str] = set()  # secrets that this process has read; redacted from all output


def split_login(url: str) -> tuple[str, Login]:
    """Separates user name and password from an address.

    Args:
        url: Any address, such as `https://user:p%40ss@host/path`, or a path.

    Returns:
        The address without login, and the login, percent-decoded. From then on `redact` hides the password.
    """
    # An unescaped # or / in a password would end the host for urlsplit, so the text is matched instead of parsed.
    match = _USERINFO.match(url) or _ADDRESS.match(url)
    if match is None:
        return url, Login()
    user, _, password = match[2].partition(":")
    login = Login(unquote(user), unquote(password))
    if not login.password and _scheme(url) in _NO_LOGIN_NEEDED:
        return url, Login()
    keep_secret(login.password or login.user)
    keep_secret(password or user)  # also as written, since other programs print it in this form
    # `https://ada:p@ss/word@host` is an address of the host `ss`; also hide the part that may be meant as password.
    keep_secret(url[match.end() :].rpartition("@")[0])
    return match[1] + url[match.end() :], login


def join_login(url: str, login: Login) -> str:
    """Address with its login inserted again, for a client that accepts it in no other way."""
    if not login:
        return url
    parts = urlsplit(url)
    password = f":{quote(login.password, safe='')}" if login.password else ""
    return parts._replace(netloc=f"{quote(login.user, safe='')}{password}@{parts.netloc}").geturl()


def keep_secret(value: str) -> None:
    """Registers a value that `redact` hides from now on, both as given and percent-encoded."""
    if len(value) >= _MIN_SECRET_CHARS:
        _known.update((value, quote(value, safe="")))


def redact(text: str) -> str:
    """Replaces every login in an address and every known secret in a text by `***`.

    Known secrets are the passwords found by `split_login` and the values of environment variables with the name of a
    secret (MLFLOW_TRACKING_PASSWORD, AWS_SECRET_ACCESS_KEY, PREFECT_API_AUTH_STRING and the like).
    """
    for secret in sorted(_known | _environment_secrets(), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    text = _LOGIN.sub(_without_login, text)
    return _SECRET_QUERY.sub(rf"\1{HIDDEN}", text)


def _without_login(match: re.Match[str]) -> str:
    user_info = re.split("[/?#]", f"{match[2]}@")[0].rpartition("@")[0]
    account_only = user_info and ":" not in user_info and _scheme(match[1]) in _NO_LOGIN_NEEDED
    return match[0] if account_only else f"{match[1]}{HIDDEN}@"


def _scheme(url: str) -> str:
    return url.partition("://")[0].lower()


def _environment_secrets() -> set[str]:
    values = {value for name, value in os.environ.items() if _SECRET_VARIABLE.search(name)}
    return {value for value in values if len(value) >= _MIN_SECRET_CHARS and not os.path.exists(value)}  # noqa: PTH110 - a path to a key file is not a secret
