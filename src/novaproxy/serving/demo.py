"""The demo shop: the demo catalog, one account with credit, and its token; made once, found again later."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Any

from novaproxy.accounts.asking import token_hash
from novaproxy.accounts.store import AccountRow, create_account, create_token, find_account
from novaproxy.catalog.file import demo_text
from novaproxy.catalog.model import Catalog, Delivery, Duration, Option, Plan
from novaproxy.catalog.rules import asked_options, bandwidth_price_cents, duration_price_cents
from novaproxy.catalog.store import lock_for_apply, read_listing
from novaproxy.catalog.update import apply_file
from novaproxy.database.pool import SoleConnection
from novaproxy.errors import OperatorError, Refusal
from novaproxy.ledger.store import Adjustment, adjust
from novaproxy.money import text_cents

EMAIL = "demo@example.com"
CREDIT_CENTS = 1_000_00
ACTOR = "demo"

_EXAMPLE_GB = 2

Order = dict[str, Any]
"""An order as a client sends it."""


@dataclass(frozen=True, slots=True)
class Demo:
    """What the visitor of the demo shop needs.

    *balance* has its currency; *order* is one that his balance pays, None where the catalog has none; *proxy* is where
    that order's HTTP proxy is, None where its plan has none.
    """

    email: str
    balance: str
    token: str
    order: Order | None
    proxy: str | None


async def opened_demo(connection: SoleConnection, token_file: Path) -> Demo:
    """Return the demo shop; what is missing of it is made, what is there (an operator's catalog too) stays.

    Raises:
        OperatorError: the shop has customers and was never a demo, or the token cannot be kept in *token_file*.
    """
    kept = _kept(token_file)
    async with connection.transaction():
        # Of two demos that start at once one makes everything, and an operator's apply comes before or after.
        await lock_for_apply(connection)
        if not (await read_listing(connection)).revision:
            await apply_file(connection, demo_text(), ACTOR, dry_run=False)
        catalog = (await read_listing(connection)).catalog
        account = await _account(connection)
        balance_cents = await _credited_cents(connection, account)
        token = kept if await _opens(connection, account, kept) else await create_token(connection, account.id, None)
    if token != kept:
        _keep(token_file, token)
    balance = f"{text_cents(balance_cents)} {catalog.currency}"
    order = example_order(catalog, balance_cents)
    return Demo(EMAIL, balance, token, order, _proxy_of(catalog, order))


async def _account(connection: SoleConnection) -> AccountRow:
    try:
        return await find_account(connection, EMAIL)
    except OperatorError:
        if await connection.fetchval("SELECT EXISTS (SELECT FROM account WHERE kind = 'customer')"):
            raise OperatorError(
                f"This shop has customers, and --demo would add {EMAIL} with {text_cents(CREDIT_CENTS)} to it: "
                "start it without --demo, or set NOVAPROXY_DATA_DIR to another directory."
            ) from None
        return await create_account(connection, EMAIL, "Demo", datetime.now(UTC))


async def _credited_cents(connection: SoleConnection, account: AccountRow) -> int:
    """Return the balance after the demo's credit, which an account gets once."""
    adjusted = await adjust(
        connection,
        account.id,
        Adjustment.CREDIT,
        CREDIT_CENTS,
        reason="Demo credit",
        reference="demo-credit",
        actor=ACTOR,
    )
    return adjusted.balance_cents


async def _opens(connection: SoleConnection, account: AccountRow, token: str) -> bool:
    opens: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM api_token WHERE token_hash = $1 AND account_id = $2 AND revoked_at IS NULL)",
        token_hash(token.encode("ascii", "replace")),
        account.id,
    )
    return opens


def _kept(token_file: Path) -> str:
    """Return the token of an earlier start, empty where there is none."""
    try:
        return token_file.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise OperatorError(f"The demo's token file {token_file} cannot be read: {error.strerror}.") from error


def _keep(token_file: Path, token: str) -> None:
    """Write the token for its owner's eyes alone."""
    try:
        token_file.parent.mkdir(parents=True, exist_ok=True)
        token_file.unlink(missing_ok=True)
        descriptor = os.open(token_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{token}\n")
    except OSError as error:
        raise OperatorError(f"The demo's token file {token_file} cannot be written: {error.strerror}.") from error


def example_order(catalog: Catalog, balance_cents: int) -> Order | None:
    """Return an order that *balance_cents* pays, of the first plan that sells one; a plan with a limit comes last."""
    plans = sorted((plan for plan in catalog.plans if plan.active), key=lambda plan: bool(plan.max_orders_per_account))
    examples = (example for plan in plans for example in _examples(plan))
    return next((order for order, gross_cents in examples if gross_cents <= balance_cents), None)


def _proxy_of(catalog: Catalog, order: Order | None) -> str | None:
    """Return host and port of the HTTP proxy that *order* buys."""
    protocols = [
        protocol
        for plan in catalog.plans
        if order is not None and plan.slug == order["plan"] and plan.delivery is Delivery.GATEWAY
        for protocol in plan.protocols
        if protocol.code == "http"
    ]
    return f"{protocols[0].host}:{protocols[0].port}" if protocols else None


def _examples(plan: Plan) -> Iterator[tuple[Order, int]]:
    """Yield orders of *plan*, each with its gross price in cents."""
    if plan.tiers:
        bandwidth_gb = max(_EXAMPLE_GB, plan.tiers[0].bandwidth_gb)
        yield {"plan": plan.slug, "bandwidth": bandwidth_gb}, bandwidth_price_cents(plan, bandwidth_gb)
    for duration in plan.durations:
        config = {option.name: _least(option) for option in duration.options}
        try:
            gross_cents = _gross_cents(duration, config)
        except Refusal:
            # Bounds that leave no value: nobody can buy this.
            continue
        yield {"plan": plan.slug, "duration": duration.slug} | ({"config": config} if config else {}), gross_cents


def _gross_cents(duration: Duration, config: dict[str, str]) -> int:
    return duration_price_cents(duration, asked_options(duration, dict(config) or None))


def _least(option: Option) -> str:
    """Return an option's first choice or least number, as text, which means the same as a number (row 9)."""
    if option.choices:
        return str(option.choices[0].value)
    least = option.min or Decimal(0)
    if option.step is not None:
        least = (least / option.step).to_integral_value(ROUND_CEILING) * option.step
    return f"{least:f}"
