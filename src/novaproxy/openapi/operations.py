"""Every path that is served, and what is said about it."""

from novaproxy.openapi.delivery import delivery_links, delivery_paths
from novaproxy.openapi.parts import (
    FAULTS,
    JSON,
    LIMITED,
    OPEN,
    WITH_TOKEN,
    WITHOUT_TOKEN,
    Part,
    answer,
    array,
    json_content,
    json_contents,
    kept_headers,
    named,
    operation,
    order_uuid,
    rate_headers,
    refusals,
    refused,
    request_id,
    schema,
)
from novaproxy.openapi.samples import (
    placed_orders,
    shown_entries,
    shown_order,
    shown_plan,
    shown_plans,
    wishes,
)
from novaproxy.openapi.sentences import (
    BODY,
    CURSOR_NOT_VALID,
    LIMIT_NOT_VALID,
    ORDER,
    ORDER_NOT_FOUND,
    PATH_NOT_FOUND,
    PLAN_UNKNOWN,
    STATUS_UNKNOWN,
    UNAUTHENTICATED,
)

TAGS = [
    {"name": "Plans", "description": "What is sold, and what it costs. Anybody may read it."},
    {"name": "Orders", "description": "Buy, and see what you bought."},
    {
        "name": "Delivery",
        "description": "Who may use the proxy of an order without its password, and what passed through it.",
    },
    {"name": "Balance", "description": "What you may spend, and every movement of it."},
    {"name": "Operation", "description": "For whoever runs the shop: probes and figures."},
    {"name": "Description", "description": "This description itself. Nothing of it is loaded from anywhere else."},
]

_FORM_OF_CONFIG = {"config": {"style": "deepObject", "explode": True}}


def paths(page_files: list[str]) -> dict[str, Part]:
    """Return every path of the service; *page_files* are those of the documentation page."""
    described = {
        "/plans": {"get": _list_plans()},
        "/plans/{slug}": {"get": _show_plan()},
        "/orders": {"post": _place_order(), "get": _list_orders()},
        "/orders/{uuid}": {"get": _show_order()},
        **delivery_paths(),
        "/balance": {"get": _show_balance()},
        "/balance/entries": {"get": _list_entries()},
        "/health": {"get": _health()},
        "/ready": {"get": _ready()},
        "/metrics": {"get": _metrics()},
        "/openapi.json": {"get": _openapi()},
        "/docs": {"get": _docs()},
        "/docs/{file}": {"get": _docs_file(page_files)},
    }
    # In full: Swagger UI shows what a path only refers to without its name.
    return {path: {"parameters": [request_id()], **methods} for path, methods in described.items()}


def _list_plans() -> Part:
    return operation(
        "Plans",
        "listPlans",
        "Every plan",
        "Every plan that can be bought, in the order in which to show them, with all tiers, durations, options and "
        "prices: enough to draw a checkout with one call.",
        OPEN,
        parameters=[named("parameters", "IfNoneMatch")],
        responses={
            "200": answer("The plans.", json_content(array("PlanResource"), shown_plans()), **kept_headers()),
            **_unchanged(),
            **LIMITED,
            **FAULTS,
        },
    )


def _show_plan() -> Part:
    slug = {
        "name": "slug",
        "in": "path",
        "description": "The plan's slug.",
        "required": True,
        "schema": {"type": "string", "minLength": 1, "examples": ["datacenter"]},
    }
    return operation(
        "Plans",
        "showPlan",
        "One plan",
        "One plan that can be bought. A plan that is switched off is 404; orders of it keep showing it.",
        OPEN,
        parameters=[slug, named("parameters", "IfNoneMatch")],
        responses={
            "200": answer("The plan.", json_content(schema("PlanResource"), shown_plan()), **kept_headers()),
            **_unchanged(),
            **refusals("", [PLAN_UNKNOWN]),
            **LIMITED,
            **FAULTS,
        },
    )


