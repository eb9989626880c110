"""T13: opposite ways through accounts, codes, counters and orders, from four workers and from operators beside them."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from contract import catalog_with
from market import GIGABYTE, Market
from meetings import Work, adjusting, at_once, failing
from novaproxy.ledger.store import Adjustment
from rounds import BY_HAND
from shop import Buyer
from torture.ground import deadlocks, ground, market_on, until
from torture.scenario import Figures, Round, Scenario

# The last code in the alphabet is the oldest, so whoever locked by name would go the other way.
_CODES = [f"LOOP{number}" for number in range(129, 109, -1)]
_BUYERS = 24


def hunt(round_: Round) -> Figures:
    """Order, fail, adjust and apply, everybody in an order of his own, and look for a circle of waits."""
    figures: Counter[str] = Counter()
    with ground(round_.directory) as target, market_on(target, round_.random, (4,)) as market:
        market.shop.sql("INSERT INTO discount_code (code) SELECT unnest($1::text[])", _CODES)
        market.shop.apply_catalog(_catalog(0))
        buyers = market.buyers(_BUYERS, 1_000_000_00)
        is_over = threading.Event()
        with ThreadPoolExecutor(3) as operators:
            doing = [
                operators.submit(_again_and_again, is_over, lambda: _fail(market, figures)),
                operators.submit(_again_and_again, is_over, lambda: _adjust(market, buyers, figures)),
                operators.submit(_again_and_again, is_over, lambda: _apply(market, figures)),
            ]
            try:
                for _ in until(round_.seconds):
                    _order(market, buyers, figures)
                    if any(one.done() for one in doing):
                        break
            finally:
                is_over.set()
            for one in doing:
                one.result(60)
        figures["deadlocks"] = deadlocks(market.shop)
        assert figures["deadlocks"] == 0, "somebody locks in another order"
    return figures


def _again_and_again(is_over: threading.Event, work: Callable[[], None]) -> None:
    while not is_over.is_set():
        work()


def _order(market: Market, buyers: list[Buyer], figures: Counter[str]) -> None:
    asked = [
        (buyer, {**market.random.choice([GIGABYTE, BY_HAND]), "discount_code": market.random.choice(_CODES)}, None)
        for buyer in market.random.sample(buyers, len(buyers)) * 2
    ]
    answers = market.at_once(asked)
    assert {answer.status for answer in answers} == {201}, [answer for answer in answers if answer.status != 201][:3]
    figures["orders placed"] += len(answers)


def _fail(market: Market, figures: Counter[str]) -> None:
    pending = market.shop.sql("SELECT uuid::text FROM orders WHERE status = 'pending' ORDER BY random() LIMIT 16")
    if pending:
        outcomes = at_once(market.shop.target, [[failing(row["uuid"]) for row in pending]])[0]
        assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)], outcomes
        figures["orders failed"] += len(pending)


def _adjust(market: Market, buyers: list[Buyer], figures: Counter[str]) -> None:
    works: list[Work] = [
        adjusting(buyer, kind, 1) for buyer in buyers[:8] for kind in (Adjustment.CREDIT, Adjustment.DEBIT)
    ]
    at_once(market.shop.target, [works])
    figures["adjustments"] += len(works)


def _apply(market: Market, figures: Counter[str]) -> None:
    market.shop.apply_catalog(_catalog(figures["catalogs applied"] % 90))
    figures["catalogs applied"] += 1


def _catalog(cents: int) -> str:
    codes = "".join(f"  - {{code: {code}, percent: 10}}\n" for code in _CODES)
    return catalog_with(codes=codes).replace("price_per_gb: 8.00", f"price_per_gb: 8.{cents:02}")


SCENARIOS = [Scenario("deadlocks", "Nobody waits in a circle, and no client hears of a lock.", 1, hunt)]
