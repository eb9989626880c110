"""One round trip an order: Starlette, and asyncpg calling the stored function of benchmarks/peer.sql.

Run by uvicorn in the environment `.venv-peers`, PGHOST and its kind say where the database is:

    uvicorn --factory benchmarks.peers.one_trip:made_app

It shows the plan as it was at its start, and the password that it shows is none that is kept: the function seals none.
"""

import hashlib
import json
import secrets
import string
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

POOL_SIZE = 32
BYTES_PER_GB = 2**30
LETTERS = string.ascii_lowercase + string.digits
PLACE = "SELECT place_one($1, $2, $3)"
PLANS = """
SELECT plan FROM catalog_revision, jsonb_array_elements(document -> 'plans') AS plan
WHERE catalog_revision.id = (SELECT max(id) FROM catalog_revision)
"""


async def _keep_session(_connection: Any) -> None:  # noqa: ANN401 -- a connection of the pool
    """Leave a released connection as it is: a reset is one more round trip."""


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Open the pool, and read the plans."""
    async with asyncpg.create_pool(min_size=1, max_size=POOL_SIZE, reset=_keep_session) as pool:
        plans = [json.loads(row["plan"]) for row in await pool.fetch(PLANS)]
        app.state.pool = pool
        app.state.plans = {plan["slug"]: plan for plan in plans}
        app.state.shown = {plan["slug"]: _plan_resource(plan) for plan in plans}
        yield


def _plan_resource(plan: dict[str, Any]) -> dict[str, Any]:
    shown = ("id", "name", "slug", "type", "has_geo_targeting", "has_ip_whitelist", "rotations", "protocols")
    tiers = [
        {
            "id": tier["id"],
            "bandwidth": tier["bandwidth_gb"],
            "bandwidth_unit": "GB",
            "bandwidth_in_bytes": tier["bandwidth_gb"] * BYTES_PER_GB,
            "price_per_gb": tier["price_per_gb_e4"] / 10_000,
        }
        for tier in plan["tiers"]
    ]
    return {name: plan[name] for name in shown} | {"bandwidths": tiers}


async def create_order(request: Request) -> JSONResponse:
    """``POST /orders``."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    asked = await request.json()
    if scheme.lower() != "bearer":
        return JSONResponse({"error": "Unauthenticated."}, 401)
    token_hash = hashlib.sha256(token.encode()).digest()
    state, slug, bandwidth_gb = request.app.state, asked["plan"], asked["bandwidth"]
    try:
        uuid = await state.pool.fetchval(PLACE, token_hash, slug, bandwidth_gb)
    except asyncpg.RaiseError as refusal:
        return JSONResponse({"error": refusal.message}, 401 if refusal.message == "Unauthenticated." else 422)
    gross = _price_cents(state.plans[slug], bandwidth_gb) / 100
    return JSONResponse(_order_resource(uuid, state.shown[slug], bandwidth_gb, gross), 201)


def _price_cents(plan: dict[str, Any], bandwidth_gb: int) -> int:
    """Return what the function charged: the tiers stand in order."""
    price_e4 = [tier["price_per_gb_e4"] for tier in plan["tiers"] if tier["bandwidth_gb"] <= bandwidth_gb][-1]
    return int((2 * price_e4 * bandwidth_gb + 100) // 200)


def _order_resource(uuid: UUID, plan: dict[str, Any], bandwidth_gb: int, gross: float) -> dict[str, Any]:
    """Return the order as it is shown; the function makes the username of the uuid."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "uuid": str(uuid),
        "username": hashlib.md5(str(uuid).encode(), usedforsecurity=False).hexdigest()[:15],
        "password": "".join(secrets.choice(LETTERS) for _ in range(15)),
        "initial_bandwidth_in_bytes": bandwidth_gb * BYTES_PER_GB,
        "remaining_bandwidth_in_bytes": bandwidth_gb * BYTES_PER_GB,
        "consumed_bandwidth_in_bytes": 0,
        "expires_at": None,
        "status": "active",
        "price": {"gross": gross, "discount": 0, "net": gross},
        "plan": plan,
        "duration_options": [],
        "created_at": now,
        "updated_at": now,
    }


def made_app() -> Starlette:
    """Return the application."""
    return Starlette(routes=[Route("/orders", create_order, methods=["POST"])], lifespan=lifespan)
