"""``novaproxy account``: customers and their balances."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from novaproxy.accounts.store import (
    AccountMove,
    AccountRow,
    AccountStatus,
    checked_text,
    create_account,
    find_account,
    list_account_moves,
    list_accounts,
    move_account,
)
from novaproxy.catalog.store import read_currency
from novaproxy.cli.change import Answer, answered, change, nothing
from novaproxy.cli.database import run
from novaproxy.cli.lists import All, AsJson, Limit, Shape, Wish, print_list
from novaproxy.cli.output import print_json
from novaproxy.cli.shown import (
    entry_cells,
    entry_columns,
    print_moves,
    shown_entry,
    shown_move,
    with_currency,
)
from novaproxy.cli.tables import STATUS_PAINT, Column, money_column, print_facts
from novaproxy.cli.terminal import Progress
from novaproxy.cli.usage import AmountCommand, TaughtCommand, examples, group
from novaproxy.database.pool import SoleConnection
from novaproxy.errors import OperatorError
from novaproxy.ledger.store import Adjustment, Entry, adjust, read_entries
from novaproxy.money import AMOUNT_CEILING_CENTS, json_cents, parsed_cents, text_cents

app = group(
    "Customers and their balances.",
    "novaproxy account create ada@example.com --name 'Ada Lane'",
    "novaproxy account credit ada@example.com 25 --reason Welcome",
    "novaproxy account ledger ada@example.com",
)

ACTOR = "operator"
LONGEST_REASON = 500
_LONGEST_REFERENCE = 200

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The customer's e-mail, without regard to case.")]
Amount = Annotated[str, typer.Argument(metavar="AMOUNT", help="For instance 25 or 19.99, in the shop's currency.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; the customer reads it in his ledger.")]
Reference = Annotated[
    str | None,
    typer.Option(
        "--reference",
        metavar="R",
        help="What the money came with, such as an invoice's number; the same twice on an account has one effect.",
    ),
]
Cause = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why, as 'novaproxy account show' tells it.", show_default=True)
]


@app.command("create", cls=TaughtCommand, epilog=examples("novaproxy account create ada@example.com --name 'Ada Lane'"))
def create(
    email: Email,
    name: Annotated[
        str | None, typer.Option("--name", metavar="N", help="The customer's name; else the e-mail's first part.")
    ] = None,
) -> None:
    """Make an account with a balance of 0."""

    async def created(connection: SoleConnection, _nothing: None) -> Answer:
        account = await create_account(connection, email, name, datetime.now(UTC))
        return answered(f"Made the account {account.email}.")

    change(nothing, created, look=f"'novaproxy account show {email}' shows it")


@app.command("list", cls=TaughtCommand, epilog=examples("novaproxy account list --limit 10"))
def index(limit: Limit = None, is_all: All = False, as_json: AsJson = False) -> None:
    """List the customers, the newest first."""
    wish, progress = Wish(limit, is_all, as_json), Progress("Reading the accounts ...")

    async def listed(connection: SoleConnection) -> None:
        async def page(last: AccountRow | None, rows: int) -> list[AccountRow]:
            return await list_accounts(connection, before_id=last.id if last else None, limit=rows)

        await print_list(page, _accounts_shape(await read_currency(connection)), wish, progress)

    run(listed, progress)


def _accounts_shape(currency: str | None) -> Shape[AccountRow]:
    return Shape(
        "accounts",
        (
            Column("email", least=24),
            Column("name", rank=2, least=8),
            Column("status", paint=STATUS_PAINT),
            money_column("balance", currency),
            Column("orders", to_right=True, rank=1),
            Column("created", is_time=True, rank=3),
        ),
        lambda account: (
            account.email,
            account.name,
            account.status,
            text_cents(account.balance_cents),
            account.orders,
            account.created_at,
        ),
        _shown,
        "There are no accounts yet: make one with 'novaproxy account create EMAIL'.",
    )


@app.command("show", cls=TaughtCommand, epilog=examples("novaproxy account show ada@example.com"))
def show(email: Email, as_json: AsJson = False) -> None:
    """Show one customer: balance, orders, why he was suspended."""

    async def found(connection: SoleConnection) -> tuple[AccountRow, list[AccountMove], str | None]:
        account = await find_account(connection, email)
        return account, await list_account_moves(connection, account.id), await read_currency(connection)

    account, moves, currency = run(found)
    if as_json:
        print_json(_shown(account) | {"moves": [shown_move(move) for move in moves]})
        return
    print_facts(
        [
            ("email", account.email),
            ("name", account.name),
            ("uuid", account.uuid),
            ("status", account.status),
            ("balance", with_currency(account.balance_cents, currency)),
            ("orders", account.orders),
            ("created", account.created_at),
        ]
    )
    print_moves(moves)


@app.command(
    "credit",
    cls=AmountCommand,
    epilog=examples("novaproxy account credit ada@example.com 25 --reason Top-up --reference 4711"),
)
def credit(email: Email, amount: Amount, reason: Reason, reference: Reference = None) -> None:
    """Put money on a customer's balance; print the new balance."""
    _adjusted(Adjustment.CREDIT, email, amount, reason, reference)


