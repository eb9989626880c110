"""``novaproxy token``: the tokens with which customers call the API."""

from typing import Annotated

import typer

from novaproxy.accounts.store import (
    LONGEST_TOKEN_NAME,
    AccountRow,
    TokenRow,
    checked_text,
    create_token,
    find_account,
    list_tokens,
    revoke_token,
)
from novaproxy.cli.accounts import Email
from novaproxy.cli.change import Answer, answered, change
from novaproxy.cli.database import run
from novaproxy.cli.lists import AsJson
from novaproxy.cli.output import print_json
from novaproxy.cli.tables import Column, print_table
from novaproxy.cli.usage import TaughtCommand, examples, group
from novaproxy.database.pool import SoleConnection

app = group(
    "The tokens with which customers call the API.",
    "novaproxy token create ada@example.com",
    "novaproxy token revoke ada@example.com default",
)


@app.command("create", cls=TaughtCommand, epilog=examples("TOKEN=$(novaproxy token create ada@example.com --name web)"))
def create(
    email: Email,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="N", help="Unique per account; default, default-2 ... where none is given."),
    ] = None,
) -> None:
    """Make a token and print it, the only time it is ever shown."""

    async def created(connection: SoleConnection, account: AccountRow) -> Answer:
        token = await create_token(connection, account.id, name)
        # What is told of it elsewhere must not repeat the token.
        return Answer([token], "the token that was printed is good.")

    # Printed before its COMMIT: a token that nobody could see would stay open for ever. One that is seen and then not
    # committed opens nothing.
    change(
        lambda connection: find_account(connection, email),
        created,
        look=f"'novaproxy token list {email}' shows it",
        unmade="No token was made: nothing that was printed opens the shop.",
    )


@app.command("list", cls=TaughtCommand, epilog=examples("novaproxy token list ada@example.com"))
def index(email: Email, as_json: AsJson = False) -> None:
    """List a customer's tokens, revoked ones too."""

    async def listed(connection: SoleConnection) -> list[TokenRow]:
        return await list_tokens(connection, (await find_account(connection, email)).id)

    tokens = run(listed)
    if as_json:
        print_json(
            [{"name": token.name, "created_at": token.created_at, "revoked_at": token.revoked_at} for token in tokens],
        )
        return
    rows = [(token.name, token.created_at, token.revoked_at) for token in tokens]
    columns = (Column("name", least=12), Column("created", is_time=True), Column("revoked", is_time=True))
    print_table(columns, rows, "The account has no tokens yet: make one with 'novaproxy token create EMAIL'.")


@app.command("revoke", cls=TaughtCommand, epilog=examples("novaproxy token revoke ada@example.com web"))
def revoke(email: Email, name: Annotated[str, typer.Argument(metavar="NAME", help="The token's name.")]) -> None:
    """Revoke a token, at once and for good; its name stays taken."""
    name = checked_text(name, "token's name", LONGEST_TOKEN_NAME)

    async def revoked(connection: SoleConnection, account: AccountRow) -> Answer:
        was_open = await revoke_token(connection, account.id, name)
        return answered(f"Revoked the token '{name}'." if was_open else f"The token '{name}' was revoked before.")

    change(
        lambda connection: find_account(connection, email),
        revoked,
        look=f"'novaproxy token list {email}' shows it",
    )
