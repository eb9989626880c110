"""How tables fit a terminal: no database, no terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaproxy.cli.tables import GAP, Column, fitted
from novaproxy.cli.terminal import cells, shortened

UUID, EMAIL, STATUS = Column("uuid"), Column("account", least=20), Column("status")
PLAN, NET, CREATED = Column("plan", rank=2, least=10), Column("net", rank=1), Column("created", rank=3, is_time=True)
ORDERS = (UUID, STATUS, EMAIL, PLAN, NET, CREATED)
NATURAL = (36, 8, 24, 14, 9, 16)


def shown(natural: tuple[int, ...], columns_wide: int) -> dict[str, int]:
    fit = fitted(ORDERS, natural, columns_wide)
    return {ORDERS[place].name: wide for place, wide in zip(fit.places, fit.widths, strict=True)}


def test_everything_is_shown_where_it_fits() -> None:
    everything = {"uuid": 36, "status": 8, "account": 24, "plan": 14, "net": 9, "created": 16}
    assert shown(NATURAL, 117) == shown(NATURAL, 500) == everything


def test_days_lose_their_hours_first_then_what_matters_less_is_shortened_then_left_out() -> None:
    assert shown(NATURAL, 116)["created"] == 10
    assert shown(NATURAL, 107) == {"uuid": 36, "status": 8, "account": 24, "plan": 10, "net": 9, "created": 10}
    assert shown(NATURAL, 106) == {"uuid": 36, "status": 8, "account": 24, "plan": 14, "net": 9}
    assert shown(NATURAL, 90) == {"uuid": 36, "status": 8, "account": 24, "net": 9}


def test_an_email_is_shortened_only_to_keep_what_matters_most_beside_it() -> None:
    assert shown(NATURAL, 83) == {"uuid": 36, "status": 8, "account": 24, "net": 9}
    assert shown(NATURAL, 80) == {"uuid": 36, "status": 8, "account": 21, "net": 9}
    assert shown(NATURAL, 72) == {"uuid": 36, "status": 8, "account": 24}
    assert shown(NATURAL, 70) == {"uuid": 36, "status": 8, "account": 22}


def test_what_may_not_be_shortened_stays_whole_whatever_the_width() -> None:
    assert shown(NATURAL, 10) == {"uuid": 36, "status": 8, "account": 20}


@pytest.mark.parametrize(
    ("text", "short"), [("abcdef", "abc…"), ("abcd", "abcd"), ("ab def", "ab…"), ("日本語", "日…")]
)
def test_a_shortened_text_says_so_and_is_not_wider_than_it_may_be(text: str, short: str) -> None:
    assert shortened(text, 4) == short
    assert cells(short) <= 4


wide = st.integers(1, 60)


@given(st.tuples(wide, wide, wide, wide, wide, wide), st.integers(1, 200))
def test_a_table_that_can_fit_does_and_uses_no_more_than_it_wants(natural: tuple[int, ...], columns_wide: int) -> None:
    fit = fitted(ORDERS, natural, columns_wide)
    total = sum(fit.widths) + len(GAP) * (len(fit.widths) - 1)
    assert all(width <= natural[place] for place, width in zip(fit.places, fit.widths, strict=True))
    assert {0, 1, 2} <= set(fit.places)
    smallest = natural[0] + natural[1] + min(natural[2], 20) + 2 * len(GAP)
    assert total <= max(columns_wide, smallest)


def test_a_folding_column_folds_before_hours_are_lost() -> None:
    moves = (Column("at", is_time=True), Column("actor", least=8), Column("cause", least=16, folds=True))
    assert fitted(moves, (16, 8, 100), 44).widths == (16, 8, 16)
    assert fitted(moves, (16, 8, 100), 43).widths == (10, 8, 21)
