"""``novaproxy serve``: the whole service."""

import asyncio
import json
import select
import sys
from contextlib import suppress
from importlib.metadata import version
from shlex import quote
from typing import Annotated

import typer

from novaproxy.cli.database import run_on, settings
from novaproxy.cli.output import ReaderGone, flush, say
from novaproxy.cli.usage import examples
from novaproxy.credentials.keys import Keys
from novaproxy.credentials.seal import installation_keys, registered_sealer
from novaproxy.database.pool import SoleConnection
from novaproxy.errors import OperatorError
from novaproxy.serving.children import Service
from novaproxy.serving.database import opened_database
from novaproxy.serving.demo import Demo, opened_demo
from novaproxy.serving.listening import Listener
from novaproxy.serving.logs import configure_logs
from novaproxy.serving.progress import told_when_slow
from novaproxy.serving.supervisor import Supervisor
from novaproxy.settings import Settings

MOST_WORKERS = 256
READER_SECONDS = 0.5
"""How long a reader of standard output is waited for."""

EXAMPLES = examples(
    "novaproxy serve --demo",
    "novaproxy serve --host 0.0.0.0 --port 8080 --workers 4",
)


def serve(
    host: Annotated[
        str | None, typer.Option("--host", metavar="H", help="Listen here [NOVAPROXY_HOST; 127.0.0.1].")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port", metavar="P", min=0, max=65_535, help="And on this port [NOVAPROXY_PORT; 8000]; 0: a free one."
        ),
    ] = None,
    workers: Annotated[
        int,
        typer.Option("--workers", metavar="N", min=1, max=MOST_WORKERS, help="API worker processes."),
    ] = 1,
    demo: Annotated[
        bool, typer.Option("--demo", help="Open the demo shop: a catalog, an account with credit, a token.")
    ] = False,
    no_migrate: Annotated[
        bool, typer.Option("--no-migrate", help="Never migrate: refuse a database that is not up to date.")
    ] = False,
) -> None:
    """Open the shop: serve the order API until Ctrl-C or SIGTERM.

    The database is made, started and brought up to date first; without NOVAPROXY_DATABASE_URL it is a PostgreSQL of the
    shop's own, which ends with the service.
    """
    given = settings()
    configure_logs(given.log_format)
    listener = Listener(host if host is not None else given.host, port if port is not None else given.port)
    # Ending is what a signal asks of a service, at whatever moment it comes: no fault.
    with suppress(KeyboardInterrupt):
        _serve(given, listener, workers, demo, migrates=not no_migrate)
    _tell("NovaProxy has ended.")


def _serve(given: Settings, listener: Listener, workers: int, demo: bool, *, migrates: bool) -> None:
    # The port first: it is where starting fails most often, and making a database takes seconds.
    listener.bind()
    with opened_database(given, _tell) as database:
        with told_when_slow("Bringing the database up to date ...", _tell):
            keys, shop = asyncio.run(
                run_on(database.roles, lambda connection: _prepared(connection, given, demo), migrates=migrates)
            )
        listener.listen()
        service = Service(
            database.target,
            keys,
            listener.bound,
            log_format=given.log_format,
            metrics_token=given.metrics_token,
            has_access_log=given.has_access_log,
            limits=given.limits,
        )
        supervisor = Supervisor(service, database.server, workers)
        supervisor.run(lambda: _announce(listener.address, shop, given))


async def _prepared(connection: SoleConnection, given: Settings, demo: bool) -> tuple[Keys, Demo | None]:
    keys = await installation_keys(connection, given.sealing_key, given.key_file)
    await registered_sealer(connection, *keys)
    shop = await opened_demo(connection, given.data_dir / "demo-token") if demo else None
    return keys, shop


def _tell(sentence: str) -> None:
    # The service opens and ends whether or not anybody reads what it says, and on a full disk too.
    with suppress(ReaderGone, OperatorError):
        if select.select([], [sys.stdout], [], READER_SECONDS)[1]:
            say(sentence)
            flush()


def _announce(address: str, shop: Demo | None, given: Settings) -> None:
    lines = [f"NovaProxy {version('novaproxy')} is open at {address}", f"Its API is described at {address}/docs"]
    if shop is not None:
        lines += ["", f"  Account  {shop.email}, balance {shop.balance}", f"  Token    {shop.token}", ""]
        lines += [*_invitation(shop, address), ""]
    where = "in the database of NOVAPROXY_DATABASE_URL" if given.database_url else f"in {given.data_dir}"
    _tell("\n".join([*lines, f"Ctrl-C ends it; the data stays {where}."]))


def _invitation(shop: Demo, address: str) -> list[str]:
    if shop.order is None:
        return ["See what is sold:", "", f"  curl -s {quote(f'{address}/plans')}"]
    headers = f"-H 'Authorization: Bearer {shop.token}' -H 'Content-Type: application/json'"
    return [
        "Place an order:",
        "",
        f"  curl -s {quote(f'{address}/orders')} {headers} -d {quote(json.dumps(shop.order))}",
    ]
