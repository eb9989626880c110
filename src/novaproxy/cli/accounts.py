"""``novaproxy account``: customers and their balances."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from novaproxy.accounts.store import AccountRow, checked_text, create_account, find_account, list_accounts
from novaproxy.cli.database import run
from novaproxy.cli.output import print_facts, print_json, print_table, say
from novaproxy.cli.usage import AmountCommand, group
from novaproxy.database.pool import SoleConnection
from novaproxy.errors import OperatorError
from novaproxy.ledger.store import Adjusted, Adjustment, adjust
from novaproxy.money import AMOUNT_CEILING_CENTS, json_cents, parsed_cents, text_cents

app = group("Customers and their balances.")

ACTOR = "operator"
_LONGEST_REASON = 500
_LONGEST_REFERENCE = 200

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The customer's e-mail, without regard to case.")]
Amount = Annotated[str, typer.Argument(metavar="AMOUNT", help="For instance 25 or 19.99.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; the customer reads it in his ledger.")]
Reference = Annotated[
    str | None,
    typer.Option("--reference", metavar="R", help="The same reference twice on an account has one effect."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("create")
def create(
    email: Email,
    name: Annotated[str | None, typer.Option("--name", metavar="N", help="The customer's name.")] = None,
) -> None:
    """Make an account with a balance of 0."""
    account = run(lambda connection: create_account(connection, email, name, datetime.now(UTC)))
    say(f"Made the account {account.email}.")


@app.command("list")
def index(as_json: AsJson = False) -> None:
    """List all customers."""
    accounts = run(list_accounts)
    if as_json:
        print_json([_shown(account) for account in accounts])
        return
    rows = [
        (
            account.email,
            account.name,
            account.status,
            text_cents(account.balance_cents),
            account.orders,
            account.created_at,
        )
        for account in accounts
    ]
    print_table(("email", "name", "status", "balance", "orders", "created"), rows, "There are no accounts yet.")


@app.command("show")
def show(email: Email, as_json: AsJson = False) -> None:
    """Show one customer."""
    account = run(lambda connection: find_account(connection, email))
    if as_json:
        print_json(_shown(account))
        return
    print_facts(
        [
            ("email", account.email),
            ("name", account.name),
            ("uuid", str(account.uuid)),
            ("status", account.status),
            ("balance", text_cents(account.balance_cents)),
            ("orders", str(account.orders)),
            ("created", account.created_at),
        ]
    )


@app.command("credit", cls=AmountCommand)
def credit(email: Email, amount: Amount, reason: Reason, reference: Reference = None) -> None:
    """Put money on a customer's balance; print the new balance."""
    _adjusted(Adjustment.CREDIT, email, amount, reason, reference)


@app.command("debit", cls=AmountCommand)
def debit(email: Email, amount: Amount, reason: Reason, reference: Reference = None) -> None:
    """Take money off a customer's balance; print the new balance."""
    _adjusted(Adjustment.DEBIT, email, amount, reason, reference)


def _adjusted(kind: Adjustment, email: str, amount: str, reason: str, reference: str | None) -> None:
    amount_cents = _amount_cents(amount)
    reason = checked_text(reason, "reason", _LONGEST_REASON)
    if reference is not None:
        reference = checked_text(reference, "reference", _LONGEST_REFERENCE)

    async def adjusted(connection: SoleConnection) -> Adjusted:
        account = await find_account(connection, email)
        async with connection.transaction():
            return await adjust(
                connection,
                account.id,
                kind,
                amount_cents,
                reason=reason,
                reference=reference,
                actor=ACTOR,
            )

    result = run(adjusted)
    repeated = " (this reference was booked before; nothing changed)" if result.is_repeated else ""
    say(f"Balance: {text_cents(result.balance_cents)}{repeated}")


def _amount_cents(written: str) -> int:
    amount_cents = parsed_cents(written)
    if amount_cents is None or not 0 < amount_cents <= AMOUNT_CEILING_CENTS:
        raise OperatorError(
            f"'{written[:100]}' is no amount: it must be above 0 and at most {text_cents(AMOUNT_CEILING_CENTS)}, "
            "written like 25 or 19.99.",
        )
    return amount_cents


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
