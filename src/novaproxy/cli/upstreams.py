"""``novaproxy upstream``: the exits of the catalog, and whether they work from here."""

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from novaproxy.catalog.model import Upstream, UpstreamType
from novaproxy.catalog.store import read_listing
from novaproxy.cli.database import run, settings
from novaproxy.cli.lists import AsJson
from novaproxy.cli.output import print_json
from novaproxy.cli.tables import Cell, Column, print_table
from novaproxy.cli.terminal import Paint, Progress
from novaproxy.cli.usage import TaughtCommand, examples, group
from novaproxy.database.pool import SoleConnection
from novaproxy.errors import OperatorError
from novaproxy.gateway.exits.choosing import DIRECT
from novaproxy.gateway.exits.probing import Probe
from novaproxy.gateway.exits.upstreams import authority_of
from novaproxy.gateway.model import Target

app = group(
    "The exits: where customers' tunnels leave. They stand in the catalog.",
    "novaproxy upstream list",
    "novaproxy upstream check --to example.com:443",
)

_AT_ONCE = 16
_LAST_PORT = 65_535
_WELL, _DOWN = "well", "down"
_PAINT = {_WELL: Paint.GREEN, _DOWN: Paint.RED}
_NONE = "The catalog names no upstream: all plans leave through the gateway's own machine."


@app.command("list", cls=TaughtCommand, epilog=examples("novaproxy upstream list", "novaproxy upstream list --json"))
def index(as_json: AsJson = False) -> None:
    """List the upstreams, in the order of the catalog. Passwords are not shown."""
    upstreams = _upstreams()
    if as_json:
        print_json([_json(upstream) for upstream in upstreams])
        return
    columns = (
        Column("name"),
        Column("type"),
        Column("where", least=16),
        Column("country"),
        Column("state", rank=3),
        Column("city", rank=2),
        Column("tags", rank=5, least=8),
        Column("weight", to_right=True, rank=4),
        Column("plans", rank=1, least=16),
    )
    print_table(columns, [_cells(upstream) for upstream in upstreams], _NONE)


@dataclass(frozen=True, slots=True)
class _Checked:
    """How an upstream fared."""

    upstream: Upstream
    milliseconds: int
    fault: str | None


@app.command(
    "check",
    cls=TaughtCommand,
    epilog=examples("novaproxy upstream check", "novaproxy upstream check berlin-1 --to example.com:443"),
)
def check(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="One of them; all otherwise.")] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="HOST:PORT", help="Open a connection through each, as a customer does."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Connect to each upstream, greet it, and time it.

    With --to it goes on to a target, as customers do and within what they may reach. It fails where one is down.
    Passwords that the catalog only names are read from this command's environment.
    """
    target = None if to is None else _target(to)
    chosen = _chosen(_upstreams(), name)
    with Progress("Checking the upstreams ..."):
        done = asyncio.run(_checked(chosen, target))
    if as_json:
        print_json([_checked_json(one) for one in done])
    else:
        columns = (
            Column("name"),
            Column("state", paint=_PAINT),
            Column("ms", to_right=True),
            Column("fault", least=16, folds=True),
        )
        rows = [(one.upstream.name, _state(one), one.milliseconds, one.fault) for one in done]
        print_table(columns, rows, _NONE)
    if down := [one.upstream.name for one in done if one.fault is not None]:
        raise OperatorError(f"Upstreams that are down: {', '.join(down)}.")


def _upstreams() -> tuple[Upstream, ...]:
    async def read(connection: SoleConnection) -> tuple[Upstream, ...]:
        return (await read_listing(connection)).catalog.upstreams

    return run(read)


def _chosen(upstreams: Sequence[Upstream], name: str | None) -> Sequence[Upstream]:
    if name is None:
        # Without any the machine itself is the exit.
        return upstreams or (DIRECT,)
    chosen = [upstream for upstream in upstreams if upstream.name == name]
    if not chosen:
        raise OperatorError(f"No upstream '{name}'; 'novaproxy upstream list' shows them.")
    return chosen


def _target(written: str) -> Target:
    host, _, port = written.rpartition(":")
    if not (host and port.isascii() and port.isdigit() and len(port) <= len(str(_LAST_PORT))):
        raise OperatorError("--to must be a host and a port, such as example.com:443.")
    number = int(port)
    if not 1 <= number <= _LAST_PORT:
        raise OperatorError(f"The port of --to must be from 1 to {_LAST_PORT}.")
    return Target(host.lower(), number)


async def _checked(upstreams: Sequence[Upstream], target: Target | None) -> list[_Checked]:
    probe, turns = Probe(settings().gateway, os.environ), asyncio.Semaphore(_AT_ONCE)

    async def checked(upstream: Upstream) -> _Checked:
        async with turns:
            began = time.monotonic()
            fault = await probe.fault(upstream, target)
            return _Checked(upstream, round((time.monotonic() - began) * 1_000), fault)

    return list(await asyncio.gather(*(checked(upstream) for upstream in upstreams)))


def _state(one: _Checked) -> str:
    return _WELL if one.fault is None else _DOWN


def _where(upstream: Upstream) -> str | None:
    if upstream.type is UpstreamType.DIRECT:
        return upstream.source
    login = f"{upstream.username}@" if upstream.username is not None else ""
    return login + authority_of(upstream.host or "", upstream.port or 0)


def _cells(upstream: Upstream) -> tuple[Cell, ...]:
    return (
        upstream.name,
        upstream.type,
        _where(upstream),
        upstream.country,
        upstream.state,
        upstream.city,
        ", ".join(upstream.tags) or None,
        upstream.weight,
        "all" if upstream.plans is None else ", ".join(upstream.plans) or "none",
    )


def _json(upstream: Upstream) -> dict[str, Any]:
    return {
        "name": upstream.name,
        "type": upstream.type,
        "host": upstream.host,
        "port": upstream.port,
        "username": upstream.username,
        "has_password": upstream.password is not None or upstream.password_env is not None,
        "source": upstream.source,
        "country": upstream.country,
        "state": upstream.state,
        "city": upstream.city,
        "tags": upstream.tags,
        "weight": upstream.weight,
        "plans": upstream.plans,
    }


def _checked_json(one: _Checked) -> dict[str, Any]:
    return {
        "name": one.upstream.name,
        "is_well": one.fault is None,
        "milliseconds": one.milliseconds,
        "fault": one.fault,
    }
