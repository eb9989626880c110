"""``novaproxy gateway``: proxies alone, on a machine beside those that take orders."""

import asyncio
from contextlib import suppress
from importlib.metadata import version

from novaproxy.catalog.store import read_listing
from novaproxy.cli.database import has_database, run_on, settings
from novaproxy.cli.serve import tell
from novaproxy.cli.usage import examples
from novaproxy.credentials.keys import Keys
from novaproxy.credentials.seal import installation_keys
from novaproxy.database.pool import SoleConnection
from novaproxy.errors import OperatorError
from novaproxy.gateway.ports import served_ports
from novaproxy.serving.children import Access, Delivery, Service
from novaproxy.serving.database import opened_database
from novaproxy.serving.listening import check_proxy_ports
from novaproxy.serving.logs import configure_logs
from novaproxy.serving.supervisor import Supervisor
from novaproxy.settings import Settings

EXAMPLES = examples(
    "novaproxy gateway",
    "NOVAPROXY_GATEWAY_HOST=0.0.0.0 novaproxy gateway",
)


def gateway() -> None:
    """Serve proxies alone, until Ctrl-C or SIGTERM.

    It needs the shop's database (NOVAPROXY_DATABASE_URL) and its sealing key, and changes no schema. Its counter files
    stay in NOVAPROXY_DATA_DIR, which no other machine shares: what passed just before a crash is settled from them.
    """
    given = settings()
    configure_logs(given.log_format)
    if not has_database(given):
        raise OperatorError("A gateway serves what a shop has sold: set NOVAPROXY_DATABASE_URL to the shop's database.")
    with suppress(KeyboardInterrupt):
        _serve(given)
    tell("The gateway has ended.")


def _serve(given: Settings) -> None:
    service = Service(None, delivery=Delivery(given.gateway, given.counters_dir), log_format=given.log_format)
    supervisor = Supervisor(service, workers=0, gateways=given.gateway_processes)
    with supervisor.launched(), opened_database(given, tell) as database:
        keys, ports = asyncio.run(
            run_on(database.roles, lambda connection: _prepared(connection, given), migrates=False)
        )
        check_proxy_ports(given.gateway_host, ports)
        supervisor.run(Access(database.target, keys), database.server, lambda: _announce(given, list(ports)))


async def _prepared(connection: SoleConnection, given: Settings) -> tuple[Keys, list[int]]:
    keys = await installation_keys(connection, given.sealing_key, given.key_file)
    return keys, list(served_ports((await read_listing(connection)).catalog))


def _announce(given: Settings, ports: list[int]) -> None:
    where = f"the ports {', '.join(map(str, ports))}" if ports else "no port yet: the catalog names none"
    tell(
        f"NovaProxy {version('novaproxy')} serves proxies on {given.gateway_host}, {where}\n"
        f"Ctrl-C ends it; its counter files are in {given.counters_dir}."
    )
