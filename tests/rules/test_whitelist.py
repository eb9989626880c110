"""The rules of a whitelist by themselves: which texts are an address, which orders list, which ports are shared."""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaproxy.catalog.model import Plan, PlanType, Protocol
from novaproxy.errors import Refusal
from novaproxy.http.fields import Fields, JsonValue
from novaproxy.orders.model import OrderStatus
from novaproxy.whitelist.model import MOST_ADDRESSES
from novaproxy.whitelist.rules import (
    AddressNotText,
    AddressNotValid,
    AddressTaken,
    OrderNotRunning,
    WhitelistFull,
    WhitelistNotSold,
    asked_address,
    check_free,
    check_order,
    check_room,
    named_address,
    read_address,
)


def plan(*ports: int, has_ip_whitelist: bool = True) -> Plan:
    protocols = tuple(Protocol("http", "proxy.example.com", port) for port in ports)
    return Plan("p", "P", PlanType.BANDWIDTH, has_ip_whitelist=has_ip_whitelist, protocols=protocols)


LIKE_ADDRESSES = st.text(st.sampled_from("0123456789abcdefABCDEFx.:%/[] \t-"), max_size=50)


@given(st.text() | LIKE_ADDRESSES)
def test_any_text_is_refused_or_one_address_that_is_written_in_one_way(written: str) -> None:
    try:
        address = read_address(written)
    except AddressNotValid:
        return
    assert read_address(str(address)) == address
    assert "%" not in str(address)
    assert not (isinstance(address, IPv6Address) and address.ipv4_mapped)
    assert ip_address(written) in {address, IPv6Address(f"::ffff:{address}") if address.version == 4 else address}


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_the_same_mapped_into_ipv6(address: IPv4Address) -> None:
    for written in (f"::ffff:{address}", IPv6Address(0xFFFF00000000 + int(address)).exploded):
        try:
            expected: object = read_address(str(address))
        except AddressNotValid:
            with pytest.raises(AddressNotValid):
                read_address(written)
        else:
            assert read_address(written) == expected == address


@given(st.ip_addresses(v=6))
def test_an_ipv6_address_is_the_same_in_each_of_its_forms(address: IPv6Address) -> None:
    forms = (str(address), address.exploded, address.exploded.upper())
    told = set()
    for written in forms:
        try:
            told.add(str(read_address(written)))
        except AddressNotValid:
            told.add("refused")
    assert len(told) == 1


def refusal_of(read: Callable[[], object]) -> Refusal | None:
    """Return how *read* is refused, None where it is not."""
    try:
        read()
    except Refusal as refusal:
        return refusal
    return None


@given(st.recursive(st.none() | st.booleans() | st.decimals() | st.text(), st.lists, max_leaves=5))
def test_any_value_of_the_field_is_refused_or_an_address(value: JsonValue) -> None:
    refusal = refusal_of(lambda: asked_address(Fields({"address": value}, None)))

    assert isinstance(value, str) if refusal is None else refusal.status == 422
    assert not (isinstance(refusal, AddressNotText) and isinstance(value, str))


@given(st.lists(st.text(), max_size=3))
def test_any_values_of_the_parameter_are_refused_or_an_address(values: list[str]) -> None:
    refusal = refusal_of(lambda: named_address(values))

    assert len(values) == 1 if refusal is None else refusal.status == 422


@pytest.mark.parametrize("status", OrderStatus)
def test_an_order_lists_while_it_is_or_may_be_again_open(status: OrderStatus) -> None:
    if status in {OrderStatus.ACTIVE, OrderStatus.INACTIVE}:
        check_order(plan(1), status)
        return
    with pytest.raises(OrderNotRunning) as refused:
        check_order(plan(1), status)
    assert refused.value.sentence == f"The order is {status}: only an active or inactive order can list addresses."
    # The answer's own status stays what it is.
    assert refused.value.status == 422


@pytest.mark.parametrize("status", OrderStatus)
def test_a_plan_without_a_whitelist_is_told_first(status: OrderStatus) -> None:
    with pytest.raises(WhitelistNotSold):
        check_order(plan(1, has_ip_whitelist=False), status)


def test_there_is_room_for_twenty() -> None:
    check_room(MOST_ADDRESSES - 1)
    for listed in (MOST_ADDRESSES, MOST_ADDRESSES + 1):
        with pytest.raises(WhitelistFull):
            check_room(listed)


@pytest.mark.parametrize(
    ("ports", "holders", "is_taken"),
    [
        ((1, 2), [], False),
        ((1, 2), [(3,), (4, 5)], False),
        ((1, 2), [(3,), (2,)], True),
        ((1,), [(1,)], True),
        # A plan that is served nowhere shares nothing.
        ((), [(1,), ()], False),
        ((1,), [()], False),
    ],
)
def test_an_address_is_taken_where_a_port_is_shared(
    ports: tuple[int, ...], holders: list[tuple[int, ...]], *, is_taken: bool
) -> None:
    others = [plan(*theirs) for theirs in holders]
    if not is_taken:
        check_free(plan(*ports), others)
        return
    with pytest.raises(AddressTaken):
        check_free(plan(*ports), others)
