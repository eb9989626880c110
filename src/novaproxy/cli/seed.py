"""``novaproxy seed``: accounts and past orders by the thousand, for load tests."""

from pathlib import Path
from typing import Annotated

import typer

from novaproxy.catalog.store import read_currency
from novaproxy.cli.database import run, settings
from novaproxy.cli.output import complain, say
from novaproxy.cli.shown import with_currency
from novaproxy.cli.terminal import Progress
from novaproxy.cli.usage import TaughtCommand, examples, group
from novaproxy.credentials.seal import using_sealer
from novaproxy.database.pool import SoleConnection
from novaproxy.errors import OperatorError
from novaproxy.money import AMOUNT_CEILING_CENTS, parsed_cents, text_cents
from novaproxy.seeding.accounts import MOST_DAYS, seed_accounts
from novaproxy.seeding.orders import Past, seed_orders
from novaproxy.seeding.store import MOST, check_alone
from novaproxy.seeding.tokens import TokenFile

app = group(
    "Made-up accounts and past orders, for load tests.",
    "novaproxy seed accounts 1000 --tokens tokens.txt",
    "novaproxy seed orders 100000 --days 90",
)

Count = Annotated[int, typer.Argument(metavar="N", min=1, max=MOST, help="How many.")]
Beside = Annotated[
    bool,
    typer.Option("--beside-customers", help="Do it although the shop has customers that were not seeded."),
]


@app.command("accounts", cls=TaughtCommand, epilog=examples("novaproxy seed accounts 1000 --tokens tokens.txt"))
def accounts(
    count: Count,
    tokens: Annotated[
        Path, typer.Option("--tokens", metavar="FILE", help="A new file for the tokens; a line is 'email token'.")
    ],
    credit: Annotated[
        str, typer.Option("--credit", metavar="AMOUNT", help="What each has, for instance 25 or 19.99; 0: nothing.")
    ] = "1000",
    beside: Beside = False,
) -> None:
    """Make N accounts, each with credit and a token.

    Their e-mails are seed-...@example.com; they are opened as of a year ago, so that past orders have room. FILE can be
    read by its owner alone, and is there when all accounts are; an interruption leaves FILE.part, which has the tokens
    of those that were made.
    """
    credit_cents = _credit_cents(credit)
    progress = Progress("Making the accounts ...")

    async def seeded(connection: SoleConnection) -> str | None:
        if not beside:
            await check_alone(connection)
        await seed_accounts(
            connection, count, credit_cents, file, lambda made: progress.tell(f"{made} of {count} accounts ...")
        )
        return await read_currency(connection)

    with TokenFile(tokens, complain) as file:
        currency = run(seeded, progress)
    say(f"Made {count} accounts with {with_currency(credit_cents, currency)} each; their tokens are in {tokens}.")


def _credit_cents(written: str) -> int:
    credit_cents = parsed_cents(written)
    if credit_cents is None or credit_cents > AMOUNT_CEILING_CENTS:
        raise OperatorError(
            f"'{written[:100]}' is no credit: it must be 0 to {text_cents(AMOUNT_CEILING_CENTS)}, "
            "written like 25 or 19.99."
        )
    return credit_cents


@app.command("orders", cls=TaughtCommand, epilog=examples("novaproxy seed orders 100000 --days 90"))
def orders(
    count: Count,
    days: Annotated[
        int, typer.Option("--days", metavar="D", min=1, max=MOST_DAYS, help="Spread over the past D days.")
    ] = 90,
    seed: Annotated[
        int, typer.Option("--seed", metavar="S", help="The same seed draws the same orders, but for their secrets.")
    ] = 1,
    beside: Beside = False,
) -> None:
    """Load N past orders of the seeded accounts, in any status.

    They are what the shop would have sold: plans of the catalog as it is now, at its prices and within its limits. Each
    account is credited with what its orders cost. The shop may be open meanwhile.
    """
    progress = Progress("Loading the orders ...")

    async def seeded(connection: SoleConnection) -> int:
        if not beside:
            await check_alone(connection)
        given = settings()
        sealer = await using_sealer(connection, given.sealing_key, given.key_file)
        past = Past(count, days, seed)
        return await seed_orders(
            connection, past, sealer, lambda loaded: progress.tell(f"{loaded} of {count} orders ...")
        )

    account_count = run(seeded, progress)
    say(f"Loaded {count} past orders of {account_count} accounts.")
