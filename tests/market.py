"""Two services on one database, and orders that reach both at the same moment."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

from novaproxy.database.pool import SoleConnection, Target
from novaproxy.ledger.store import Adjustment, adjust
from services import Service, seeded, services
from shop import CATALOG, Buyer, Shop, new_buyer
from volleys import Answer, Asked, volley

GIGABYTE = {"plan": "mobile", "bandwidth": 1}
"""What most orders of races ask for; it costs 8.00."""

_numbers = count(1)

Order = tuple[Buyer, dict[str, Any], str | None]
"""By whom, for what, under which key."""


@dataclass(slots=True)
class Market:
    """Two services on one database."""

    services: list[Service]
    shop: Shop
    random: Random
    codes: list[str] = field(default_factory=list)

    def at_once(self, asked: Sequence[Order], spread: int = 2) -> list[Answer]:
        """Return the answers to orders that arrive together, at *spread* services, in any order."""
        places = list(range(len(asked)))
        self.random.shuffle(places)
        addresses = [service.address for service in self.services]
        spread = min(spread, len(addresses))
        sent = [Asked(addresses[turn % spread], *asked[place]) for turn, place in enumerate(places)]
        answers = dict(zip(places, volley(sent), strict=True))
        return [answers[place] for place in range(len(asked))]

    def buyers(self, number: int, balance_cents: int) -> list[Buyer]:
        """Return new customers."""

        async def made(connection: SoleConnection) -> list[Buyer]:
            return [await new_buyer(connection, balance_cents) for _ in range(number)]

        return self.shop.run(made)

    def credit(self, buyers: Sequence[Buyer], amount_cents: int, times: int = 1) -> None:
        """Credit each of *buyers* as the operator does, in turn."""

        async def credited(connection: SoleConnection) -> None:
            for buyer in [*buyers] * times:
                async with connection.transaction():
                    await adjust(
                        connection,
                        buyer.account_id,
                        Adjustment.CREDIT,
                        amount_cents,
                        reason="race",
                        reference=None,
                        actor="test",
                    )

        self.shop.run(credited)

    def new_code(self, **rules: object) -> str:
        """Return a code of 10 percent that nobody used yet."""
        code = f"RACE{next(_numbers)}"
        told = "".join(f", {name}: {value}" for name, value in rules.items())
        # Nobody asks for the old ones any more, and a file that grows takes longer to apply.
        del self.codes[:-20]
        self.codes.append(f"  - {{code: {code}, percent: 10{told}}}\n")
        self.shop.apply_catalog(CATALOG.read_text() + "".join(self.codes))
        return code


@contextmanager
def opened_market(target: Target, name: str) -> Iterator[Market]:
    """Give two services on *target* with the test catalog; at the end nothing may have been logged as an error."""
    with services(target) as pair:
        shop = Shop(target, pair[0].address)
        try:
            shop.apply_catalog(CATALOG.read_text())
            yield Market(pair, shop, seeded(name))
        finally:
            shop.http.close()
        assert_no_errors(pair)


def assert_no_errors(told: Sequence[Service]) -> None:
    """Assert that no service logged an error."""
    errors = [line[:2000] for service in told for line in service.log().splitlines() if "level=error" in line]
    assert not errors, f"{len(errors)} errors, the first: {errors[0]}"


def assert_sold(answers: Sequence[Answer], expected: int, sentence: str) -> list[Answer]:
    """Assert that as many orders were placed as expected and that all others heard *sentence*; return the placed."""
    placed = [answer for answer in answers if answer.status == 201]
    others = Counter((answer.status, answer.error) for answer in answers if answer.status != 201)
    assert others == Counter({(422, sentence): len(answers) - expected}), f"{len(placed)} were placed, others: {others}"
    assert len({answer.uuid for answer in placed}) == expected, f"{len(placed)} were placed"
    return placed
