"""The door: who asked too much of this worker is told so, before anything is done for him.

Orders, reads, discount codes that do not exist and tokens that open nothing are counted apart, by token and by address.
The headers are those of draft-ietf-httpapi-ratelimit-headers-11 (structured fields).
"""

import time
from collections.abc import Callable

import structlog
from starlette.types import Scope

from novaproxy.http.edge import MORE_HEADERS
from novaproxy.http.refusals import AskedTooMuch, TooManyRequests, TooManyWrongCodes, TooManyWrongTokens
from novaproxy.limits.addresses import Addresses
from novaproxy.limits.buckets import SECOND_NS, Buckets, Kept, Policy
from novaproxy.settings import Limits

TOKENS_OF_AN_ADDRESS = 4
"""How many times as much an address may ask as a token: customers share one."""

VALID_NS = 3_600 * SECOND_NS
"""How long a token that opened something is known for one that may."""

log = structlog.get_logger("novaproxy.limits")


class _Pair:
    """The buckets of tokens and those of addresses for one kind of request."""

    def __init__(self, name: str, per_minute: int) -> None:
        self.by_token = Buckets(Policy(name, per_minute))
        self.by_address = Buckets(Policy(f"{name}-address", per_minute * TOKENS_OF_AN_ADDRESS))
        self.policy = _policy_header(self.by_token.policy)


class Door:
    """Counts what comes in, and refuses with AskedTooMuch; without *limits* everybody may."""

    def __init__(self, limits: Limits | None, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._is_open = limits is None
        limits = limits or Limits()
        self._clock = clock
        self._addresses = Addresses(limits.trusted_proxies)
        self._orders = _Pair("orders", limits.orders_per_minute)
        self._reads = _Pair("reads", limits.reads_per_minute)
        self._wrong_codes = _Pair("wrong-codes", limits.wrong_codes_per_minute)
        self._wrong_tokens = Buckets(Policy("wrong-tokens", limits.wrong_tokens_per_minute))
        # A token that opened something is not locked out by somebody who guesses at the same address.
        self._valid_until = Kept()
        self._is_warned = False

    def orders(self, scope: Scope, token: bytes) -> None:
        """Let in an order under *token* (its hash), which may be any."""
        if not self._is_open:
            self._take(self._orders, scope, token)

    def reads(self, scope: Scope, token: bytes | None = None) -> None:
        """Let in any other request; where it has to be somebody's, under *token* too."""
        if not self._is_open:
            self._take(self._reads, scope, token)

    def _take(self, kind: _Pair, scope: Scope, token: bytes | None) -> None:
        now_ns, address = self._clock(), self._addresses.key(scope)
        if token is not None and self._valid_until.read(token) <= now_ns:
            self._let(self._wrong_tokens, address, scope, now_ns, TooManyWrongTokens)
        left = kind.by_address.take(address, now_ns)
        if left < 0:
            self._let(kind.by_address, address, scope, now_ns, TooManyRequests)
        if token is None:
            return
        left = kind.by_token.take(token, now_ns)
        if left < 0:
            self._let(kind.by_token, token, scope, now_ns, TooManyRequests)
        scope[MORE_HEADERS] = [kind.policy, _left_header(kind.by_token, token, left, now_ns)]
        self._warn(scope)

    def redeems(self, scope: Scope, token: bytes) -> None:
        """Let in an order that names a discount code."""
        if self._is_open:
            return
        now_ns, address = self._clock(), self._addresses.key(scope)
        self._let(self._wrong_codes.by_token, token, scope, now_ns, TooManyWrongCodes)
        self._let(self._wrong_codes.by_address, address, scope, now_ns, TooManyWrongCodes)

    def noted_wrong_code(self, scope: Scope, token: bytes) -> None:
        """Count a discount code that does not exist."""
        if not self._is_open:
            now_ns = self._clock()
            self._wrong_codes.by_token.take(token, now_ns)
            self._wrong_codes.by_address.take(self._addresses.key(scope), now_ns)

    def noted_wrong_token(self, scope: Scope) -> None:
        """Count a request that is about to be told that its token opens nothing; where that is too often, say so."""
        if self._is_open:
            return
        now_ns, address = self._clock(), self._addresses.key(scope)
        if self._wrong_tokens.take(address, now_ns) < 0:
            self._let(self._wrong_tokens, address, scope, now_ns, TooManyWrongTokens)

    def noted_valid(self, token: bytes) -> None:
        """Remember that *token* opened something."""
        if not self._is_open:
            self._valid_until.write(token, self._clock() + VALID_NS)

    def _let(
        self, buckets: Buckets, key: bytes, scope: Scope, now_ns: int, refusal: Callable[[int], AskedTooMuch]
    ) -> None:
        wait_ns = buckets.wait_ns(key, now_ns)
        if wait_ns:
            seconds = -(-wait_ns // SECOND_NS)
            told = (b"ratelimit", b'"%s";r=0;t=%d' % (buckets.policy.name.encode("ascii"), seconds))
            scope[MORE_HEADERS] = [_policy_header(buckets.policy), told]
            raise refusal(seconds)

    def _warn(self, scope: Scope) -> None:
        if not self._is_warned and self._addresses.is_behind_unnamed_proxy(scope):
            self._is_warned = True
            log.warning(
                "a proxy is not named in NOVAPROXY_TRUSTED_PROXIES: all that comes through it counts as one address",
                peer=scope["client"][0],
            )


def _policy_header(policy: Policy) -> tuple[bytes, bytes]:
    name = policy.name.encode("ascii")
    return b"ratelimit-policy", b'"%s";q=%d;w=%d' % (name, policy.quota, policy.seconds)


def _left_header(buckets: Buckets, key: bytes, left: int, now_ns: int) -> tuple[bytes, bytes]:
    seconds = -(-buckets.full_in_ns(key, now_ns) // SECOND_NS)
    return b"ratelimit", b'"%s";r=%d;t=%d' % (buckets.policy.name.encode("ascii"), left, seconds)
