"""The live order at this gateway, and who is passing on it."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import structlog

from novaproxy.gateway.admission.orders import FoundOrder
from novaproxy.gateway.admission.terms import Bought, PlanTerms, bought
from novaproxy.gateway.allowance import Allowance
from novaproxy.gateway.model import Address, Entrance
from novaproxy.gateway.refusals import ProxyRefusal

log = structlog.get_logger("novaproxy.gateway")

Place = tuple[int, Entrance]
"""A port, and the protocol that was spoken there."""


def refused(reason: type[ProxyRefusal]) -> ProxyRefusal:
    """Return a new refusal of a kind that tells nothing but itself: one that is raised again keeps old frames alive."""
    return reason()  # type: ignore[call-arg]  # those with a sentence of their own are never kept


Close = Callable[[type[ProxyRefusal]], None]
"""Closes, for a reason, what a visit keeps open: a tunnel, or the way to one."""


class Line:
    """An order in use at this gateway, or just after.

    Attributes:
        order_id, uuid, account_id, plan_id, username: whose it is.
        bought: the order's own terms.
        plan: its plan's, by the newest catalog that was seen.
        expires_at: its end, None where it has none.
        initial_bytes: what was bought; None: unmetered.
        refusal: why it was cut, None while it lives.
        visits: who is passing, or about to.
    """

    __slots__ = (
        "account_id",
        "bought",
        "expires_at",
        "idle_since",
        "initial_bytes",
        "listed_at",
        "order_id",
        "password_digest",
        "password_sealed",
        "plan",
        "plan_id",
        "read_at",
        "refusal",
        "timer",
        "username",
        "uuid",
        "visits",
    )

    order_id: int
    uuid: UUID
    account_id: int
    plan_id: int
    username: str
    initial_bytes: int | None
    expires_at: datetime | None
    read_at: datetime
    timer: asyncio.TimerHandle | None

    def __init__(self, order: FoundOrder, plan: PlanTerms) -> None:
        self.order_id = order.id
        self.uuid = order.uuid
        self.account_id = order.account_id
        self.plan_id = order.plan_id
        self.username = order.username
        self.password_sealed = order.password_sealed
        self.password_digest = order.password_digest
        self.bought: Bought = bought(order.options)
        self.plan = plan
        self.initial_bytes = order.initial_bytes
        self.expires_at = order.expires_at
        self.read_at = order.read_at
        self.refusal: type[ProxyRefusal] | None = None
        self.visits: set[Visit] = set()
        self.listed_at: set[tuple[Address, Place]] = set()
        self.timer = None
        self.idle_since = 0.0

    @property
    def plan_slug(self) -> str:
        """The plan's slug."""
        return self.plan.slug

    def check(self) -> None:
        """Check that the line lives.

        Raises:
            ProxyRefusal: it was cut, for this reason.
        """
        if self.refusal is not None:
            raise refused(self.refusal)

    def cut(self, reason: type[ProxyRefusal]) -> None:
        """End everything that passes; the line is dead from now on. The first reason stays."""
        if self.refusal is None:
            self.refusal = reason
        self.cut_visits(self.refusal, lambda _visit: True)

    def cut_visits(self, reason: type[ProxyRefusal], concerns: Callable[["Visit"], bool]) -> None:
        """End those visits that *concerns* picks; the line lives on."""
        # A tunnel that is closed may end its visit at once.
        for visit in [visit for visit in self.visits if concerns(visit)]:
            visit.cut(reason)


class Visit:
    """One connection on a line, from its admission to its end: one of the tunnels at once.

    *address* is the client's where a whitelist let him in, None where he has the password. *allowance* are the order's
    bytes, where whoever took the tunnel brought them along.
    """

    allowance: Allowance | None

    __slots__ = ("_close", "_ended", "_releases", "address", "allowance", "line", "place", "refusal")

    def __init__(self, line: Line, place: Place, address: Address | None, ended: Callable[["Visit"], None]) -> None:
        self.line = line
        self.place = place
        self.address = address
        self.allowance = None
        self.refusal: type[ProxyRefusal] | None = None
        self._close: Close | None = None
        self._releases: Callable[[], None] | None = None
        self._ended: Callable[[Visit], None] | None = ended

    def check(self) -> None:
        """Check that nothing has cut this visit, as after each wait.

        Raises:
            ProxyRefusal: it was cut, for this reason.
        """
        if self.refusal is not None:
            raise refused(self.refusal)

    def serve(self, close: Close) -> None:
        """Have *close* called when the visit is cut, at once where it was; it takes the place of an earlier one."""
        self._close = close
        if self.refusal is not None:
            self._tell(self.refusal)

    def releasing(self, release: Callable[[], None]) -> None:
        """Have *release* called once, when the visit ends; at once where it has ended."""
        if self._ended is None:
            release()
        else:
            self._releases = release

    def cut(self, reason: type[ProxyRefusal]) -> None:
        """Close what this visit keeps open; who keeps it ends the visit. The first reason stays."""
        if self.refusal is None:
            self.refusal = reason
            self._tell(reason)

    def end(self) -> None:
        """Give the place back; however often it is called, once."""
        ended, self._ended = self._ended, None
        if ended is None:
            return
        release, self._releases = self._releases, None
        self._close = None
        ended(self)
        if release is not None:
            release()

    def _tell(self, reason: type[ProxyRefusal]) -> None:
        if self._close is None:
            return
        try:
            self._close(reason)
        except Exception:
            # Whatever is wrong with one tunnel, the others are still to be cut.
            log.exception("tunnel not closed", order=str(self.line.uuid))
