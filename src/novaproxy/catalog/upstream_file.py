"""The upstreams of the catalog file: how the exits are reached, and whom they serve.

No fault repeats what stands where a password may stand, not even by mistake, as in a URL.
"""

import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final

from novaproxy.catalog import written
from novaproxy.catalog.fields import Fields
from novaproxy.catalog.model import Upstream, UpstreamType
from novaproxy.catalog.yaml_nodes import TextNode

UPSTREAM_KEYS: Final = (
    "name",
    "type",
    "host",
    "port",
    "username",
    "password",
    "password_env",
    "source",
    "country",
    "state",
    "city",
    "tags",
    "weight",
    "plans",
)

WEIGHT_LIMIT: Final = 1_000_000
_OF_PROXIES: Final = ("host", "port", "username", "password", "password_env")

LAST_PORT: Final = 65_535
_DIGITS: Final = re.compile(r"[0-9]{1,5}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HOST: Final = re.compile(r"[A-Za-z0-9._:-]{1,253}")
_SECRET: Final = re.compile(r"[\x21-\x7e]{1,255}")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_COUNTRY: Final = re.compile(r"[a-z]{2}")
_PLACE: Final = re.compile(r"[a-z0-9+.']{1,64}")
_TAG: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")

NamedPlans = Callable[[Fields], tuple[str, ...] | None]
"""Reads the key ``plans``: slugs of plans that are known."""


def upstream(fields: Fields, *, named_plans: NamedPlans) -> Upstream:
    """Return the upstream that a mapping of the file says; its faults go to *fields*."""
    kind = fields.required("type", written.one_of(UpstreamType), None)
    name = fields.required("name", _name, "")
    if kind is UpstreamType.DIRECT:
        for key in _OF_PROXIES:
            fields.refuse(key, "is for http and socks5; a direct upstream is this machine itself")
    elif kind is not None:
        fields.refuse("source", "is for direct; the system chooses where a connection to a proxy begins")
        fields.required("host", _host, "")
        fields.required("port", _port, 0)
        _check_credentials(fields, kind)
    return Upstream(
        name=name,
        type=kind or UpstreamType.DIRECT,
        host=fields.read("host", _host, None),
        port=fields.read("port", _port, None),
        username=fields.read("username", _username, None),
        password=fields.read("password", _password, None),
        password_env=fields.read("password_env", _variable, None),
        source=fields.read("source", _source, None),
        country=fields.read("country", _country, None),
        state=fields.read("state", _place, None),
        city=fields.read("city", _place, None),
        tags=tuple(dict.fromkeys(fields.texts("tags", _tag) or ())),
        weight=fields.read("weight", written.integer(1, WEIGHT_LIMIT), 1),
        plans=named_plans(fields),
    )


def _check_credentials(fields: Fields, kind: UpstreamType) -> None:
    """Note a fault unless there are a username and one password, or neither."""
    passwords = [key for key in ("password", "password_env") if fields.is_given(key)]
    if len(passwords) > 1:
        fields.fault("password_env", "needs either password or password_env, not both")
    elif fields.is_given("username") and not passwords:
        fields.fault("username", "needs a password, or password_env, beside it")
    elif passwords and not fields.is_given("username"):
        fields.fault(passwords[0], "needs a username beside it")
    if kind is UpstreamType.HTTP and ":" in fields.read("username", _username, ""):
        fields.fault("username", "must not have a colon: HTTP ends a username there")


def _name(node: TextNode) -> str:
    return _matched(node, _NAME, "must be 1 to 64 letters A-Z and a-z, digits, '.', '_' and '-'", is_shown=True)


def _host(node: TextNode) -> str:
    # Somebody may write a whole URL here, with its password.
    return _matched(node, _HOST, "must be a host's name or address alone, without scheme, login and port")


def _port(node: TextNode) -> int:
    # Somebody may write what providers give out: a port, a username and a password, colons between.
    sentence = f"must be an integer from 1 to {LAST_PORT}"
    port = int(_matched(node, _DIGITS, sentence))
    if not 1 <= port <= LAST_PORT:
        raise written.NotAsMeant(sentence)
    return port


def _username(node: TextNode) -> str:
    return _matched(node, _SECRET, "must be 1 to 255 printable ASCII characters, no space")


_password = _username


def _variable(node: TextNode) -> str:
    # Somebody may write the password itself here.
    return _matched(node, _VARIABLE, "must be the name of a variable of the environment, such as EXIT_PASSWORD")


def _source(node: TextNode) -> str:
    try:
        address = ip_address(node.text)
    except ValueError:
        raise written.NotAsMeant(f"must be an address such as 192.0.2.1: {written.shown(node.text)}") from None
    if "%" in node.text or address.is_multicast or address.is_unspecified:
        raise written.NotAsMeant(f"must be an address of one host: {written.shown(node.text)}")
    return str(address)


def _country(node: TextNode) -> str:
    return _matched(node, _COUNTRY, "must be two lower-case letters, such as us", is_shown=True)


def _place(node: TextNode) -> str:
    sentence = "must be lower-case letters a-z, digits, '+', '.' and \"'\", as customers write it"
    return _matched(node, _PLACE, sentence, is_shown=True)


def _tag(node: TextNode) -> str:
    return _matched(node, _TAG, "must be 1 to 64 lower-case letters a-z, digits, '_' and '-'", is_shown=True)


def _matched(node: TextNode, pattern: re.Pattern[str], sentence: str, *, is_shown: bool = False) -> str:
    if not pattern.fullmatch(node.text):
        raise written.NotAsMeant(f"{sentence}: {written.shown(node.text)}" if is_shown else sentence)
    return node.text
