"""What is written behind a username or a password asks for an exit.

After the username keys and values are joined by hyphens: ``USER-country-us-session-abc123-ttl-10``. After the password
each pair is led by an underscore: ``PASS_country-us_session-abc123_lifetime-10m``. Issued credentials hold neither
sign, so what stands before the first one is the credential. Keys are ``country``, ``state``, ``city``, ``session`` and
``ttl`` (or ``lifetime``); keys and values are read without case. A pair may be written at both places if it says the
same at both.
"""

import re

from novaproxy.gateway.model import Login, Wish
from novaproxy.gateway.refusals import CredentialsNotValid, ParameterNotValid

MOST_SESSION_LETTERS = 64
MOST_PLACE_LETTERS = 64
LONGEST_TTL_SECONDS = 24 * 60 * 60

_KEYS = {
    "country": "country",
    "state": "state",
    "city": "city",
    "session": "session",
    "ttl": "ttl",
    "lifetime": "ttl",
}
_KNOWN = "country, state, city, session, ttl, lifetime"
_COUNTRY = re.compile(r"[a-z]{2}")
_PLACE = re.compile(rf"[a-z0-9+.']{{1,{MOST_PLACE_LETTERS}}}")
_SESSION = re.compile(rf"[a-z0-9]{{1,{MOST_SESSION_LETTERS}}}")
_TTL = re.compile(r"([0-9]{1,9})([smh]?)")
_SECONDS_OF = {"s": 1, "m": 60, "h": 3600, "": 60}

Pairs = dict[str, str]
"""Parameter to value, both lower case; a lifetime is a ttl."""


def read_login(username: str, password: str) -> Login:
    """Return the credentials without their parameters, and what those wish.

    Raises:
        CredentialsNotValid: nothing is left of the username or the password, or they hold other signs than credentials
            and parameters have.
        ParameterNotValid: a parameter is unknown, repeated, incomplete or impossible.
    """
    # Without case only within ASCII: the dotted capital I of Turkish becomes two letters in lower case.
    if not (username.isascii() and username.isprintable() and password.isascii() and password.isprintable()):
        raise CredentialsNotValid
    name, *words = username.split("-")
    secret, *tails = password.split("_")
    if not name or not secret:
        raise CredentialsNotValid
    return Login(name, secret, read_wish(_pairs_behind_username(words), _pairs_behind_password(tails)))


def read_wish(behind_username: Pairs, behind_password: Pairs) -> Wish:
    """Return what the pairs of both places wish together.

    Raises:
        ParameterNotValid: a value is impossible, or the places contradict each other.
    """
    for key in behind_username.keys() & behind_password.keys():
        if behind_username[key] != behind_password[key]:
            raise ParameterNotValid(f"The parameter '{key}' differs behind the username and the password.")
    pairs = behind_username | behind_password
    if "ttl" in pairs and "session" not in pairs:
        raise ParameterNotValid("The parameter 'ttl' needs a 'session' whose exit it keeps.")
    return Wish(
        country=_matched(pairs, "country", _COUNTRY, "two letters, such as us"),
        state=_matched(pairs, "state", _PLACE, _place_sentence()),
        city=_matched(pairs, "city", _PLACE, _place_sentence()),
        session=_matched(pairs, "session", _SESSION, f"1 to {MOST_SESSION_LETTERS} letters and digits"),
        ttl_seconds=_ttl_seconds(pairs["ttl"]) if "ttl" in pairs else None,
    )


def _place_sentence() -> str:
    return f"1 to {MOST_PLACE_LETTERS} letters and digits, with + for a space"


def _pairs_behind_username(words: list[str]) -> Pairs:
    pairs: Pairs = {}
    for place in range(0, len(words), 2):
        key = words[place].lower()
        if key not in _KEYS:
            raise ParameterNotValid(f"A parameter behind the username is not known; known are {_KNOWN}.")
        _add(pairs, key, words[place + 1] if place + 1 < len(words) else "")
    return pairs


def _pairs_behind_password(tails: list[str]) -> Pairs:
    pairs: Pairs = {}
    for tail in tails:
        key, _, value = tail.partition("-")
        # What is no key may be a piece of a mistyped password, and is not repeated.
        if key.lower() not in _KEYS:
            raise ParameterNotValid(f"A parameter behind the password is not known; known are {_KNOWN}.")
        _add(pairs, key.lower(), value)
    return pairs


def _add(pairs: Pairs, key: str, value: str) -> None:
    if not value:
        raise ParameterNotValid(f"The parameter '{key}' has no value.")
    name = _KEYS[key]
    if name in pairs:
        raise ParameterNotValid(f"The parameter '{name}' is given twice.")
    pairs[name] = value.lower()


def _matched(pairs: Pairs, key: str, pattern: re.Pattern[str], right: str) -> str | None:
    value = pairs.get(key)
    if value is not None and not pattern.fullmatch(value):
        raise ParameterNotValid(f"The parameter '{key}' must be {right}.")
    return value


def _ttl_seconds(value: str) -> int:
    """Return the seconds of ``10`` (minutes), ``90s``, ``10m`` or ``2h``."""
    match = _TTL.fullmatch(value)
    seconds = int(match[1]) * _SECONDS_OF[match[2]] if match else 0
    if not 1 <= seconds <= LONGEST_TTL_SECONDS:
        raise ParameterNotValid("The parameter 'ttl' must be minutes, or a number with s, m or h; at most 24 hours.")
    return seconds
