"""``novaproxy order``: the orders of the shop, and the operator's moves."""

import getpass
import re
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

import typer

from novaproxy.accounts.store import checked_text, find_account
from novaproxy.catalog.store import read_currency, read_listing
from novaproxy.cli.accounts import ACTOR, LONGEST_REASON
from novaproxy.cli.change import Answer, answered, change, nothing
from novaproxy.cli.database import run, settings
from novaproxy.cli.lists import All, AsJson, Limit, Wish, print_list
from novaproxy.cli.order_pages import orders_shape, print_order, print_order_json
from novaproxy.cli.output import print_json
from novaproxy.cli.shown import with_currency
from novaproxy.cli.tables import text_of
from novaproxy.cli.terminal import Progress
from novaproxy.cli.traffic import print_usage, print_whitelist
from novaproxy.cli.usage import TaughtCommand, examples, group
from novaproxy.credentials.issue import LENGTH
from novaproxy.credentials.seal import KeyNotGiven, SealBroken, Sealer, using_sealer
from novaproxy.database.pool import SoleConnection
from novaproxy.errors import OperatorError, Refusal
from novaproxy.ledger.store import Entry, read_order_entries
from novaproxy.orders import moving
from novaproxy.orders.model import OrderStatus
from novaproxy.orders.overview import MoveRow, OrderRow, find_order, find_plan_id, list_orders, read_moves
from novaproxy.usage.period import Interval
from novaproxy.usage.reading import Usage, read_usage, shown_usage
from novaproxy.whitelist.model import Address, ListedAddress, ListingOrder
from novaproxy.whitelist.rules import read_address
from novaproxy.whitelist.store import add_address, lock_order, read_addresses, remove_address
from novaproxy.whitelist.store import find_order as find_listing_order

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
    "usage",
    cls=TaughtCommand,
    epilog=examples(
        f"novaproxy order usage {_EXAMPLE}",
        f"novaproxy order usage {_EXAMPLE} --interval day",
        f"novaproxy order usage {_EXAMPLE} \\\n      --from 2026-01-04 --to 2026-01-05T12:00:00Z --json",
    ),
)
def usage(
    uuid: Uuid,
    interval: Annotated[
        Interval | None,
        typer.Option(
            "--interval",
            metavar="I",
            help=f"Of how long a row tells: {' or '.join(Interval)}; else hour.",
            show_default=False,
        ),
    ] = None,
    begins: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help="Where it begins, such as 2026-01-04 or 2026-01-04T21:00:00Z; else a day before the end, or, by days, "
            "with the order.",
        ),
    ] = None,
    ends: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Where it ends, itself no part of it; else now.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what passed through the proxy of an order."""
    number = _uuid(uuid)
    asked = {"interval": interval, "from": begins, "to": ends}
    query = {name: value for name, value in asked.items() if value is not None}

    async def found(connection: SoleConnection) -> Usage:
        try:
            used = await read_usage(connection, number, None, query)
        except Refusal as refusal:
            raise OperatorError(refusal.sentence) from refusal
        if used is None:
            raise _unknown(number)
        return used

    used = run(found)
    if as_json:
        print_json(shown_usage(used))
    else:
        print_usage(used)


@app.command(
    "whitelist",
    cls=TaughtCommand,
    epilog=examples(
        f"novaproxy order whitelist {_EXAMPLE}",
        f"novaproxy order whitelist {_EXAMPLE} \\\n      --add 203.0.113.7",
    ),
)
def whitelist(
    uuid: Uuid,
    adds: Annotated[
        str | None, typer.Option("--add", metavar="ADDRESS", help="Put this address on it.", show_default=False)
    ] = None,
    removes: Annotated[
        str | None, typer.Option("--remove", metavar="ADDRESS", help="Take this address off it.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show or change the addresses that need no password.

    The rules are those of the buyer: an address is on one order at each port.
    """
    number = _uuid(uuid)
    if adds is not None and removes is not None:
        raise OperatorError("Say either --add or --remove, not both.")
    if adds is not None:
        _add_address(number, adds)
    elif removes is not None:
        _remove_address(number, removes)
    else:
        listed = run(lambda connection: _listed(connection, number))
        print_whitelist(listed, as_json=as_json)


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


@app.command("reissue", cls=TaughtCommand, epilog=examples(f"novaproxy order reissue {_EXAMPLE}"))
def reissue(uuid: Uuid) -> None:
    """Issue a new password for an order.

    What is open with the old one is cut within two seconds; who is let in by his
    address stays. The username is kept.
    """
    number = _uuid(uuid)

    async def reissued(connection: SoleConnection, sealer: Sealer) -> Answer:
        done = await moving.reissue(connection, number, sealer)
        return answered(
            f"Issued a new password for the order {number}.", f"Username: {done.username}", f"Password: {done.password}"
        )

    change(
        _sealer,
        reissued,
        look=_look(number),
        unmade="The password stays the one it was: what was printed opens nothing.",
    )


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


async def _listed(connection: SoleConnection, number: UUID) -> list[ListedAddress]:
    return await read_addresses(connection, _found(await find_listing_order(connection, number, None), number).id)


def _add_address(number: UUID, written: str) -> None:
    address = _address(written)

    async def added(connection: SoleConnection, _nothing: None) -> Answer:
        order = _found(await lock_order(connection, number, None), number)
        try:
            listed, is_new = await add_address(connection, await read_listing(connection), order, address)
        except Refusal as refusal:
            raise OperatorError(refusal.sentence) from refusal
        if is_new:
            return answered(f"Listed {listed.address} for the order {number}.")
        return answered(f"{listed.address} was listed for the order {number} before: nothing changed.")

    change(nothing, added, look=_look_at_whitelist(number))


def _remove_address(number: UUID, written: str) -> None:
    address = _address(written)

    async def removed(connection: SoleConnection, _nothing: None) -> Answer:
        order = _found(await find_listing_order(connection, number, None), number)
        try:
            await remove_address(connection, order, address)
        except Refusal as refusal:
            raise OperatorError(refusal.sentence) from refusal
        return answered(f"Took {address} off the whitelist of the order {number}.")

    change(nothing, removed, look=_look_at_whitelist(number))


def _look_at_whitelist(number: UUID) -> str:
    return f"'novaproxy order whitelist {number}' shows it"


def _address(written: str) -> Address:
    try:
        return read_address(written.strip())
    except Refusal as refusal:
        raise OperatorError(refusal.sentence) from refusal


def _found(order: ListingOrder | None, number: UUID) -> ListingOrder:
    if order is None:
        raise _unknown(number)
    return order


def _unknown(number: UUID) -> OperatorError:
    return OperatorError(f"There is no order {number}.")
