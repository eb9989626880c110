"""``novaproxy token``: the tokens with which customers call the API."""

from typing import Annotated

import typer

from novaproxy.accounts.store import (
    LONGEST_TOKEN_NAME,
    TokenRow,
    checked_text,
    create_token,
    find_account,
    list_tokens,
    revoke_token,
)
from novaproxy.cli.accounts import AsJson, Email
from novaproxy.cli.database import run
from novaproxy.cli.output import print_json, print_table, say
from novaproxy.cli.usage import group
from novaproxy.database.pool import SoleConnection

app = group("The tokens with which customers call the API.")


@app.command("create")
def create(
    email: Email,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="N", help="Unique per account; default, default-2 ... where none is given."),
    ] = None,
) -> None:
    """Make a token and print it, the only time it is ever shown."""

    async def created(connection: SoleConnection) -> str:
        account = await find_account(connection, email)
        async with connection.transaction():
            return await create_token(connection, account.id, name)

    say(run(created))


@app.command("list")
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
    print_table(("name", "created", "revoked"), rows, "The account has no tokens yet.")


@app.command("revoke")
def revoke(email: Email, name: Annotated[str, typer.Argument(metavar="NAME", help="The token's name.")]) -> None:
    """Revoke a token, at once and for good."""
    name = checked_text(name, "token's name", LONGEST_TOKEN_NAME)

    async def revoked(connection: SoleConnection) -> bool:
        account = await find_account(connection, email)
        async with connection.transaction():
            return await revoke_token(connection, account.id, name)

    was_open = run(revoked)
    say(f"Revoked the token '{name}'." if was_open else f"The token '{name}' was revoked before.")
