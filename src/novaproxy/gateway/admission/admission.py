"""Who is let through: by his password or his address, on the terms of his order, as long as these hold."""

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from hmac import compare_digest

import structlog

from novaproxy.catalog.store import Shelf
from novaproxy.credentials.issue import LENGTH
from novaproxy.credentials.seal import Sealers
from novaproxy.database.outage import Outage
from novaproxy.database.pool import Pool, facts, is_outage
from novaproxy.gateway.admission.clock import DatabaseClock
from novaproxy.gateway.admission.line import Line, Place, Visit
from novaproxy.gateway.admission.line import refused as refused_by
from novaproxy.gateway.admission.lines import Lines
from novaproxy.gateway.admission.lookups import LookUps
from novaproxy.gateway.admission.orders import FoundOrder, standing
from novaproxy.gateway.admission.reading import Digests, Found, OrderReader
from novaproxy.gateway.admission.refused import RecentRefusals, Refused
from novaproxy.gateway.admission.terms import check_place, check_wish
from novaproxy.gateway.model import Address, Entrance, Login, Wish
from novaproxy.gateway.refusals import (
    AddressNotListed,
    CredentialsNotValid,
    GatewayUnavailable,
    ProxyRefusal,
    TooManyTunnels,
)
from novaproxy.gateway.room import has_place

TakeTunnel = Callable[[Visit], Awaitable[Callable[[], None] | None]]
"""Takes one of the tunnels at once (``visit.line.bought.threads``) that an order may have over all gateways, and may
bring its allowance along. What comes back gives all of it back; None: as many as there may be are open."""

TellRefusal = Callable[[int, int, str], None]
"""Hears that somebody with an order (id, account's id) was refused, by the reason's code."""

MOST_TUNNELS_OF_ORDER = 1_000
"""How many tunnels one order may have at one gateway process, whatever it bought."""

WATCH_SECONDS = 1.0
"""From one look at the orders in use to the next."""

LOOK_SECONDS = 4.0
"""How long one look may take."""

UNSEEN_SECONDS = 60.0
"""How long an unmetered order goes on that nobody could look at; a metered one has its lease."""

_USERNAME = re.compile(rf"[a-z0-9]{{{LENGTH}}}")
_NO_USERNAME = ""

log = structlog.get_logger("novaproxy.gateway")


def _taken(release: Callable[[], None] | None) -> Callable[[], None]:
    if release is None:
        raise TooManyTunnels
    return release


async def _unlimited(_visit: Visit) -> Callable[[], None] | None:
    return lambda: None


