"""A customer's account."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Account:
    """Who is asking: an active account behind a token that is not revoked."""

    id: int
    uuid: UUID
    email: str
    name: str
    balance_cents: int