def _place_order() -> Part:
    created = answer(
        "The order, after its commit: it is paid, and yours. Where the operator delivers the plan by hand, it is "
        "`pending` and its credentials are null until then.",
        json_contents(schema("UserPlanResource"), placed_orders()),
        Idempotent_Replayed=named("headers", "Idempotent-Replayed"),
        **rate_headers(),
    )
    created["links"] = {
        "showOrder": {
            "operationId": "showOrder",
            "parameters": {"uuid": "$response.body#/uuid"},
            "description": "The order as it is at any later time.",
        },
        **delivery_links(),
    }
    bodies = refusals("The body cannot be read as what it was announced as. Nothing was done.", BODY)
    bodies["400"]["description"] = "The body cannot be read, whatever it asks for."
    bodies["415"]["description"] = "The body is of a type, or in a charset, that is not read."
    return operation(
        "Orders",
        "placeOrder",
        "Place an order",
        "Buys one plan and charges its price to your balance, in one transaction: either everything is done, or "
        "nothing. A plan of type `bandwidth` needs `bandwidth`; one of type `duration` needs `duration` and, where "
        "the duration has options, `config` with an answer to each.\n\n"
        "Send an `Idempotency-Key`, and you may send the order again after any doubt.\n\n"
        "`payment_gateway_id` must not be sent: orders are charged to the account's balance.",
        WITH_TOKEN,
        parameters=[named("parameters", "IdempotencyKey")],
        requestBody={"required": True, "content": _wish_content()},
        responses={
            "201": created,
            **WITHOUT_TOKEN,
            **bodies,
            "422": refused(
                "The order cannot be had as asked. Nothing was charged and nothing is kept, not even the key. The "
                "checks are made in the order in which the sentences stand, and the first that fails answers.",
                ORDER,
            ),
            "429": named("responses", "TooManyOrders"),
            "500": named("responses", "ServerFault"),
            "503": named("responses", "OrderUnavailable"),
        },
    )


def _wish_content() -> Part:
    form = {"schema": schema("OrderForm"), "encoding": _FORM_OF_CONFIG, "examples": wishes()}
    return {
        JSON: {"schema": schema("OrderRequest"), "examples": wishes()},
        "multipart/form-data": form,
        "application/x-www-form-urlencoded": form,
    }


def _list_orders() -> Part:
    return operation(
        "Orders",
        "listOrders",
        "Your orders",
        "All your orders, newest first, as they are now. The whole list, or with `limit` a page of it; an answer that "
        "is cut off before its closing bracket is not whole.",
        WITH_TOKEN,
        parameters=[named("parameters", name) for name in ("Limit", "Cursor", "Status")],
        responses={
            "200": answer(
                "The orders.",
                json_content(array("UserPlanResourceWithUser"), [shown_order()]),
                Link=named("headers", "Link"),
                **rate_headers(),
            ),
            **WITHOUT_TOKEN,
            **refusals("A parameter is wrong.", [STATUS_UNKNOWN, LIMIT_NOT_VALID, CURSOR_NOT_VALID]),
            **FAULTS,
        },
    )


def _show_order() -> Part:
    return operation(
        "Orders",
        "showOrder",
        "One order",
        "One of your orders, as it is now.",
        WITH_TOKEN,
        parameters=[order_uuid()],
        responses={
            "200": answer(
                "The order.", json_content(schema("UserPlanResourceWithUser"), shown_order()), **rate_headers()
            ),
            **WITHOUT_TOKEN,
            **refusals("", [ORDER_NOT_FOUND]),
            **FAULTS,
        },
    )


def _show_balance() -> Part:
    return operation(
        "Balance",
        "showBalance",
        "Your balance",
        "What you may spend now. The operator puts money on it.",
        WITH_TOKEN,
        responses={
            "200": answer(
                "The balance.",
                json_content(schema("AccountBalance"), {"balance": 40, "currency": "USD"}),
                **rate_headers(),
            ),
            **WITHOUT_TOKEN,
            **FAULTS,
        },
    )