class Admission:
    """Admits connections to orders, and watches the orders in use.

    *take_tunnel* counts the tunnels at once over all gateways, *tell_refusal* counts refusals, and *most_tunnels*
    bounds this process.
    """

    def __init__(
        self,
        pool: Pool,
        shelf: Shelf,
        sealers: Sealers,
        clock: DatabaseClock,
        *,
        most_tunnels: int,
        take_tunnel: TakeTunnel = _unlimited,
        tell_refusal: TellRefusal = lambda _order_id, _account_id, _code: None,
        outage: Outage | None = None,
    ) -> None:
        self._clock = clock
        self._digests = Digests()
        self._reader = OrderReader(pool, shelf, sealers, clock, self._digests)
        self._usernames: LookUps[str, Found] = LookUps(self._reader.by_usernames, self._failed)
        self._addresses: LookUps[Address, tuple[FoundOrder, ...]] = LookUps(self._reader.by_addresses, self._failed)
        self._refusals = RecentRefusals()
        self._lines = Lines(clock)
        self._most_tunnels = most_tunnels
        self._take_tunnel = take_tunnel
        self._tell_refusal = tell_refusal
        self._outage = outage or Outage()
        self._seen_at = clock.monotonic()
        self._tunnels = 0
        self._of_accounts: Counter[int] = Counter()

    @property
    def tunnels(self) -> int:
        """How many visits there are in this process."""
        return self._tunnels

    @property
    def lines(self) -> Lines:
        """The orders in use, and those that were a moment ago."""
        return self._lines

    async def admit(self, login: Login | None, client: Address, port: int, entrance: Entrance) -> Visit:
        """Admit a connection of *client* on *port*; whoever gets the visit ends it, however the connection goes.

        Raises:
            CredentialsNotValid: the username is unknown, the password wrong, or the order of another system.
            AddressNotListed: there is no *login*, and no order served here lists the address.
            AccountSuspended, OrderInactive, OrderExpired, OrderExhausted: the order may not.
            WrongPort: its plan is not served here.
            ParameterNotValid: a wish was not sold.
            TooManyTunnels: as many as the order may have are open.
            GatewayUnavailable: the database is away, or this process is full, or so full that the account, which has
                most of it, gets no more.
        """
        place = port, entrance
        if login is None:
            address = unmapped(client)
            return await self._visit(await self._line_by_address(address, place), place, address, Wish())
        return await self._visit(await self._line_by_login(login), place, None, login.wish)

    async def _line_by_login(self, login: Login) -> Line:
        given = self._digests.of(login.password)
        line = self._lines.by_username(login.username)
        if line is not None and line.password_digest is not None and compare_digest(line.password_digest, given):
            return line
        # A wrong password of an order in use is looked up as an unknown username is: the time tells nothing, and a
        # password that was renewed just now opens.
        key = self._digests.of("login", login.username, login.password)
        self._raise_recent(key)
        is_name = _USERNAME.fullmatch(login.username) is not None
        found = await self._usernames.find(login.username if is_name else _NO_USERNAME)
        if found.password_digest is None:
            raise GatewayUnavailable
        is_right = compare_digest(found.password_digest, given)
        if found.order is None or not is_right:
            raise self._refuse(key, Refused(CredentialsNotValid))
        return self._line_of(key, found.order)

    async def _line_by_address(self, address: Address, place: Place) -> Line:
        line = self._lines.by_address(address, place)
        if line is not None:
            return line
        key = self._digests.of("address", str(address), str(place))
        self._raise_recent(key)
        listing = [order for order in await self._addresses.find(address) if self._is_open(order, place)]
        if not listing:
            raise self._refuse(key, Refused(AddressNotListed))
        now = self._clock.now()
        # The oldest entry wins; one whose order may not only where no other may, for its reason is the answer then.
        chosen = next((order for order in listing if standing(order, now) is None), listing[0])
        line = self._line_of(key, chosen)
        self._lines.list_address(line, address, place)
        return line

    def _is_open(self, order: FoundOrder, place: Place) -> bool:
        plan = self._reader.plan(order.plan_id)
        return plan.has_ip_whitelist and place in plan.places and not order.is_by_hand

    def _line_of(self, key: bytes, order: FoundOrder) -> Line:
        """Return the line of *order*, which was read just now.

        Raises:
            ProxyRefusal: nothing may pass for it, which is kept under *key*.
        """
        refusal = standing(order, self._clock.now())
        if refusal is not None:
            self._lines.settle(order, self._reader.plan(order.plan_id), refusal)
            is_told = refusal is not CredentialsNotValid
            raise self._refuse(
                key, Refused(refusal, order.id if is_told else None, order.account_id if is_told else None)
            )
        return self._lines.settle(order, self._reader.plan(order.plan_id), None) or self._lines.add(
            order, self._reader.plan(order.plan_id)
        )

    def _raise_recent(self, key: bytes) -> None:
        refused = self._refusals.find(key, self._clock.monotonic())
        if refused is not None:
            raise self._told(refused)

    def _refuse(self, key: bytes, refused: Refused) -> ProxyRefusal:
        self._refusals.keep(key, refused, self._clock.monotonic())
        return self._told(refused)

    def _told(self, refused: Refused) -> ProxyRefusal:
        if refused.order_id is not None and refused.account_id is not None:
            self._tell_refusal(refused.order_id, refused.account_id, refused.reason.code)
        return refused_by(refused.reason)

    async def _visit(self, line: Line, place: Place, address: Address | None, wish: Wish) -> Visit:
        """Give a place among the tunnels at once on *line*, without a wait between the line and its hold."""
        try:
            self._lines.check(line)
            check_place(line.plan, *place)
            check_wish(line.plan, line.bought, wish)
            if len(line.visits) >= MOST_TUNNELS_OF_ORDER:
                raise TooManyTunnels
            if not has_place(self._of_accounts[line.account_id], self._tunnels, self._most_tunnels):
                raise GatewayUnavailable
            visit = Visit(line, place, address, self._ended)
            self._tunnels += 1
            self._of_accounts[line.account_id] += 1
            self._lines.hold(line, visit)
            return await self._counted(visit)
        except ProxyRefusal as refusal:
            self._tell_refusal(line.order_id, line.account_id, refusal.code)
            raise

    async def _counted(self, visit: Visit) -> Visit:
        """Count *visit* among the tunnels at once of all gateways."""
        try:
            visit.releasing(_taken(await self._take_tunnel(visit)))
            visit.check()
        except BaseException as error:
            visit.end()
            if is_outage(error):
                self._outage.met(error)
                raise GatewayUnavailable from error
            raise
        return visit

    def _ended(self, visit: Visit) -> None:
        self._tunnels -= 1
        self._of_accounts[visit.line.account_id] -= 1
        if not self._of_accounts[visit.line.account_id]:
            del self._of_accounts[visit.line.account_id]
        self._lines.leave(visit.line, visit)

    async def keep_watching(self, end: asyncio.Event) -> None:
        """Watch the orders in use until *end* is set."""
        sweeping = asyncio.create_task(self._sweep_always())
        try:
            while not end.is_set():
                await self.look()
                with suppress(TimeoutError):
                    await asyncio.wait_for(end.wait(), WATCH_SECONDS)
        finally:
            sweeping.cancel()
            await asyncio.gather(sweeping, return_exceptions=True)

    async def look(self) -> None:
        """Look once at the orders in use, and cut what may no longer pass."""
        began_at = self._clock.monotonic()
        lines, listed = self._lines.all(), self._lines.listed()
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                seen = await self._reader.look(lines, listed)
        except Exception as error:  # noqa: BLE001 -- the next look may be well, and this one must not end the watch
            self._failed(error)
            return
        self._outage.over()
        self._seen_at = began_at
        watched = {line.order_id: line for line in lines}
        for order in seen.changed:
            # A line that was made anew meanwhile was read later than this.
            if self._lines.holds(watched[order.id]):
                self._lines.settle(order, self._reader.plan(order.plan_id), standing(order, self._clock.now()))
        self._lines.unlist(seen.unlisted)
        self._lines.take_plans(self._reader.plan)

    async def _sweep_always(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            self.sweep()

    def sweep(self) -> None:
        """Forget lines that nobody uses, and cut those that were unseen for too long."""
        self._lines.forget_idle()
        if self._clock.monotonic() - self._seen_at > UNSEEN_SECONDS:
            self._lines.cut_unmetered(GatewayUnavailable)

    def _failed(self, error: Exception) -> None:
        if is_outage(error):
            self._outage.met(error)
        else:
            log.error("orders not read", **facts(error))

    def cut(self, order_id: int, reason: type[ProxyRefusal]) -> None:
        """Cut an order that may no longer, as when its last byte is counted; the next one who comes is looked up."""
        line = self._lines.by_order(order_id)
        if line is not None:
            self._lines.cut(line, reason)

    def cut_all(self, reason: type[ProxyRefusal] = GatewayUnavailable) -> None:
        """Cut every line: the gateway ends, or its counters do."""
        self._lines.cut_all(reason)

    async def close(self) -> None:
        """Read no more; who waits is refused."""
        await self._usernames.close()
        await self._addresses.close()


def unmapped(address: Address) -> Address:
    """Return *address*, an IPv4 address that came mapped into IPv6 as what it is."""
    mapped = getattr(address, "ipv4_mapped", None)
    return address if mapped is None else mapped
