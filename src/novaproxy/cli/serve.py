"""``novaproxy serve``: the whole service."""

import asyncio
import json
import os
import select
import socket
import sys
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from shlex import quote
from typing import Annotated

import typer

from novaproxy.catalog.store import read_listing
from novaproxy.cli.database import run_on, settings
from novaproxy.cli.output import ReaderGone, complain, flush, say
from novaproxy.cli.usage import examples
from novaproxy.credentials.keys import Keys, exposure
from novaproxy.credentials.seal import installation_keys, registered_sealer
from novaproxy.database.pool import SoleConnection
from novaproxy.errors import OperatorError
from novaproxy.gateway.ports import served_ports
from novaproxy.serving.children import Access, Delivery, Service
from novaproxy.serving.database import opened_database
from novaproxy.serving.demo import Demo, opened_demo
from novaproxy.serving.listening import Listener, check_proxy_ports, listening_socket
from novaproxy.serving.logs import configure_logs
from novaproxy.serving.progress import told_when_slow
from novaproxy.serving.supervisor import Supervisor
from novaproxy.settings import Settings

MOST_WORKERS = 256
_DEMO_HOST = "127.0.0.1"
_DEMO_PAGE_PORT = 12_320
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
    """Open the shop: take orders and serve proxies, until Ctrl-C.

    The database is made, started and brought up to date first; without NOVAPROXY_DATABASE_URL it is a PostgreSQL of the
    shop's own, which ends with the service.
    """
    given = settings()
    configure_logs(given.log_format)
    listener = Listener(host if host is not None else given.host, port if port is not None else given.port)
    # Ending is what a signal asks of a service, at whatever moment it comes: no fault.
    with suppress(KeyboardInterrupt):
        _serve(given, listener, workers, demo, migrates=not no_migrate)
    tell("NovaProxy has ended.")


def _serve(given: Settings, listener: Listener, workers: int, demo: bool, *, migrates: bool) -> None:
    # The port first: it is where starting fails most often, and making a database takes seconds.
    listener.bind()
    service = Service(
        listener.bound,
        delivery=_delivery(given, demo) if given.has_gateway else None,
        log_format=given.log_format,
        metrics_token=given.metrics_token,
        has_access_log=given.has_access_log,
        limits=given.limits,
    )
    supervisor = Supervisor(service, workers, given.gateway_processes if given.has_gateway else 0)
    with supervisor.launched(), opened_database(given, tell) as database:
        with told_when_slow("Bringing the database up to date ...", tell):
            keys, shop, ports = asyncio.run(
                run_on(database.roles, lambda connection: _prepared(connection, given, demo), migrates=migrates)
            )
        if given.has_gateway:
            check_proxy_ports(given.gateway_host, ports)
        listener.listen()
        supervisor.run(
            Access(database.target, keys),
            database.server,
            lambda: _announce(listener.address, shop, given, service.delivery),
        )


async def _prepared(
    connection: SoleConnection, given: Settings, demo: bool
) -> tuple[Keys, Demo | None, Collection[int]]:
    keys = await installation_keys(connection, given.sealing_key, given.key_file)
    await registered_sealer(connection, *keys)
    if given.sealing_key is None and (fault := exposure(given.key_file)) is not None:
        complain(fault)
    shop = await opened_demo(connection, given.data_dir / "demo-token") if demo else None
    return keys, shop, served_ports((await read_listing(connection)).catalog)


def _delivery(given: Settings, demo: bool) -> Delivery:
    """Return how gateways are run; the demo opens its own page to them, and nothing else."""
    if not demo:
        return Delivery(given.gateway, given.counters_dir)
    page = _demo_page_socket()
    allowed = (*given.gateway.allowed, (_DEMO_HOST, page.getsockname()[1]))
    return Delivery(replace(given.gateway, allowed=allowed), given.counters_dir, page)


def _demo_page_socket() -> socket.socket:
    """Return a socket for the demo page: on the same port each time where that is free, so that old lines stay good."""
    try:
        return listening_socket(_DEMO_HOST, _DEMO_PAGE_PORT)
    except OperatorError:
        return listening_socket(_DEMO_HOST, 0)


def tell(sentence: str) -> None:
    """Write *sentence* to standard output."""
    # The service opens and ends whether or not anybody reads what it says, and on a full disk too.
    with suppress(ReaderGone, OperatorError):
        if select.select([], [sys.stdout], [], READER_SECONDS)[1]:
            say(sentence)
            flush()


def _announce(address: str, shop: Demo | None, given: Settings, delivery: Delivery | None) -> None:
    lines = [f"NovaProxy {version('novaproxy')} is open at {address}", f"Its API is described at {address}/docs"]
    if shop is not None:
        lines += ["", f"  Account  {shop.email}, balance {shop.balance}", f"  Token    {shop.token}", ""]
        lines += _invitation(shop, address)
        if delivery is not None and delivery.demo is not None:
            lines += _proxy_invitation(shop, address, delivery.demo)
    where = "in the database of NOVAPROXY_DATABASE_URL" if given.database_url else f"in {given.data_dir}"
    tell("\n".join([*lines, f"Ctrl-C ends it; the data stays {where}."]))


def _invitation(shop: Demo, address: str) -> list[str]:
    if shop.order is None:
        return ["See what is sold:", "", f"  curl -sS {quote(f'{address}/plans')}", ""]
    headers = [
        _authorization(shop),
        # Another key each start: the line is a new order then, and the same order however often it is sent.
        f"-H 'Idempotency-Key: demo-{os.urandom(6).hex()}'",
        "-H 'Content-Type: application/json'",
    ]
    return [
        "Place an order:",
        "",
        f"  curl -sS {quote(f'{address}/orders')} {' '.join(headers)} -d {quote(json.dumps(shop.order))}",
        "",
    ]


def _proxy_invitation(shop: Demo, address: str, page: socket.socket) -> list[str]:
    """Return lines that fetch a page through the newest order's proxy, and then tell what it consumed."""
    if shop.proxy is None:
        return []
    newest = f"curl -sS {quote(f'{address}/orders?limit=1')} {_authorization(shop)}"
    credentials = r"""sed -E 's/.*"username":"([^"]*)","password":"([^"]*)".*/\1:\2/'"""
    host, port = page.getsockname()[:2]
    return [
        "Fetch a page through the proxy that you bought:",
        "",
        f'  curl -sS http://{host}:{port}/ -x "http://$({newest} | {credentials})@{shop.proxy}"',
        "",
        "See what it consumed:",
        "",
        f"  {newest}",
        "",
    ]


def _authorization(shop: Demo) -> str:
    return f"-H 'Authorization: Bearer {shop.token}'"
