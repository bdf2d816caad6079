"""Addresses of databases without their passwords: for all that is printed or written down."""

from __future__ import annotations

import re
from urllib.parse import quote, quote_plus, unquote, unquote_plus

MASK = "***"
SHORTEST = 3  # letters of what is looked for: each word has parts of one or two

# From the user to the last @ before a space: what a password must escape may not be escaped.
_LOGIN = re.compile(r"(?P<user>\w://[^\s:/@'\"]*):(?P<password>[^\s'\"]*)@")
_NAME = r"[\w.-]*(?:pass(?:word|wd|phrase|code)?|pwd|secret|token|key|authMechanismProperties)"
_OPTION = re.compile(
    rf"(?P<mark>[?&;])(?:{_NAME}=(?P<password>[^\s&;'\"]*)(?P<more>[&;]?))+", re.IGNORECASE
)
_WHOLE = re.compile(r"[^:]*://[^:/@]*:(?P<password>.*)@", re.DOTALL)  # of one URL, spaces and all


def without_password(text: str, *urls: str) -> str:
    """A URL, or a text in which URLs stand, without passwords: postgresql://me@host/db.

    What is left of a URL still connects where the password is kept elsewhere, as in ~/.pgpass.

    :param urls: of databases that the text may quote in part, as the errors of drivers do.
    """
    for secret in sorted({part for url in urls for part in _parts(url)}, key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = _LOGIN.sub(r"\g<user>@", text)
    return _OPTION.sub(lambda match: match["mark"] if match["more"] else "", text)


def _parts(url: str) -> set[str]:
    """The passwords of a URL, in each spelling that they may come back in, whole and in parts."""
    parts = {match["password"] for match in (_WHOLE.match(url),) if match}
    parts |= {match["password"] for match in _OPTION.finditer(url)}
    for password in list(parts):
        parts |= {spell(password) for spell in (unquote, unquote_plus, quote, quote_plus)}
        parts |= set(re.split("[@:/?#&]", password))
    parts |= {repr(password)[1:-1] for password in parts}
    return {password for password in parts if len(password) >= SHORTEST}
