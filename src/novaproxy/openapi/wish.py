"""What may be sent, to ``POST /orders`` and to a whitelist, in JSON and in forms (contract, sections 1 and 3).

They are as wide as the checks: what they refuse is always refused, whatever the shop sells. What they let through may
still be refused with 422 for what the shop sells, and for what the account has.
"""

from novaproxy.catalog.rules import MAX_BANDWIDTH_GB
from novaproxy.openapi.resources import REFERENCE, Schema

# Texts hold no NUL. Blanks, tabs and line ends are trimmed at both ends, and what is empty then is absent.
_TEXT = "^[^\\u0000]*$"
_BRACKETED_NAME = "^[^\\u0000\\[\\]]+$"
_GIVEN_TEXT = "^[^\\u0000]*[^\\u0000 \\t\\r\\n][^\\u0000]*$"
_WHOLE_NUMBER = "^[ \\t\\r\\n]*[1-9][0-9]{0,6}[ \\t\\r\\n]*$"
_BLANK = "^[ \\t\\r\\n]*$"
# As wide as an address may be written; whether it is one, no pattern says as well as the service does.
_ADDRESS = "^[ \\t\\r\\n]*[0-9A-Fa-f:.]{2,45}[ \\t\\r\\n]*$"
_JSON_OBJECT = "^[ \\t\\r\\n]*\\{[^\\u0000]*\\}[ \\t\\r\\n]*$"

_PLAN = {
    "description": "The plan's slug, as in `GET /plans`, exactly and with its case.",
    "type": "string",
    "pattern": _GIVEN_TEXT,
    "examples": ["residential"],
}
_BANDWIDTH = (
    "How much traffic, in whole GB of 2^30 bytes; from the plan's smallest tier on. For plans of type `bandwidth`, "
    "and for no others."
)
_DURATION = "The duration's slug, as in the plan's `durations`. For plans of type `duration`, and for no others."
_CONFIG = (
    "The answers to the duration's options: the option's `name`, and the choice's `value` or a number. Where the "
    "duration has options, each one must be answered; where it has none, there is nothing to answer."
)
_CODE = (
    "A discount code, in capitals or not. One that does not apply is refused: an order never costs more than expected."
)


def wish_schemas() -> dict[str, Schema]:
    """Return the schemas of the two kinds of bodies, and of the parts they share, by name."""
    return {
        "OrderRequest": _order_request(),
        "OrderForm": _order_form(),
        "OrderConfig": _config(),
        "OrderFormConfig": _form_config(),
        "Absent": _absent(),
        "WhitelistRequest": _whitelist_request(),
    }


def _whitelist_request() -> Schema:
    return {
        "title": "WhitelistRequest",
        "description": "The address that is to be listed, in JSON or in a form. Other members are refused.",
        "type": "object",
        "properties": {
            "address": {
                "description": "One IPv4 or IPv6 address: no name, no network, no zone.",
                "type": "string",
                "pattern": _ADDRESS,
                "examples": ["203.0.113.7"],
            }
        },
        "required": ["address"],
        "additionalProperties": False,
    }


def _order_request() -> Schema:
    absent = {"$ref": REFERENCE.format(name="Absent")}
    text = {"type": "string", "pattern": _TEXT}
    return {
        "title": "OrderRequest",
        "description": "What is bought. Other members are refused, so that a typo never costs money. A member that is "
        'not needed is left out, or is null, `""`, `{}` or `[]`.',
        "type": "object",
        "properties": {
            "plan": _PLAN,
            "bandwidth": {"description": _BANDWIDTH, "anyOf": [*_amounts(), absent], "examples": [2]},
            "duration": {"description": _DURATION, "anyOf": [text, absent], "examples": ["1_week"]},
            "config": {"description": _CONFIG, "anyOf": [_config_reference(), _config_text(), absent]},
            "discount_code": {"description": _CODE, "anyOf": [text, absent], "examples": ["WELCOME10"]},
        },
        "required": ["plan"],
        "additionalProperties": False,
    }


def _order_form() -> Schema:
    text = {"type": "string", "pattern": _TEXT}
    blank = {"type": "string", "pattern": _BLANK}
    return {
        "title": "OrderForm",
        "description": "What is bought, as the fields of a form. The members of `config` are fields of their own, "
        "with brackets: `config[speed]=10`. An empty field counts as none.",
        "type": "object",
        "properties": {
            "plan": {**_PLAN, "examples": ["datacenter"]},
            "bandwidth": {"description": _BANDWIDTH, "anyOf": [*_amounts(), blank], "default": ""},
            "duration": {"description": _DURATION, **text, "examples": ["1_week"]},
            "config": {
                "description": f'{_CONFIG} Also taken as one field that holds a JSON object: `config={{"speed": 10}}`.',
                "anyOf": [{"$ref": REFERENCE.format(name="OrderFormConfig")}, _config_text(), blank],
            },
            "discount_code": {"description": _CODE, **text, "default": ""},
        },
        "required": ["plan"],
        "additionalProperties": False,
    }


def _amounts() -> list[Schema]:
    return [
        {"type": "integer", "minimum": 1, "maximum": MAX_BANDWIDTH_GB},
        {"description": "The same, written as text.", "type": "string", "pattern": _WHOLE_NUMBER},
    ]


def _config() -> Schema:
    return {
        "title": "OrderConfig",
        "description": "An option's `name`, and its value: of a `select` one choice's `value`, of a `number` or a "
        '`range` a number. `10` and `"10"` say the same.',
        "type": "object",
        "propertyNames": {"pattern": _TEXT},
        "additionalProperties": {"anyOf": [{"type": "number"}, {"type": "string", "pattern": _GIVEN_TEXT}]},
        "examples": [{"speed": 10}],
    }


def _form_config() -> Schema:
    return {
        **_config(),
        "title": "OrderFormConfig",
        "description": "The same, in a form: the name stands in brackets and so has none itself, and is never empty.",
        "propertyNames": {"pattern": _BRACKETED_NAME},
    }


def _config_reference() -> Schema:
    return {"$ref": REFERENCE.format(name="OrderConfig")}


def _config_text() -> Schema:
    return {
        "description": "The same, as the text of a JSON object.",
        "type": "string",
        "contentMediaType": "application/json",
        "pattern": _JSON_OBJECT,
    }


def _absent() -> Schema:
    return {
        "title": "Absent",
        "description": "The same as leaving the member out: null, empty text, `{}` or `[]`.",
        "anyOf": [
            {"type": "null"},
            {"type": "string", "pattern": _BLANK},
            {"type": "object", "maxProperties": 0},
            {"type": "array", "maxItems": 0},
        ],
    }