def _list_entries() -> Part:
    return operation(
        "Balance",
        "listBalanceEntries",
        "Every movement",
        "Every movement of your balance, newest first; they sum to it. An order of price 0 makes none. The whole "
        "list, or with `limit` a page of it.",
        WITH_TOKEN,
        parameters=[named("parameters", name) for name in ("Limit", "Cursor")],
        responses={
            "200": answer(
                "The entries.",
                json_content(array("BalanceEntry"), shown_entries()),
                Link=named("headers", "Link"),
                **rate_headers(),
            ),
            **WITHOUT_TOKEN,
            **refusals("A parameter is wrong.", [LIMIT_NOT_VALID, CURSOR_NOT_VALID]),
            **FAULTS,
        },
    )


def _health() -> Part:
    return operation(
        "Operation",
        "health",
        "Is the process there?",
        "Answers as long as the process does, with or without its database.",
        OPEN,
        responses={"200": answer("It is there.", json_content(schema("Health"), {"status": "ok"}))},
    )


def _ready() -> Part:
    return operation(
        "Operation",
        "ready",
        "Can it serve?",
        "Whether the database answers and has this version's tables: the question of a load balancer.",
        OPEN,
        responses={"200": answer("It can.", json_content(schema("Readiness"), {"status": "ready"})), **FAULTS},
    )


def _metrics() -> Part:
    figures = 'novaproxy_orders_placed_total{plan="residential"} 42.0\n'
    return operation(
        "Operation",
        "metrics",
        "Figures",
        "Figures for Prometheus: requests, refusals by code, orders, queues, balances owed, breaches that the audit "
        "found. They tell revenue, so they are for programs on the same machine, and for others with the token that "
        "the operator set as `NOVAPROXY_METRICS_TOKEN`.",
        [{}, {"metricsToken": []}],
        responses={
            "200": answer(
                "The figures, in Prometheus' text format.",
                {"text/plain": {"schema": {"type": "string"}, "example": figures}},
            ),
            "401": refused("The request comes from another machine, without the token.", [UNAUTHENTICATED]),
            "500": named("responses", "ServerFault"),
        },
    )


def _openapi() -> Part:
    return operation(
        "Description",
        "openapi",
        "This description",
        "What you are reading, as OpenAPI 3.1: for generators of clients, and for your own tests.",
        OPEN,
        parameters=[named("parameters", "IfNoneMatch")],
        responses={
            "200": answer(
                "The description.",
                {JSON: {"schema": {"type": "object", "required": ["openapi", "info", "paths"]}}},
                **kept_headers(),
            ),
            **_unchanged(),
            **LIMITED,
        },
    )


def _docs() -> Part:
    return operation(
        "Description",
        "docs",
        "The page",
        "This description as a page, on which requests can be tried out.",
        OPEN,
        parameters=[named("parameters", "IfNoneMatch")],
        responses={
            "200": answer("The page.", {"text/html": {"schema": {"type": "string"}}}, **kept_headers()),
            **_unchanged(),
            **LIMITED,
        },
    )


def _docs_file(page_files: list[str]) -> Part:
    file = {
        "name": "file",
        "in": "path",
        "description": "The file's name.",
        "required": True,
        "schema": {"type": "string", "enum": page_files},
    }
    return operation(
        "Description",
        "docsFile",
        "A file of the page",
        "Scripts, styles and pictures of the page, and the licences of what others wrote of them.",
        OPEN,
        parameters=[file, named("parameters", "IfNoneMatch")],
        responses={
            "200": answer("The file.", {"*/*": {}}, **kept_headers()),
            **_unchanged(),
            **LIMITED,
            **refusals("", [PATH_NOT_FOUND]),
        },
    )


def _unchanged() -> dict[str, Part]:
    return {"304": answer("It is still the version that you have.", None, **kept_headers())}
