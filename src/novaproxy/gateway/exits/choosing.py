"""Which exits fit what is asked, and in which order they are tried. Pure: the time and all chance come in.

No state is shared between processes or kept for a session: whoever computes the ranking of a session gets the same one.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Final

from novaproxy.catalog.model import Upstream, UpstreamType
from novaproxy.gateway.model import Wish
from novaproxy.gateway.refusals import NoExit

DIRECT: Final = Upstream("direct", UpstreamType.DIRECT)
"""This machine: the exit of a catalog that names none."""

_SPAN: Final = 2**64


def candidates(upstreams: Sequence[Upstream], plan: str, wish: Wish, fixed_country: str | None) -> list[Upstream]:
    """Return the exits of *plan* that fit *wish* and the country that the order itself fixes.

    A catalog without any upstream has one exit, this machine, for every plan and whatever country was sold; a wish for
    a place is not fulfilled there.

    Raises:
        NoExit: there is none.
    """
    if not upstreams:
        upstreams, fixed_country = (DIRECT,), None
    fit = [
        upstream
        for upstream in upstreams
        if (upstream.plans is None or plan in upstream.plans)
        and fixed_country in (None, upstream.country)
        and wish.country in (None, upstream.country)
        and wish.state in (None, upstream.state)
        and wish.city in (None, upstream.city)
    ]
    if not fit:
        raise NoExit
    return fit


def ranked(
    fit: Sequence[Upstream], order_id: int, wish: Wish, now_seconds: int, random: Callable[[], float]
) -> list[Upstream]:
    """Return *fit* in the order in which they are tried; each is the first as often as its weight says.

    Without a session the order is *random* (which gives numbers from 0 up to 1). With one it hangs on the order, the
    session and the time alone, and an exit that comes or goes moves nobody else's (weighted rendezvous hashing).
    """
    draw = (lambda _upstream: random()) if wish.session is None else _session_draw(order_id, wish, now_seconds)
    return sorted(fit, key=lambda upstream: (-math.log1p(-draw(upstream)) / upstream.weight, upstream.name))


def _session_draw(order_id: int, wish: Wish, now_seconds: int) -> Callable[[Upstream], float]:
    session = f"{order_id}\0{wish.country or ''}\0{wish.session}"
    slot = 0
    if wish.ttl_seconds:
        # Sessions end at times of their own, or all would move at once.
        slot = (now_seconds + _hashed(session) % wish.ttl_seconds) // wish.ttl_seconds
    # 53 bits are what a float holds exactly; it stays below 1.
    return lambda upstream: (_hashed(f"{session}\0{slot}\0{upstream.name}") >> 11) / (_SPAN >> 11)


def _hashed(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
