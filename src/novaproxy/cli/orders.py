"""``novaproxy order``: the orders of the shop, and the operator's moves."""

import getpass
import re
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

import typer

from novaproxy.accounts.store import checked_text, find_account
from novaproxy.catalog.store import read_currency
from novaproxy.cli.accounts import ACTOR, LONGEST_REASON
from novaproxy.cli.change import Answer, answered, change, nothing
from novaproxy.cli.database import run, settings
from novaproxy.cli.lists import All, AsJson, Limit, Wish, print_list
from novaproxy.cli.order_pages import orders_shape, print_order, print_order_json
from novaproxy.cli.shown import with_currency
from novaproxy.cli.tables import text_of
from novaproxy.cli.terminal import Progress
from novaproxy.cli.usage import TaughtCommand, examples, group
from novaproxy.credentials.issue import LENGTH
from novaproxy.credentials.seal import KeyNotGiven, SealBroken, Sealer, using_sealer
from novaproxy.database.pool import SoleConnection
from novaproxy.errors import OperatorError
from novaproxy.ledger.store import Entry, read_order_entries
from novaproxy.orders import moving
from novaproxy.orders.model import OrderStatus
from novaproxy.orders.overview import MoveRow, OrderRow, find_order, find_plan_id, list_orders, read_moves

app = group(
    "Orders, and what the operator does with them.",
    "novaproxy order list --status pending",
    "novaproxy order deliver 0190f3a0-7c3e-7d3a-9d3e-3f1f0e6f4b52",
)

STANDARD_INPUT = "-"
_CREDENTIAL = re.compile(rf"[a-z0-9]{{{LENGTH}}}")
_EXAMPLE = "0190f3a0-7c3e-7d3a-9d3e-3f1f0e6f4b52"

Uuid = Annotated[str, typer.Argument(metavar="UUID", help="The order's uuid, as 'novaproxy order list' shows it.")]


@app.command(
    "list",
    cls=TaughtCommand,
    epilog=examples(
        "novaproxy order list --status pending",
        "novaproxy order list --account ada@example.com --plan residential --all",
        "novaproxy order list --json > orders.json",
    ),
)
def index(
    status: Annotated[
        OrderStatus | None,
        typer.Option(
            "--status", metavar="S", help=f"Only those of this status: {', '.join(OrderStatus)}.", show_default=False
        ),
    ] = None,
    account: Annotated[
        str | None, typer.Option("--account", metavar="EMAIL", help="Only those of this customer.")
    ] = None,
    plan: Annotated[str | None, typer.Option("--plan", metavar="SLUG", help="Only those of this plan.")] = None,
    limit: Limit = None,
    is_all: All = False,
    as_json: AsJson = False,
) -> None:
    """List the shop's orders, the newest first."""
    wish, progress = Wish(limit, is_all, as_json), Progress("Reading the orders ...")

    async def listed(connection: SoleConnection) -> None:
        account_id = None if account is None else (await find_account(connection, account)).id
        plan_id = None if plan is None else await find_plan_id(connection, plan)

        async def page(last: OrderRow | None, rows: int) -> list[OrderRow]:
            before_id = last.id if last else None
            return await list_orders(
                connection, status=status, account_id=account_id, plan_id=plan_id, before_id=before_id, limit=rows
            )

        is_filtered = any(one is not None for one in (status, account, plan))
        shape = orders_shape(await read_currency(connection), is_filtered=is_filtered)
        await print_list(page, shape, wish, progress)

    run(listed, progress)


@app.command("show", cls=TaughtCommand, epilog=examples(f"novaproxy order show {_EXAMPLE}"))
def show(
    uuid: Uuid,
    as_json: AsJson = False,
    is_password_shown: Annotated[
        bool, typer.Option("--with-password", help="Show the proxy password too, which is kept sealed.")
    ] = False,
) -> None:
    """Show one order: what was sold, how it moved, what it cost."""
    number = _uuid(uuid)

    async def found(
        connection: SoleConnection,
    ) -> tuple[OrderRow, list[MoveRow], list[Entry], str | None, str | None]:
        order = await find_order(connection, number)
        password = await _opened(connection, order) if is_password_shown else None
        moves, entries = await read_moves(connection, order.id), await read_order_entries(connection, order.id)
        return order, moves, entries, password, await read_currency(connection)

    order, moves, entries, password, currency = run(found)
    opened = {"password": password} if is_password_shown else {}
    if as_json:
        print_order_json(order, moves, entries, opened)
    else:
        print_order(order, moves, entries, opened, currency)


