"""The application: a pool, a session and a customer for each request, and the one route."""

import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from benchmarks.peers.usual.models import Account, ApiToken, Order
from benchmarks.peers.usual.placing import BYTES_PER_GB, Sealer, place_order
from benchmarks.peers.usual.schemas import OrderCreate, OrderResource, PlanResource, PriceResource, TierResource

POOL_SIZE = 16
"""Connections; 4, 8 and 32 were tried and no faster, for the one process is what is full."""

bearer = HTTPBearer(auto_error=False)


async def opened_session(request: Request) -> AsyncIterator[AsyncSession]:
    """Give a session for one request."""
    async with request.app.state.sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(opened_session)]


async def asking_account(
    session: Session, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> Account:
    """Return the active account behind the bearer token."""
    if credentials is None:
        raise HTTPException(401, "Unauthenticated.")
    token_hash = hashlib.sha256(credentials.credentials.encode()).digest()
    found: Account | None = await session.scalar(
        select(Account)
        .join(ApiToken, ApiToken.account_id == Account.id)
        .where(ApiToken.token_hash == token_hash, ApiToken.revoked_at.is_(None), Account.status == "active")
    )
    if found is None:
        raise HTTPException(401, "Unauthenticated.")
    return found


def order_resource(order: Order, password: str) -> OrderResource:
    """Return *order* as it is shown."""
    plan = order.plan
    return OrderResource(
        uuid=order.uuid,
        username=order.username,
        password=password,
        initial_bandwidth_in_bytes=order.meter.initial_bytes,
        remaining_bandwidth_in_bytes=order.meter.initial_bytes - order.meter.consumed_bytes,
        consumed_bandwidth_in_bytes=order.meter.consumed_bytes,
        expires_at=order.expires_at,
        status=order.status,
        price=PriceResource(
            gross=order.gross_cents / 100, discount=order.discount_cents / 100, net=order.net_cents / 100
        ),
        plan=PlanResource(
            id=plan.id,
            name=plan.name,
            slug=plan.slug,
            type=plan.type,
            has_geo_targeting=plan.has_geo_targeting,
            has_ip_whitelist=plan.has_ip_whitelist,
            rotations=plan.rotations,
            protocols=plan.protocols,
            bandwidths=[
                TierResource(
                    id=tier.id,
                    bandwidth=tier.bandwidth_gb,
                    bandwidth_unit="GB",
                    bandwidth_in_bytes=tier.bandwidth_gb * BYTES_PER_GB,
                    price_per_gb=tier.price_per_gb_e4 / 10_000,
                )
                for tier in plan.tiers
            ],
        ),
        duration_options=order.options,
        created_at=order.created_at,
        updated_at=order.updated_at,
    )


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the pool and read the key."""
    # asyncpg takes the address from PGHOST, PGUSER, PGPASSWORD and PGDATABASE.
    engine = create_async_engine("postgresql+asyncpg://", pool_size=POOL_SIZE, max_overflow=0)
    app.state.sessions = async_sessionmaker(engine, expire_on_commit=False)
    app.state.sealer = Sealer(bytes.fromhex(os.environ["PEER_SEALING_KEY"]), key_id=1)
    yield
    await engine.dispose()


def made_app() -> FastAPI:
    """Return the application."""
    app = FastAPI(lifespan=lifespan)

    @app.post("/orders", status_code=201)
    async def create_order(
        request: Request, asked: OrderCreate, session: Session, account: Annotated[Account, Depends(asking_account)]
    ) -> OrderResource:
        order, password = await place_order(session, account, asked, request.app.state.sealer)
        return order_resource(order, password)

    return app
