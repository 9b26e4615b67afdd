"""Keeps passwords out of everything that is printed or written.

Credentials are taken out of an address where it is read (`split_login`), so that most code never sees them. Text that
comes from elsewhere (another program's output, a library's exception, a validation error) goes through `redact` where
it enters a message. Standard library alone: this is imported before anything heavy.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

HIDDEN = "***"
# A login reaches from :// to the last @ before a space or quote: people leave @ / ? # in a password unescaped, and
# hiding too much costs less than a piece of a password. The text has a login where the host's part holds an @, or
# where a colon without a port behind it is followed by / ? #. So `https://host.example:5000/take@2` has none.
_LOGIN = re.compile(
    r"([a-z][a-z0-9+.-]{0,30}://)"
    r"(?=[^\s/?#'\"<>]+@"
    r"|(?!\[|(?:localhost|[^\s/?#@:'\"<>]*\.[^\s/?#@:'\"<>]*):\d+[/?#])[^\s/?#@:'\"<>]*:[^\s@'\"<>]*[/?#])"
    r"([^\s'\"<>]+)@",
    re.IGNORECASE,
)
# The login of an address as its standard has it: up to the last @ of the host's part.
_USERINFO = re.compile(r"([a-z][a-z0-9+.-]*://)([^\s/?#'\"<>]+)@(?=[^/?#])", re.IGNORECASE)
# Of a text that is one address and nothing else: spaces and quotes belong to the password as well.
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*://)(?!\[)([^/?#@:]*:(?!\d+[/?#]).*|[^/?#]+)@", re.IGNORECASE | re.DOTALL)
# Query parameters that carry a secret by themselves: presigned URLs of S3 and Azure, tokens of webhooks.
_SECRET_QUERY = re.compile(
    r"([?&](?:x-amz-signature|x-amz-security-token|sig|signature|token|access_token|api_key|key|password)=)[^\s&'\"<>]+",
    re.IGNORECASE,
)
_SECRET_VARIABLE = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|API_KEY|AUTH_STRING|CREDENTIALS", re.IGNORECASE)
# A shorter value also occurs in ordinary words; replacing those would garble every message.
_MIN_SECRET_CHARS = 6
_NO_LOGIN_NEEDED = ("ssh", "git+ssh", "sftp")  # ssh://git@host names an account, not a secret


class Login(NamedTuple):
    """User name and password of an address, decoded; both empty where it has none."""

    user: str = ""
    password: str = ""

    def __bool__(self) -> bool:
        return bool(self.user or self.password)

    def __repr__(self) -> str:
        return f"Login({HIDDEN})" if self else "Login()"


_known: set[str] = set()  # secrets that this process has read; redacted from all output


def split_login(url: str) -> tuple[str, Login]:
    """Takes user name and password out of an address.

    Args:
        url: Any address, or a path; `https://user:p%40ss@host/path`.

    Returns:
        The address without them, and what was taken out, percent-decoded. From then on `redact` knows the password.
    """
    # An unescaped # or / in a password would end the host for urlsplit, so the text is matched, not parsed.
    match = _USERINFO.match(url) or _ADDRESS.match(url)
    if match is None:
        return url, Login()
    user, _, password = match[2].partition(":")
    login = Login(unquote(user), unquote(password))
    if not login.password and _scheme(url) in _NO_LOGIN_NEEDED:
        return url, Login()
    keep_secret(login.password or login.user)
    keep_secret(password or user)  # as it was written, which is how others repeat it
    # `https://ada:p@ss/word@host` is an address of the host `ss`; what a person may have meant is password as well.
    keep_secret(url[match.end() :].rpartition("@")[0])
    return match[1] + url[match.end() :], login


def join_login(url: str, login: Login) -> str:
    """The address with its login again, for a client that takes it in no other way."""
    if not login:
        return url
    parts = urlsplit(url)
    password = f":{quote(login.password, safe='')}" if login.password else ""
    return parts._replace(netloc=f"{quote(login.user, safe='')}{password}@{parts.netloc}").geturl()


def keep_secret(value: str) -> None:
    """From now on `redact` hides this value, as it is and percent-encoded."""
    if len(value) >= _MIN_SECRET_CHARS:
        _known.update((value, quote(value, safe="")))


def redact(text: str) -> str:
    """The text with every login in an address and every known secret replaced by `***`.

    Known are the passwords that `split_login` has seen and the values of environment variables with the name of a
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