@app.command(
    "deliver",
    cls=TaughtCommand,
    epilog=examples(
        f"novaproxy order deliver {_EXAMPLE}",
        f"novaproxy order deliver {_EXAMPLE} \\\n      --username abcdefghij12345 --password - < password.txt",
    ),
)
def deliver(
    uuid: Uuid,
    username: Annotated[
        str | None,
        typer.Option(
            "--username",
            metavar="U",
            help=f"{LENGTH} letters a-z and digits, which no order ever had, an ended one neither; else a new one.",
        ),
    ] = None,
    password: Annotated[
        str | None,
        typer.Option(
            "--password",
            metavar="-",
            help=f"Read the password, {LENGTH} letters a-z and digits, from standard input; only together with "
            "--username, and never on the command line, which others can see.",
        ),
    ] = None,
) -> None:
    """Make a pending order active; its time begins now.

    Its credentials are made, or are the ones that are given.
    """
    number = _uuid(uuid)
    credentials = _credentials(username, password)

    async def delivered(connection: SoleConnection, sealer: Sealer) -> Answer:
        done = await moving.deliver(connection, number, sealer, credentials, ACTOR)
        until = f", until {text_of(done.expires_at)}" if done.expires_at is not None else ""
        return answered(
            f"Delivered the order {number}{until}.",
            f"Username: {done.username}",
            f"The buyer sees it and the password with GET /orders/{number}.",
        )

    change(_sealer, delivered, look=_look(number))


@app.command(
    "fail", cls=TaughtCommand, epilog=examples(f"novaproxy order fail {_EXAMPLE} \\\n      --reason 'No exits left'")
)
def fail(
    uuid: Uuid,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; the customer reads it in his ledger.")],
) -> None:
    """Give a pending order up and its price back to the customer.

    With the price go back the use of its discount code and its place in the plan's limit.
    """
    number = _uuid(uuid)
    reason = checked_text(reason, "reason", LONGEST_REASON)

    async def failed(connection: SoleConnection, currency: str | None) -> Answer:
        done = await moving.fail(connection, number, reason, ACTOR)
        if done.refunded_cents:
            refund = f"{with_currency(done.refunded_cents, currency)} went back to {done.email}"
        else:
            refund = f"there was nothing to give back to {done.email}"
        return answered(
            f"Failed the order {number}; {refund}.", f"Balance: {with_currency(done.balance_cents, currency)}"
        )

    change(read_currency, failed, look=_look(number))


@app.command("deactivate", cls=TaughtCommand, epilog=examples(f"novaproxy order deactivate {_EXAMPLE}"))
def deactivate(uuid: Uuid) -> None:
    """Switch an active order off. Its credentials stop working, its time goes on."""
    _switch(moving.deactivate, _uuid(uuid), "Deactivated")


@app.command("activate", cls=TaughtCommand, epilog=examples(f"novaproxy order activate {_EXAMPLE}"))
def activate(uuid: Uuid) -> None:
    """Switch an inactive order on again; the time it was off counts."""
    _switch(moving.activate, _uuid(uuid), "Activated")


def _switch(move: Callable[[SoleConnection, UUID, str], Awaitable[None]], number: UUID, done: str) -> None:
    async def switched(connection: SoleConnection, _nothing: None) -> Answer:
        await move(connection, number, ACTOR)
        return answered(f"{done} the order {number}.")

    change(nothing, switched, look=_look(number))


def _look(number: UUID) -> str:
    return f"'novaproxy order show {number}' shows it"


def _uuid(written: str) -> UUID:
    """Return the uuid that was asked for.

    Raises:
        OperatorError: it is none.
    """
    try:
        # UUID() would take braces, urn: and any hyphens too.
        uuid = UUID(written)
    except ValueError:
        uuid = None
    if uuid is None or str(uuid) != written.strip().lower():
        raise OperatorError(
            f"'{written[:100]}' is no order's uuid; one is written like {_EXAMPLE}. 'novaproxy order list' shows them."
        )
    return uuid


def _credentials(username: str | None, password: str | None) -> tuple[str, str] | None:
    """Return the username and the password that were given, None where neither was.

    Raises:
        OperatorError: one alone was given, or one that cannot be sold.
    """
    if password is not None and password != STANDARD_INPUT:
        raise OperatorError(
            "The password is only read from standard input, where nobody else sees it: write '--password -'."
        )
    if (username is None) != (password is None):
        raise OperatorError("Give both --username and '--password -', or neither: then both are made.")
    if username is None:
        return None
    return _checked("username", username), _checked("password", _read_password())


def _read_password() -> str:
    if sys.stdin is None:
        return ""
    if sys.stdin.isatty():
        try:
            return getpass.getpass("Password: ")
        except EOFError:
            return ""
    given = sys.stdin.buffer.read(LENGTH * 10).decode(errors="replace")
    return given.removesuffix("\n").removesuffix("\r")


def _checked(what: str, written: str) -> str:
    # The text itself is not repeated: it may be a password.
    if not _CREDENTIAL.fullmatch(written):
        raise OperatorError(f"The {what} must be {LENGTH} lower-case letters and digits.")
    return written


async def _sealer(connection: SoleConnection) -> Sealer:
    given = settings()
    return await using_sealer(connection, given.sealing_key, given.key_file)


async def _opened(connection: SoleConnection, order: OrderRow) -> str | None:
    if order.password_sealed is None or order.sealing_key_id is None:
        return None
    try:
        return (await _sealer(connection)).opened(order.password_sealed, order.uuid, order.sealing_key_id)
    except (KeyNotGiven, SealBroken) as error:
        raise OperatorError(f"{error}.") from error
