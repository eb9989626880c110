"""What schemathesis is told of the shop: how to wish for something that can be had, and what may be refused.

Loaded by schemathesis itself (api/schemathesis.toml), which runs as a process of its own.
"""

import os
import re
from typing import Any

import schemathesis
from schemathesis import HookContext
from schemathesis.checks import CheckContext
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response
from schemathesis.generation.case import Case
from schemathesis.generation.modes import GenerationMode

from described import Described

# Of orders: what the shop sells, and what the account has, ordered or used. That a text of config holds JSON, and that
# a number written as text is not above the greatest, is beyond a schema too.
_OF_THE_SHOP = {
    *("plan_not_found", "plan_not_active", "duration_required", "duration_format_invalid", "duration_not_available"),
    *("config_required", "config_not_object", "option_missing", "option_unknown", "option_value_invalid"),
    *("option_value_not_numeric", "option_value_below_minimum", "option_value_above_maximum"),
    *("option_value_not_multiple", "bandwidth_required", "bandwidth_not_valid", "order_limit_reached"),
    *("discount_code_not_valid", "discount_code_not_yet_valid", "discount_code_expired", "discount_code_not_for_plan"),
    *("discount_code_first_order_only", "discount_code_order_too_small", "discount_code_used_up"),
    *("discount_code_already_used", "insufficient_balance", "idempotency_key_reused"),
}
_OF_A_LIST = {"cursor_not_valid"}
# That a text is an address, or a time, no pattern says as well as the service does.
_OF_A_WHITELIST = {
    *("address_not_valid", "address_required", "whitelist_not_sold", "order_not_running", "address_taken"),
    *("whitelist_full", "field_given_twice", "text_not_allowed"),
}
_OF_USAGE = {"instant_not_valid", "range_empty", "range_too_long"}
_REASONS = {
    "placeOrder": _OF_THE_SHOP,
    "listAddress": _OF_A_WHITELIST,
    "removeAddress": _OF_A_WHITELIST,
    "showUsage": _OF_USAGE,
}

_FITTING: dict[str, dict[str, Any]] = {
    **{plan: {"bandwidth": 2} for plan in ("residential", "mobile", "by-hand", "free")},
    "unlimited": {"duration": "1_day"},
    "datacenter": {"duration": "1_week", "config": {"speed": 10, "country": "us"}},
    "wide": {"duration": "1_day", "config": {"size": 0.5}},
}
"""What a plan of the test catalog is sold with, and with nothing else but a discount code."""

ORDER = "NOVAPROXY_TEST_ORDER"
"""Names the order of a plan that has a whitelist."""

_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_KEY = re.compile("[!-~]{1,255}")
_sent_keys: set[str] = set()


@schemathesis.hook
def map_case(_context: HookContext, case: Case[Any]) -> Case[Any]:
    """Make most wishes such that the shop would fulfil them, were it not for what is unsound in them."""
    if case.operation.path == "/orders" and case.operation.method == "post":
        _take_a_new_key(case)
        if isinstance(case.body, dict) and isinstance(case.body.get("plan"), str):
            case.body = _fitted(case, case.body)
    if case.operation.path.startswith("/orders/{uuid}/"):
        _take_an_order_that_is_there(case)
    return case


def _take_an_order_that_is_there(case: Case[Any]) -> None:
    """Ask for the order with a whitelist instead of every second one that nobody placed."""
    asked = (case.path_parameters or {}).get("uuid")
    if isinstance(asked, str) and _UUID.fullmatch(asked) and int(asked[-1], 16) % 2:
        case.path_parameters["uuid"] = os.environ[ORDER]


def _fitted(case: Case[Any], body: dict[str, Any]) -> dict[str, Any]:
    """Return *body* for its plan, or for another plan where the field that was made unsound is one of that plan's."""
    is_sound = _is_sound(case, body)
    for plan in (body["plan"], "residential", "datacenter"):
        if plan in _FITTING:
            fitting = _fitting(plan, body)
            if _is_sound(case, fitting) == is_sound:
                return fitting
    return body


def _take_a_new_key(case: Case[Any]) -> None:
    key = case.headers.get("Idempotency-Key") if case.headers else None
    # One that is not valid is there to be refused, as often as it comes.
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        return
    if key in _sent_keys:
        del case.headers["Idempotency-Key"]
    _sent_keys.add(key)


def _fitting(plan: str, body: dict[str, Any]) -> dict[str, Any]:
    wanted = _FITTING[plan]
    unfitting = {"bandwidth", "duration", "config"} - wanted.keys()
    fitting = wanted | {name: given for name, given in body.items() if name not in unfitting} | {"plan": plan}
    if "config" in wanted and isinstance(fitting["config"], dict):
        fitting["config"] = wanted["config"] | fitting["config"]
    return fitting


def _is_sound(case: Case[Any], body: dict[str, Any]) -> bool:
    raw = case.operation.schema.raw_schema
    schema = raw["paths"]["/orders"]["post"]["requestBody"]["content"][case.media_type]["schema"]
    return Described(raw).validator(schema).is_valid(body)


@schemathesis.check
def a_sound_request_is_refused_for_the_shops_reasons(_ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """Fail where a request that the description allows is refused for its form."""
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE or response.status_code != 422:
        return
    reasons = _REASONS.get(case.operation.definition.raw["operationId"], _OF_A_LIST)
    (code,) = response.headers["x-error-code"]
    if code not in reasons:
        raise Failure(operation=case.operation.label, title="A described request is refused", message=code)
