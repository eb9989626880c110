"""The orders in use at this gateway: found by username and by address, ended at their time, bounded."""

import asyncio
from collections.abc import Callable, Iterable

from novaproxy.gateway.admission.clock import DatabaseClock
from novaproxy.gateway.admission.line import Line, Place, Visit
from novaproxy.gateway.admission.orders import FoundOrder
from novaproxy.gateway.admission.terms import PlanTerms
from novaproxy.gateway.model import Address
from novaproxy.gateway.refusals import (
    AddressNotListed,
    CredentialsNotValid,
    GatewayUnavailable,
    OrderExpired,
    ProxyRefusal,
    WrongPort,
)

KEPT_SECONDS = 30.0
"""How long an order is kept, and watched, after its last tunnel: the next one then needs no look-up."""

MOST_LINES = 50_000
MOST_ADDRESSES = 50_000

_LONGEST_WAIT_SECONDS = 3_600.0
"""After which a timer looks at the clock again: the database's may go otherwise than this machine's."""


class Lines:
    """Lines by order, username and address. At most *most* are kept; of those without a visit the oldest goes first."""

    def __init__(self, clock: DatabaseClock, most: int = MOST_LINES, most_addresses: int = MOST_ADDRESSES) -> None:
        self._clock = clock
        self._most = most
        self._most_addresses = most_addresses
        self._by_id: dict[int, Line] = {}
        self._by_username: dict[str, Line] = {}
        self._by_address: dict[tuple[Address, Place], Line] = {}
        self._idle: dict[int, Line] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def all(self) -> list[Line]:
        """Return every line that lives."""
        return list(self._by_id.values())

    def by_order(self, order_id: int) -> Line | None:
        """Return the line of an order, None where it has none here."""
        return self._by_id.get(order_id)

    def by_username(self, username: str) -> Line | None:
        """Return the line of a username, None where it has none here."""
        return self._by_username.get(username)

    def by_address(self, address: Address, place: Place) -> Line | None:
        """Return the line that an address was let in on before, None where there is none."""
        return self._by_address.get((address, place))

    def holds(self, line: Line) -> bool:
        """Return whether *line* is still the one of its order."""
        return self._by_id.get(line.order_id) is line

    def add(self, order: FoundOrder, plan: PlanTerms) -> Line:
        """Return a new line of *order*, which has none.

        Raises:
            GatewayUnavailable: as many as there may be are in use.
        """
        if len(self._by_id) >= self._most:
            if not self._idle:
                raise GatewayUnavailable
            self._drop(next(iter(self._idle.values())))
        line = Line(order, plan)
        line.idle_since = self._clock.monotonic()
        self._by_id[line.order_id] = self._by_username[line.username] = self._idle[line.order_id] = line
        self._arm(line)
        return line

    def settle(self, order: FoundOrder, plan: PlanTerms, refusal: type[ProxyRefusal] | None) -> Line | None:
        """Bring the line of *order* up to what was read, and return it; None where it has none, or none any more."""
        line = self._by_id.get(order.id)
        if line is None:
            return None
        if order.read_at < line.read_at:
            # Two reads were under way at once, and the later one was here first.
            return line
        if refusal is not None:
            self.cut(line, refusal)
            return None
        line.read_at = order.read_at
        line.password_sealed = order.password_sealed
        if order.password_digest != line.password_digest:
            line.password_digest = order.password_digest
            line.cut_visits(CredentialsNotValid, lambda visit: visit.address is None)
        if order.expires_at != line.expires_at:
            line.expires_at = order.expires_at
            self._arm(line)
        self._take_plan(line, plan)
        return line

    def take_plans(self, plan_of: Callable[[int], PlanTerms]) -> None:
        """Give every line the terms that its plan now has, and cut those visits that these do not allow."""
        for line in self.all():
            self._take_plan(line, plan_of(line.plan_id))

    def _take_plan(self, line: Line, plan: PlanTerms) -> None:
        if plan is line.plan:
            return
        line.plan = plan
        line.cut_visits(WrongPort, lambda visit: visit.place not in plan.places)
        if not plan.has_ip_whitelist:
            line.cut_visits(AddressNotListed, lambda visit: visit.address is not None)
        for address, place in list(line.listed_at):
            if not plan.has_ip_whitelist or place not in plan.places:
                self._forget_address(line, address, place)

    def hold(self, line: Line, visit: Visit) -> None:
        """Have *visit* on *line*."""
        line.visits.add(visit)
        self._idle.pop(line.order_id, None)

    def leave(self, line: Line, visit: Visit) -> None:
        """Have *visit* off *line*."""
        line.visits.discard(visit)
        if not line.visits and self.holds(line):
            line.idle_since = self._clock.monotonic()
            self._idle[line.order_id] = line

    def list_address(self, line: Line, address: Address, place: Place) -> None:
        """Note that *line* lists *address*, and is found by it on *place*."""
        if len(self._by_address) >= self._most_addresses:
            (oldest, at), its_line = next(iter(self._by_address.items()))
            self._forget_address(its_line, oldest, at)
        self._by_address[address, place] = line
        line.listed_at.add((address, place))

    def listed(self) -> list[tuple[int, Address]]:
        """Return the (order, address) pairs by which somebody was let in."""
        found = {(line.order_id, address) for (address, _), line in self._by_address.items()}
        for line in self._by_id.values():
            found.update((line.order_id, visit.address) for visit in line.visits if visit.address is not None)
        return list(found)

    def unlist(self, pairs: Iterable[tuple[int, Address]]) -> None:
        """Take the (order, address) *pairs* for listed no more, and cut whoever was let in by them."""
        for order_id, address in pairs:
            line = self._by_id.get(order_id)
            if line is None:
                continue
            _cut_address(line, address)
            for listed, place in list(line.listed_at):
                if listed == address:
                    self._forget_address(line, listed, place)

    def _forget_address(self, line: Line, address: Address, place: Place) -> None:
        line.listed_at.discard((address, place))
        if self._by_address.get((address, place)) is line:
            del self._by_address[address, place]

    def check(self, line: Line) -> None:
        """Check that *line* lives, and that its end has not come, even where its timer is late.

        Raises:
            ProxyRefusal: the reason why it does not.
        """
        self._cut_where_over(line)
        line.check()

    def _cut_where_over(self, line: Line) -> None:
        if line.expires_at is not None and line.expires_at <= self._clock.now():
            self.cut(line, OrderExpired)

    def cut(self, line: Line, reason: type[ProxyRefusal]) -> None:
        """End everything on *line*; the next one who asks for it is looked up."""
        self._drop(line)
        line.cut(reason)

    def cut_unmetered(self, reason: type[ProxyRefusal]) -> None:
        """Cut every line whose bytes nobody counts out."""
        for line in self.all():
            if line.initial_bytes is None:
                self.cut(line, reason)

    def cut_all(self, reason: type[ProxyRefusal]) -> None:
        """Cut every line."""
        for line in self.all():
            self.cut(line, reason)

    def forget_idle(self) -> None:
        """Forget the lines that nobody used for a while."""
        now = self._clock.monotonic()
        while self._idle:
            line = next(iter(self._idle.values()))
            if now - line.idle_since < KEPT_SECONDS:
                return
            self._drop(line)

    def _drop(self, line: Line) -> None:
        if not self.holds(line):
            return
        del self._by_id[line.order_id]
        self._idle.pop(line.order_id, None)
        if self._by_username.get(line.username) is line:
            del self._by_username[line.username]
        for address, place in list(line.listed_at):
            self._forget_address(line, address, place)
        if line.timer is not None:
            line.timer.cancel()
            line.timer = None

    def _arm(self, line: Line) -> None:
        """Have *line* cut at its end."""
        if line.timer is not None:
            line.timer.cancel()
            line.timer = None
        if line.expires_at is not None:
            left_seconds = (line.expires_at - self._clock.now()).total_seconds()
            wait_seconds = min(max(left_seconds, 0.0), _LONGEST_WAIT_SECONDS)
            line.timer = asyncio.get_running_loop().call_later(wait_seconds, self._on_time, line)

    def _on_time(self, line: Line) -> None:
        line.timer = None
        self._cut_where_over(line)
        if self.holds(line):
            self._arm(line)


def _cut_address(line: Line, address: Address) -> None:
    line.cut_visits(AddressNotListed, lambda visit: visit.address == address)
