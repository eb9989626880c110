"""What an order asks for: the fields of the body, checked as a whole (contract, section 3, rows 0a to 0d)."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches

from msgspec import Struct

from novaproxy.errors import Refusal, echo
from novaproxy.http.body import Fields, JsonValue, json_object
from novaproxy.money import plain

FIELDS = ("plan", "bandwidth", "duration", "config", "discount_code")

_REFUSED_FIELD = "payment_gateway_id"
_KEY = re.compile(r"[\x20-\x7e]{1,255}")
_SCALARS = (str, Decimal, bool)


class KeyNotValid(Refusal):
    """The Idempotency-Key header is empty, too long, or no printable ASCII."""

    code = "idempotency_key_not_valid"

    def __init__(self) -> None:
        super().__init__("The Idempotency-Key header must be 1 to 255 printable ASCII characters.")


class KeyUsedOtherwise(Refusal):
    """The key belongs to an order that another request made."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("The Idempotency-Key was already used with another request.")


class PaymentGatewaySent(Refusal):
    """A payment gateway was named; orders of this API are paid from the balance."""

    code = "payment_gateway_not_allowed"

    def __init__(self) -> None:
        super().__init__(
            "The payment_gateway_id field must not be sent. Orders are charged to the account balance.",
        )


class FieldUnknown(Refusal):
    """A field that there is not, *known* being those that there are; money moves on a typo, so it is not ignored."""

    code = "unknown_field"

    def __init__(self, name: str, known: Sequence[str] = FIELDS) -> None:
        near = get_close_matches(echo(name).lower(), known, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        super().__init__(f"Unknown field '{echo(name)}'.{hint}")
        self.name = name


class OrderRequest(Struct, frozen=True):
    """The fields of an order as they came, trimmed; None is absent. What they mean is for the rules."""

    plan: JsonValue = None
    bandwidth: JsonValue = None
    duration: JsonValue = None
    config: JsonValue = None
    discount_code: JsonValue = None


def is_absent(value: JsonValue) -> bool:
    """Return whether *value* means that the field was not given: null, empty text, ``{}`` and ``[]``."""
    return value is None or value in ("", {}, [])


def checked_key(headers: Sequence[str]) -> str | None:
    """Return the Idempotency-Key, None where none was sent.

    Raises:
        KeyNotValid: row 0a; also where it was sent twice, which a client and a proxy between might not both notice.
    """
    if not headers:
        return None
    if len(headers) > 1 or not _KEY.fullmatch(headers[0]):
        raise KeyNotValid
    return headers[0]


def order_request(fields: Fields) -> OrderRequest:
    """Return what is asked for (rows 0b to 0d).

    Raises:
        FieldGivenTwice, FieldIsFile, TextNotAllowed, PaymentGatewaySent, FieldUnknown.
    """
    given = _with_config_read(fields)
    if given.fault is not None:
        raise given.fault
    if not is_absent(given.values.get(_REFUSED_FIELD)):
        raise PaymentGatewaySent
    for name in given.values:
        if name not in FIELDS and name != _REFUSED_FIELD:
            raise FieldUnknown(name)
    return OrderRequest(**{name: value for name, value in given.values.items() if _is_asked(name, value)})


def _is_asked(name: str, value: JsonValue) -> bool:
    return name in FIELDS and not is_absent(value)


def _with_config_read(fields: Fields) -> Fields:
    """Return *fields* with a ``config`` that is text holding a JSON object read as that object."""
    config = fields.values.get("config")
    if not isinstance(config, str):
        return fields
    read = json_object(config)
    if read is None:
        return fields
    return Fields({**fields.values, "config": dict(read.values)}, fields.fault or read.fault)


def request_hash(fields: Fields) -> bytes | None:
    """Return the SHA-256 that equal requests share (contract, section 6), None for a request that no order can have.

    The fields after parsing, trimming and dropping absent ones; their order and the body's format do not count; the
    text ``10`` and the number 10 differ, the numbers 10 and 10.0 do not.
    """
    given = _with_config_read(fields)
    if given.fault is not None or any(
        name not in FIELDS and not is_absent(given.values[name]) for name in given.values
    ):
        return None
    parts: list[str] = []
    for name in FIELDS:
        value = given.values.get(name)
        if is_absent(value):
            continue
        written = _canonical_config(value) if isinstance(value, dict) else _canonical(value)
        if written is None:
            return None
        parts.append(f"{name}={written}")
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()


def _canonical_config(config: Mapping[str, JsonValue]) -> str | None:
    parts = []
    for name in sorted(config):
        written = _canonical(config[name])
        if written is None:
            return None
        # Neither text nor name holds a NUL, so the separators cannot be forged.
        parts.append(f"{name}\0\0{written}")
    return "{" + "\0\0\0".join(parts)


def _canonical(value: JsonValue) -> str | None:
    match value:
        case str():
            return f"text {value}"
        case bool() | None:
            return f"{value}"
        case Decimal() if value.is_finite() and (
            not value or abs(value.adjusted()) <= len(value.as_tuple().digits) + 30
        ):
            return f"number {plain(value)}"
        case _:
            return None
