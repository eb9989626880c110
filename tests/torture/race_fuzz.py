"""T10: what nobody should send: the description's own wishes, broken bodies, requests that contradict themselves."""

import time
from collections import Counter

from contract import footprints
from hostile import FRAMINGS, Talk, check_parsed, hostile_body, post, talk
from market import Market
from schemathesis_run import ask_as_described
from torture.ground import ground, market_on, until
from torture.scenario import Figures, Round, Scenario

_CASES = 100
_FEWEST_EXAMPLES, _MOST_EXAMPLES = 5, 60
_SETTLING_SECONDS = 0.5


def fuzz(round_: Round) -> Figures:
    """Parse broken bodies, send them, send broken requests, and let schemathesis ask; a quarter of the time each."""
    figures: Counter[str] = Counter()
    part = round_.seconds / 4
    for _ in until(part):
        for _ in range(_CASES):
            content_type, body = hostile_body(round_.random)
            check_parsed(body, content_type)
        figures["bodies parsed"] += _CASES
    with ground(round_.directory) as target, market_on(target, round_.random, (2,)) as market:
        for _ in until(part):
            figures["broken bodies sent"] += _bodies(market)
        for _ in until(part):
            figures["broken requests sent"] += _requests(market, figures)
        # One run of it is not cut short, so a short time gets a small one.
        examples = min(_MOST_EXAMPLES, max(_FEWEST_EXAMPLES, int(part)))
        for number in until(part):
            directory = round_.directory / f"schemathesis{number}"
            directory.mkdir()
            seed = round_.random.getrandbits(32)
            _, cases = ask_as_described(market.shop, seed, examples, directory, seconds=240)
            figures["cases of schemathesis"] += cases
        assert market.shop.http.get("/health").status_code == 200
    return figures


def _bodies(market: Market) -> int:
    """Send broken bodies by somebody who can pay for nothing: no row may be left of any."""
    (buyer,) = market.buyers(1, 0)
    with footprints(market.shop) as read:
        before = read()
        for _ in range(_CASES):
            content_type, body = hostile_body(market.random)
            answered = talk(market.services[0].address, post(buyer.token, content_type, body))
            assert answered.was_reset or (set(answered.statuses) <= {400, 413, 415, 422}), (answered, body)
            assert answered.was_reset or answered.statuses, f"no answer to {body!r}"
        assert read() == before, "a refused body left something behind"
    return _CASES


def _requests(market: Market, figures: Counter[str]) -> int:
    """Send each broken request by somebody who can pay: there are no more orders than answers say."""
    buyers = market.buyers(len(FRAMINGS), 1_000_00)
    told: dict[str, Talk] = {}
    for buyer, (name, framing) in zip(buyers, FRAMINGS.items(), strict=True):
        request = framing(market.random, buyer.token)
        cuts = [market.random.randrange(len(request)) for _ in range(market.random.randrange(3))]
        told[name] = talk(market.services[0].address, request, cuts)
    # What was on its way when its line ended is there by then.
    time.sleep(_SETTLING_SECONDS)
    for buyer, (name, answered) in zip(buyers, told.items(), strict=True):
        try:
            unanswered = answered.unanswered(market.shop.order_count(buyer))
        except AssertionError as error:
            error.add_note(name)
            raise
        figures["orders placed whose line ended before the 201"] += unanswered
    return len(FRAMINGS)


SCENARIOS = [
    Scenario("fuzz", "Whatever is sent, there is no 5xx, no order without its answer, and the shop goes on.", 2, fuzz)
]
