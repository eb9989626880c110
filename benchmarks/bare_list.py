"""The peer of ``GET /orders``: the same statement for the same parts, read by asyncpg and encoded by msgspec; no HTTP.

It is what the list cannot do without: rows, opened passwords, JSON; written for this one list, on one connection.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec
import uvloop
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from novaproxy.catalog.resource import showcase
from novaproxy.catalog.store import read_listing
from novaproxy.database.pool import BY_KEY, SESSION, statement
from novaproxy.http.lists import PART_ROWS

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_NONCE_BYTES = 12
_FIRST = (datetime(9999, 1, 1, tzinfo=UTC), 2**63 - 1)


@dataclass(frozen=True, slots=True)
class BareList:
    """The list of one account, read and encoded again and again."""

    rows: "asyncpg.prepared_stmt.PreparedStatement[asyncpg.Record]"
    account_id: int
    user: msgspec.Raw
    plans: Mapping[int, msgspec.Raw]
    cipher: AESGCM

    async def parts(self) -> AsyncIterator[bytes]:
        """Give the list as JSON, part by part, without brackets."""
        place = _FIRST
        while True:
            rows = await self.rows.fetch(self.account_id, *place, None, PART_ROWS)
            if rows:
                yield b",".join([_ENCODER.encode(self._shown(row)) for row in rows])
                place = rows[-1]["created_at"], rows[-1]["id"]
            if len(rows) < PART_ROWS:
                return

    def _shown(self, row: asyncpg.Record) -> dict[str, Any]:
        initial, consumed, sealed = row["initial_bytes"], row["consumed_bytes"], row["password_sealed"]
        status, expires_at = row["status"], row["expires_at"]
        if status in ("active", "inactive") and expires_at is not None and expires_at <= row["read_at"]:
            status = "expired"
        return {
            "uuid": row["uuid"],
            "username": row["username"],
            "password": None if sealed is None else self._opened(sealed, row["uuid"].bytes),
            "initial_bandwidth_in_bytes": initial,
            "remaining_bandwidth_in_bytes": None if initial is None else initial - consumed,
            "consumed_bandwidth_in_bytes": consumed,
            "expires_at": expires_at,
            "status": status,
            "price": {
                "gross": _amount(row["gross_cents"]),
                "discount": _amount(row["discount_cents"]),
                "net": _amount(row["net_cents"]),
            },
            "user": self.user,
            "plan": self.plans[row["plan_id"]],
            "duration_options": msgspec.Raw(row["options"].encode()),
            "created_at": _moment(row["created_at"]),
            "updated_at": _moment(row["updated_at"]),
        }

    def _opened(self, sealed: bytes, order: bytes) -> str:
        return self.cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], order).decode()


def _amount(cents: int) -> int | Decimal:
    return Decimal(cents).scaleb(-2).normalize() if cents % 100 else cents // 100


def _moment(moment: datetime) -> datetime | str:
    return moment if moment.microsecond else f"{moment.isoformat()[:19]}.000000Z"


class BareReader:
    """Reads the bare list of the account *email* on a loop and a connection of its own."""

    def __init__(self, target: Mapping[str, Any], email: str, key: bytes) -> None:
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._list = self._runner.run(_opened(target, email, key))

    def body(self) -> bytes:
        """Return the list as the service answers it."""

        async def whole() -> list[bytes]:
            return [part async for part in self._list.parts()]

        return b"[" + b",".join(self._runner.run(whole())) + b"]"

    def seconds(self) -> float:
        """Read and encode the list once, part by part, and return how long that took."""

        async def passed() -> None:
            async for _ in self._list.parts():
                pass

        began = time.perf_counter()
        self._runner.run(passed())
        return time.perf_counter() - began

    def close(self) -> None:
        """Let go of the connection."""
        self._runner.close()


async def _opened(target: Mapping[str, Any], email: str, key: bytes) -> BareList:
    connection = await asyncpg.connect(**target, server_settings=SESSION | BY_KEY)
    account = await connection.fetchrow("SELECT id, uuid, email, name FROM account WHERE email = $1", email)
    rows = await connection.prepare(statement("novaproxy.orders", "list_orders"))
    user = {name: account[name] for name in ("uuid", "email", "name")}
    plans = showcase(await read_listing(connection)).plan_json
    return BareList(rows, account["id"], msgspec.Raw(_ENCODER.encode(user)), plans, AESGCM(key))