@app.command("debit", cls=AmountCommand, epilog=examples("novaproxy account debit ada@example.com 5 --reason Pay-out"))
def debit(email: Email, amount: Amount, reason: Reason, reference: Reference = None) -> None:
    """Take money off a customer's balance; print the new balance."""
    _adjusted(Adjustment.DEBIT, email, amount, reason, reference)


def _adjusted(kind: Adjustment, email: str, amount: str, reason: str, reference: str | None) -> None:
    amount_cents = _amount_cents(amount)
    reason = checked_text(reason, "reason", LONGEST_REASON)
    if reference is not None:
        reference = checked_text(reference, "reference", _LONGEST_REFERENCE)

    async def prepared(connection: SoleConnection) -> tuple[AccountRow, str | None]:
        return await find_account(connection, email), await read_currency(connection)

    async def adjusted(connection: SoleConnection, found: tuple[AccountRow, str | None]) -> Answer:
        account, currency = found
        done = await adjust(
            connection,
            account.id,
            kind,
            amount_cents,
            reason=reason,
            reference=reference,
            actor=ACTOR,
        )
        repeated = " (this reference was booked before; nothing changed)" if done.is_repeated else ""
        return answered(f"Balance: {with_currency(done.balance_cents, currency)}{repeated}")

    change(prepared, adjusted, look=_look(email, reference))


def _look(email: str, reference: str | None) -> str:
    if reference is not None:
        return "repeat the command, a reference is booked once"
    return f"look with 'novaproxy account ledger {email}' before you repeat it"


def _amount_cents(written: str) -> int:
    amount_cents = parsed_cents(written)
    if amount_cents is None or not 0 < amount_cents <= AMOUNT_CEILING_CENTS:
        raise OperatorError(
            f"'{written[:100]}' is no amount: it must be above 0 and at most {text_cents(AMOUNT_CEILING_CENTS)}, "
            "written like 25 or 19.99.",
        )
    return amount_cents


@app.command(
    "ledger",
    cls=TaughtCommand,
    epilog=examples("novaproxy account ledger ada@example.com", "novaproxy account ledger ada@example.com --json"),
)
def ledger(email: Email, limit: Limit = None, is_all: All = False, as_json: AsJson = False) -> None:
    """Show what moved a customer's balance, the newest entry first."""
    wish, progress = Wish(limit, is_all, as_json), Progress("Reading the ledger ...")

    async def listed(connection: SoleConnection) -> None:
        account = await find_account(connection, email)

        async def page(last: Entry | None, rows: int) -> list[Entry]:
            return await read_entries(connection, account.id, last.version if last else None, rows)

        shape = Shape(
            "entries",
            entry_columns(await read_currency(connection)),
            entry_cells,
            shown_entry,
            "Nothing has moved this balance yet.",
        )
        await print_list(page, shape, wish, progress)

    run(listed, progress)


@app.command(
    "suspend", cls=TaughtCommand, epilog=examples("novaproxy account suspend ada@example.com --reason 'Card stolen'")
)
def suspend(email: Email, reason: Cause = "suspended by the operator") -> None:
    """Refuse all tokens of a customer from now on. His balance and his orders stay."""
    _move(email, AccountStatus.SUSPENDED, reason)


@app.command("resume", cls=TaughtCommand, epilog=examples("novaproxy account resume ada@example.com"))
def resume(email: Email, reason: Cause = "resumed by the operator") -> None:
    """Let a suspended customer's tokens in again."""
    _move(email, AccountStatus.ACTIVE, reason)


def _move(email: str, after: AccountStatus, cause: str) -> None:
    cause = checked_text(cause, "reason", LONGEST_REASON)

    async def moved(connection: SoleConnection, account: AccountRow) -> Answer:
        if not await move_account(connection, account.id, after, cause, ACTOR):
            return answered(f"The account {account.email} is {after} already; nothing was changed.")
        done = "Suspended" if after is AccountStatus.SUSPENDED else "Resumed"
        return answered(f"{done} the account {account.email}.")

    change(
        lambda connection: find_account(connection, email),
        moved,
        look=f"'novaproxy account show {email}' shows it",
    )


def _shown(account: AccountRow) -> dict[str, Any]:
    return {
        "uuid": account.uuid,
        "email": account.email,
        "name": account.name,
        "status": account.status,
        "balance": json_cents(account.balance_cents),
        "orders": account.orders,
        "created_at": account.created_at,
    }
