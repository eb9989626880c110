"""Which exit a tunnel takes: what fits, as often as its weight says, and the same one for a session."""

import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novaproxy.catalog.model import Upstream, UpstreamType
from novaproxy.gateway.exits.choosing import DIRECT, candidates, ranked
from novaproxy.gateway.model import Wish
from novaproxy.gateway.refusals import NoExit


def exit_at(name: str, country: str | None = None, *, weight: int = 1, **more: object) -> Upstream:
    return Upstream(name, UpstreamType.HTTP, "h", 1, country=country, weight=weight, **more)  # type: ignore[arg-type]  # each has its own type


ANYWHERE = Wish()
US, DE, ANY = exit_at("us", "us"), exit_at("de", "de"), exit_at("any")
BERLIN = exit_at("berlin", "de", state="be", city="berlin")
MOBILE = exit_at("mobile", "us", plans=("mobile",))


def names(upstreams: list[Upstream]) -> list[str]:
    return [upstream.name for upstream in upstreams]


def fit(wish: Wish = ANYWHERE, *, plan: str = "p", fixed: str | None = None) -> list[str]:
    return names(candidates((US, DE, ANY, BERLIN, MOBILE), plan, wish, fixed))


def test_an_exit_fits_the_plan_and_everything_that_is_wished() -> None:
    assert fit() == ["us", "de", "any", "berlin"]
    assert fit(plan="mobile") == ["us", "de", "any", "berlin", "mobile"]
    assert fit(Wish(country="us")) == ["us"]
    assert fit(Wish(country="us"), plan="mobile") == ["us", "mobile"]
    assert fit(Wish(country="de")) == ["de", "berlin"]
    assert fit(Wish(city="berlin")) == ["berlin"]
    assert fit(Wish(country="de", state="be", city="berlin")) == ["berlin"]


def test_the_country_that_was_bought_holds_whatever_is_wished() -> None:
    assert fit(fixed="de") == ["de", "berlin"]
    assert fit(Wish(country="de"), fixed="de") == ["de", "berlin"]
    with pytest.raises(NoExit):
        fit(Wish(country="us"), fixed="de")


@pytest.mark.parametrize("wish", [Wish(country="fr"), Wish(country="us", city="berlin"), Wish(state="xx")])
def test_nothing_that_fits_is_no_exit(wish: Wish) -> None:
    with pytest.raises(NoExit):
        fit(wish)


def test_a_plan_that_no_upstream_serves_has_no_exit() -> None:
    with pytest.raises(NoExit):
        candidates((MOBILE,), "p", Wish(), None)


def test_a_catalog_without_upstreams_leaves_through_this_machine() -> None:
    assert candidates((), "p", Wish(session="s"), "us") == [DIRECT]
    with pytest.raises(NoExit):
        candidates((), "p", Wish(country="us"), None)


def test_without_a_session_weights_say_how_often_each_is_the_first() -> None:
    chance = random.Random(7)
    heavy, light = exit_at("heavy", weight=3), exit_at("light")
    firsts = Counter(ranked((heavy, light), 1, Wish(), 0, chance.random)[0].name for _ in range(8_000))
    assert 5_800 < firsts["heavy"] < 6_200


def first_of(
    upstreams: list[Upstream], session: str, *, order_id: int = 1, now: int = 0, ttl: int | None = None
) -> str:
    def never() -> float:
        raise AssertionError("a session knows no chance")

    return ranked(upstreams, order_id, Wish(session=session, ttl_seconds=ttl), now, never)[0].name


def test_sessions_spread_by_weight_and_each_keeps_its_exit() -> None:
    upstreams = [exit_at("heavy", weight=3), exit_at("light")]
    firsts = {f"s{number}": first_of(upstreams, f"s{number}") for number in range(8_000)}
    assert 5_800 < Counter(firsts.values())["heavy"] < 6_200
    assert all(first_of(upstreams[::-1], session, now=10**9) == name for session, name in list(firsts.items())[:50])


def test_one_exit_that_goes_moves_its_own_sessions_alone_and_back_when_it_comes() -> None:
    upstreams = [exit_at(f"e{number}", weight=number + 1) for number in range(8)]
    before = {f"s{number}": first_of(upstreams, f"s{number}") for number in range(2_000)}
    left = [upstream for upstream in upstreams if upstream.name != "e5"]
    after = {session: first_of(left, session) for session in before}
    moved = {session for session in before if before[session] != after[session]}
    assert moved == {session for session, name in before.items() if name == "e5"}
    # They do not all move to the same one.
    assert len({after[session] for session in moved}) == len(left)


@given(st.permutations(range(6)), st.integers(0, 5), st.text("abc", min_size=1), st.integers(1, 2**40))
@settings(max_examples=100)
def test_who_is_next_does_not_hang_on_who_else_is_there(
    order: list[int], gone: int, session: str, order_id: int
) -> None:
    upstreams = [exit_at(f"e{number}") for number in order]
    wish = Wish(session=session)
    ranking = names(ranked(upstreams, order_id, wish, 0, lambda: 0.0))
    left = names(ranked([one for one in upstreams if one.name != f"e{gone}"], order_id, wish, 0, lambda: 0.0))
    assert left == [name for name in ranking if name != f"e{gone}"]


def test_a_session_keeps_its_exit_for_its_time_and_then_takes_another() -> None:
    upstreams = [exit_at(f"e{number}") for number in range(50)]
    exits = [first_of(upstreams, "abc", now=1_800_000_000 + second, ttl=600) for second in range(0, 6_000, 10)]
    changes = [place for place in range(1, len(exits)) if exits[place] != exits[place - 1]]
    assert 8 <= len(changes) <= 10
    assert {later - earlier for earlier, later in pairwise(changes)} <= {60, 120}


def test_sessions_do_not_all_end_at_once() -> None:
    upstreams = [exit_at(f"e{number}") for number in range(50)]
    ends = {
        next(second for second in range(600) if first_of(upstreams, session, now=second + 1, ttl=600) != first)
        for session in map(str, range(20))
        if (first := first_of(upstreams, session, now=0, ttl=600)) != first_of(upstreams, session, now=600, ttl=600)
    }
    assert len(ends) > 10


def test_the_same_session_of_two_orders_or_countries_is_not_the_same() -> None:
    upstreams = [exit_at(f"e{number}") for number in range(50)]
    assert len({first_of(upstreams, "abc", order_id=order_id) for order_id in range(40)}) > 15
