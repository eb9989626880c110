"""Every refusal that a client can meet, said with sample facts, and when it is said.

The sentences themselves stand in the refusals' classes alone; a test finds each class here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from novaproxy.catalog.refusals import (
    BandwidthNotValid,
    BandwidthRequired,
    ConfigNotObject,
    ConfigRequired,
    DurationFormatInvalid,
    DurationNotAvailable,
    DurationNotText,
    DurationRequired,
    OptionMissing,
    OptionUnknown,
    PlanNotActive,
    PlanNotFound,
    PlanNotText,
    PlanRequired,
    PlanUnknown,
    ValueAboveMaximum,
    ValueBelowMinimum,
    ValueInvalid,
    ValueNotMultiple,
    ValueNotNumeric,
)
from novaproxy.discounts.rules import (
    CodeAlreadyUsed,
    CodeExpired,
    CodeForFirstOrder,
    CodeNotForPlan,
    CodeNotText,
    CodeNotValid,
    CodeNotYetValid,
    CodeUsedUp,
    OrderTooSmall,
)
from novaproxy.errors import Refusal
from novaproxy.http.body import LIMIT_BYTES
from novaproxy.http.body_refusals import (
    BodyNotForm,
    BodyNotJson,
    BodyNotObject,
    BodyNotUtf8,
    BodyTooDeep,
    BodyTooLarge,
    FieldGivenTwice,
    FieldIsFile,
    TextNotAllowed,
    UnsupportedCharset,
    UnsupportedMediaType,
)
from novaproxy.http.paging import CursorNotValid, LimitNotValid
from novaproxy.http.protocol import HEAD_LIMIT_BYTES
from novaproxy.http.refusals import (
    Busy,
    HeadTooLong,
    MethodNotAllowed,
    NotHttp,
    PathNotFound,
    ServerFault,
    TooManyRequests,
    TooManyWrongCodes,
    TooManyWrongTokens,
    Unauthenticated,
    Unavailable,
)
from novaproxy.orders.api import OrderNotFound, StatusUnknown
from novaproxy.orders.model import OrderStatus
from novaproxy.orders.request import FieldUnknown, KeyNotValid, KeyUsedOtherwise, PaymentGatewaySent
from novaproxy.orders.rules import InsufficientBalance, OrderLimitReached
from novaproxy.usage.period import InstantNotValid, Interval, IntervalUnknown, RangeEmpty, RangeTooLong
from novaproxy.whitelist import rules as whitelist
from novaproxy.whitelist.model import MOST_ADDRESSES


@dataclass(frozen=True, slots=True)
class Said:
    """A refusal with sample facts; *when* it is said, in Markdown, as the end of a sentence that begins with "when"."""

    refusal: Refusal
    when: str

    @property
    def status(self) -> int:
        """The status it comes with."""
        return self.refusal.status

    @property
    def code(self) -> str:
        """What ``X-Error-Code`` says with it."""
        return self.refusal.code

    @property
    def sentence(self) -> str:
        """What ``error`` says."""
        return self.refusal.sentence


UNAUTHENTICATED = Said(
    Unauthenticated(),
    "There is no `Authorization` header, or it holds no bearer token, or one that is unknown or revoked, or the "
    "account is suspended. It is told before anything about the body.",
)
PATH_NOT_FOUND = Said(PathNotFound(), "There is no such path.")
METHOD_NOT_ALLOWED = Said(MethodNotAllowed("GET, HEAD"), "The path has no such method; `Allow` lists those it has.")
HEAD_TOO_LONG = Said(
    HeadTooLong(HEAD_LIMIT_BYTES),
    "Method, path and headers together are longer. The connection ends, and the answer has no `X-Request-Id`.",
)
NOT_HTTP = Said(
    NotHttp(),
    "What was sent is no HTTP/1.1. Whole requests before it on the same connection are answered first; then the "
    "connection ends. The answer has no `X-Request-Id`.",
)
TOO_MANY_REQUESTS = Said(
    TooManyRequests(1), "The token, or all tokens of the address together, asked more often than the shop allows."
)
TOO_MANY_WRONG_TOKENS = Said(
    TooManyWrongTokens(1),
    "Too many requests of the address had no valid token. Tokens that were used there with success go on.",
)
TOO_MANY_WRONG_CODES = Said(
    TooManyWrongCodes(1),
    "An order names a discount code, and too many codes before it did not exist. Orders without a code go on.",
)
SERVER_FAULT = Said(ServerFault(), "Something broke. The operator's log has the rest, under the `X-Request-Id`.")
UNAVAILABLE = Said(
    Unavailable(),
    "The database is away, or the outcome of an order could not be learned in time. Send the same request again after "
    "`Retry-After` seconds; an order with its `Idempotency-Key`.",
)
BUSY = Said(
    Busy(), "The order would wait above a second, or the account is locked for too long. Send the same request again."
)
PLAN_UNKNOWN = Said(PlanUnknown(), "No plan that is sold has this slug.")
ORDER_NOT_FOUND = Said(
    OrderNotFound(), "You have no order with this uuid: it is unknown, malformed or somebody else's."
)
LIMIT_NOT_VALID = Said(LimitNotValid(), "`limit` is no whole number from 1 to 1000.")
CURSOR_NOT_VALID = Said(CursorNotValid(), "`cursor` was not taken from a `Link` header as it stood there.")
STATUS_UNKNOWN = Said(StatusUnknown(), "`status` is none of the eight.")

BODY = (
    Said(BodyNotUtf8(), "Some bytes of the body are no UTF-8, or a form's percent escapes make none."),
    Said(BodyNotJson(), "The body was announced as JSON and is none; an empty one is none either, nor is `NaN`."),
    Said(BodyNotObject(), "The body is JSON, but a list, a number, a text, true, false or null."),
    Said(BodyTooDeep(), "Lists and objects stand inside each other more than 32 deep."),
    Said(
        BodyNotForm(),
        "The body was announced as `multipart/form-data` and is broken, cut off, or has a part without a name.",
    ),
    Said(BodyTooLarge(LIMIT_BYTES), "The body is longer than 65,536 bytes, announced or in chunks."),
    Said(UnsupportedMediaType(), "The `Content-Type` is missing, malformed or another one."),
    Said(UnsupportedCharset(), "The `Content-Type` of the body, or of a part of a form, names another charset."),
)
"""What is said about a body before its fields mean anything: 400, 413 and 415."""

ORDER = (
    Said(KeyNotValid(), "The header is empty, longer, given twice, or holds other characters."),
    Said(
        KeyUsedOtherwise(),
        "The key has its order already, and this request is not the one that made it. Take a new key for a new order.",
    ),
    Said(
        FieldGivenTwice("plan"),
        "A JSON member or a form field stands in the body twice; or `config` stands beside `config[…]`.",
    ),
    Said(FieldGivenTwice("config[speed]"), "The same, of a member of `config`."),
    Said(FieldIsFile("plan"), "A part of a form carries a file name."),
    Said(TextNotAllowed("plan"), "A text holds a NUL character, or half of a surrogate pair."),
    Said(TextNotAllowed(None), "The same, of a field's name."),
    Said(PaymentGatewaySent(), "`payment_gateway_id` was sent and is not empty."),
    Said(FieldUnknown("bandwith"), "A field has another name, and one that exists is near."),
    Said(FieldUnknown("quantity"), "A field has another name. It is not ignored: money moves on a typo."),
    Said(PlanRequired(), "`plan` is missing or empty."),
    Said(PlanNotText(), "`plan` is a number, a list or the like."),
    Said(PlanNotFound("residental"), "No plan has this slug. It is compared exactly, with its case."),
    Said(DurationRequired(), "The plan is of type `duration`, and `duration` is missing or empty."),
    Said(DurationNotText(), "`duration` is a number, a list or the like."),
    Said(DurationFormatInvalid("week"), "The plan is of type `duration`, and `duration` says no length of time."),
    Said(
        DurationNotAvailable("3_weeks", "datacenter"),
        "The plan does not sell this duration. The texts are compared: `1_days` is not `1_day`. A plan of type "
        "`bandwidth` sells none at all.",
    ),
    Said(ConfigRequired(), "The duration has options, and `config` is missing or empty."),
    Said(ConfigNotObject(), "`config` is a list, a number, true, or a text that holds no JSON object."),
    Said(OptionMissing("speed"), "An option of the duration has no value; the first one is named."),
    Said(OptionUnknown("sped"), "`config` names something that is no option here; the first one is named."),
    Said(ValueInvalid("country"), "The option is a `select`, and the value is none of its choices."),
    Said(
        ValueNotNumeric("speed"),
        "The option wants a number, and the value is none, or has more than 15 significant digits. A text is a number "
        "where it looks like `10` or `-0.5`.",
    ),
    Said(
        ValueBelowMinimum("speed", Decimal(1)), "The number is below the option's `min`, or below 0 where that is null."
    ),
    Said(ValueAboveMaximum("speed", Decimal(100)), "The number is above the option's `max`."),
    Said(
        ValueNotMultiple("speed", Decimal("0.5")), "The number is no multiple of the option's `step`, counted from 0."
    ),
    Said(PlanNotActive(), "The plan is switched off. Everything that was said about its options is in order."),
    Said(BandwidthRequired(), "The plan is of type `bandwidth`, and `bandwidth` is missing or empty."),
    Said(
        BandwidthNotValid(),
        "`bandwidth` is no whole number, is below the plan's smallest tier or above 8388608 GB; or the plan is of type "
        "`duration`, which has none.",
    ),
    Said(
        OrderLimitReached(), "The account has as many orders of this plan as the plan allows; failed ones do not count."
    ),
    Said(CodeNotText(), "`discount_code` is a number, a list or the like."),
    Said(CodeNotValid(), "There is no such code, or it was withdrawn."),
    Said(CodeNotYetValid(), "The code's time has not begun."),
    Said(CodeExpired(), "The code's time is over."),
    Said(CodeNotForPlan(), "The code is for other plans."),
    Said(CodeForFirstOrder(), "The account has an order already; failed ones do not count."),
    Said(OrderTooSmall(), "The gross price is below the code's minimum."),
    Said(CodeUsedUp(), "All uses of the code are taken."),
    Said(CodeAlreadyUsed(), "This account has taken all the uses that the code gives to one account."),
    Said(InsufficientBalance(), "The balance is less than the net price. Nothing was charged."),
)
"""What is said about an order, in the order of the checks: the first that fails answers. All are 422."""

_ADDRESS_REQUIRED = Said(whitelist.AddressRequired(), "`address` is missing or empty.")
_ADDRESS_NOT_VALID = Said(
    whitelist.AddressNotValid(),
    "`address` is a name, a network, has a port or a zone, or is one that no client has, such as `0.0.0.0`.",
)
_ADDRESS_GIVEN_TWICE = Said(FieldGivenTwice("address"), "`address` is there twice.")

LISTING = (
    _ADDRESS_GIVEN_TWICE,
    Said(FieldIsFile("address"), "A part of a form carries a file name."),
    Said(TextNotAllowed("address"), "The text holds a NUL character, or half of a surrogate pair."),
    Said(FieldUnknown("adress", whitelist.FIELDS), "A field has another name."),
    _ADDRESS_REQUIRED,
    Said(whitelist.AddressNotText(), "`address` is a number, a list or the like."),
    _ADDRESS_NOT_VALID,
    Said(whitelist.WhitelistNotSold(), "The plan's `has_ip_whitelist` is false now."),
    Said(
        whitelist.OrderNotRunning(OrderStatus.EXPIRED),
        "The order has no credentials yet, or has ended. The sentence names its status.",
    ),
    Said(whitelist.WhitelistFull(), f"{MOST_ADDRESSES} addresses are there already, and this one is not among them."),
    Said(
        whitelist.AddressTaken(),
        "Another active or inactive order lists it, of yours or of anybody, whose plan has a port of this order's plan "
        "among its `protocols`.",
    ),
)
"""What is said about an address that is to be listed, in the order of the checks. All are 422."""

UNLISTING = (_ADDRESS_GIVEN_TWICE, _ADDRESS_REQUIRED, _ADDRESS_NOT_VALID)
"""What is said about an address that is to be taken off. All are 422."""

ADDRESS_UNKNOWN = Said(whitelist.AddressUnknown(), "The address is not on this order's whitelist.")

USAGE = (
    Said(IntervalUnknown(), "`interval` is neither `hour` nor `day`."),
    Said(InstantNotValid("from"), "`from` is no time with a zone, and no date; or a day or year that there is not."),
    Said(InstantNotValid("to"), "The same, of `to`."),
    Said(RangeEmpty(), "`from` is `to` or later, or lies in the future."),
    Said(RangeTooLong(Interval.HOUR), "The range, by hours, is longer. Ask by days, or for less."),
    Said(RangeTooLong(Interval.DAY), "The range, by days, is longer. Ask for less."),
)
"""What is said about a range of usage. All are 422."""

EVERYTHING = (
    *BODY,
    UNAUTHENTICATED,
    PATH_NOT_FOUND,
    PLAN_UNKNOWN,
    ORDER_NOT_FOUND,
    METHOD_NOT_ALLOWED,
    HEAD_TOO_LONG,
    NOT_HTTP,
    *ORDER,
    STATUS_UNKNOWN,
    LIMIT_NOT_VALID,
    CURSOR_NOT_VALID,
    *LISTING,
    ADDRESS_UNKNOWN,
    *USAGE,
    TOO_MANY_REQUESTS,
    TOO_MANY_WRONG_TOKENS,
    TOO_MANY_WRONG_CODES,
    SERVER_FAULT,
    UNAVAILABLE,
    BUSY,
)


def by_status(sayings: Iterable[Said]) -> dict[int, list[Said]]:
    """Return *sayings* by their status, lowest first; those of one status stay in order."""
    found: dict[int, list[Said]] = {}
    for said in sayings:
        found.setdefault(said.status, []).append(said)
    return dict(sorted(found.items()))
