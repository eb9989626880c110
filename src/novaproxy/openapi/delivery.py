"""The paths below an order: its whitelist, and its usage."""

from novaproxy.openapi.parts import (
    FAULTS,
    JSON,
    WITH_TOKEN,
    WITHOUT_TOKEN,
    Part,
    answer,
    array,
    json_content,
    named,
    operation,
    order_uuid,
    rate_headers,
    refusals,
    refused,
    schema,
)
from novaproxy.openapi.samples import listed_address, used_day
from novaproxy.openapi.sentences import (
    ADDRESS_UNKNOWN,
    BODY,
    BUSY,
    LISTING,
    ORDER_NOT_FOUND,
    UNAVAILABLE,
    UNLISTING,
    USAGE,
)

_FIRST_SECONDS = "It takes up to two seconds until every gateway knows."


def delivery_paths() -> dict[str, Part]:
    """Return the paths below an order."""
    return {
        "/orders/{uuid}/whitelist": {
            "post": _list_address(),
            "get": _show_whitelist(),
            "delete": _remove_address(),
        },
        "/orders/{uuid}/usage": {"get": _show_usage()},
    }


def delivery_links() -> dict[str, Part]:
    """Return how the paths below an order follow from its answer."""
    told = {
        "listAddress": "Let an address use the proxy without a password.",
        "showWhitelist": "The addresses that need no password.",
        "showUsage": "What passed through the proxy.",
    }
    return {
        name: {"operationId": name, "parameters": {"uuid": "$response.body#/uuid"}, "description": description}
        for name, description in told.items()
    }


def _show_whitelist() -> Part:
    return operation(
        "Delivery",
        "showWhitelist",
        "Addresses without a password",
        "The addresses from which the order's proxy can be used without username and password, the oldest first; 20 at "
        "most. The order may stand anywhere, and its plan need have no whitelist any more.",
        WITH_TOKEN,
        parameters=[order_uuid()],
        responses={
            "200": answer(
                "The addresses.", json_content(array("WhitelistAddress"), [listed_address()]), **rate_headers()
            ),
            **WITHOUT_TOKEN,
            **refusals("", [ORDER_NOT_FOUND]),
            **FAULTS,
        },
    )


def _list_address() -> Part:
    content = {"schema": schema("WhitelistRequest"), "example": {"address": "203.0.113.7"}}
    listed = json_content(schema("WhitelistAddress"), listed_address())
    added = answer("The address, which is listed now.", listed, **rate_headers())
    added["links"] = {
        "removeAddress": {
            "operationId": "removeAddress",
            "parameters": {"uuid": "$request.path.uuid", "address": "$response.body#/address"},
            "description": "Take the address off again.",
        },
    }
    bodies = refusals("The body cannot be read, whatever it asks for.", BODY)
    bodies["415"]["description"] = "The body is of a type, or in a charset, that is not read."
    return operation(
        "Delivery",
        "listAddress",
        "List an address",
        "Lets clients at one address use the order's proxy without username and password. For plans whose "
        "`has_ip_whitelist` is true. An address is on one order at each port: what comes from it there is that "
        f"order's. The same address once more changes nothing, and is answered with 200. {_FIRST_SECONDS}",
        WITH_TOKEN,
        parameters=[order_uuid()],
        requestBody={
            "required": True,
            "content": {
                JSON: content,
                "multipart/form-data": content,
                "application/x-www-form-urlencoded": content,
            },
        },
        responses={
            "200": answer("The address, which was listed before.", listed, **rate_headers()),
            "201": added,
            **WITHOUT_TOKEN,
            **bodies,
            **refusals("", [ORDER_NOT_FOUND]),
            "422": refused(
                "The address cannot be listed. The checks are made in the order in which the sentences stand, and the "
                "first that fails answers.",
                LISTING,
            ),
            "500": named("responses", "ServerFault"),
            "503": refused(
                "The service cannot answer at the moment, or somebody lists the same address now. Send the same "
                "request again after `Retry-After` seconds.",
                [UNAVAILABLE, BUSY],
            ),
        },
    )


def _remove_address() -> Part:
    address = {
        "name": "address",
        "in": "query",
        "description": "The address, in any form in which it may be written.",
        "required": True,
        "schema": {"type": "string", "minLength": 2, "examples": ["203.0.113.7"]},
    }
    return operation(
        "Delivery",
        "removeAddress",
        "Take an address off",
        f"Clients at this address need the order's username and password from now on. {_FIRST_SECONDS}",
        WITH_TOKEN,
        parameters=[order_uuid(), address],
        responses={
            "204": answer("It is not listed any more.", None, **rate_headers()),
            **WITHOUT_TOKEN,
            **refusals(
                "There is no such order of yours, or no such address on it.", [ORDER_NOT_FOUND, ADDRESS_UNKNOWN]
            ),
            "422": refused("The parameter is wrong.", UNLISTING),
            **FAULTS,
        },
    )


def _show_usage() -> Part:
    return operation(
        "Delivery",
        "showUsage",
        "What passed",
        "What passed through the order's proxy, by the hour or by the day of UTC in which it was settled, and what was "
        "refused. The range is half open, and is widened to whole intervals; the answer says to which. It is 1000 "
        "intervals at most. All `bytes` of an order sum to its `consumed_bandwidth_in_bytes`, to the byte. "
        "What passes now is here within two seconds.",
        WITH_TOKEN,
        parameters=[order_uuid(), *(named("parameters", name) for name in ("From", "To", "Interval"))],
        responses={
            "200": answer("The usage.", json_content(schema("Usage"), used_day()), **rate_headers()),
            **WITHOUT_TOKEN,
            **refusals("A parameter is wrong.", [ORDER_NOT_FOUND, *USAGE]),
            **FAULTS,
        },
    )
