"""Who goes when the room for strangers is full, and how descriptors are shared out."""

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from novaproxy.gateway.relay.pipes import MOST_PIPES
from novaproxy.gateway.room import (
    DESCRIPTORS_A_TUNNEL,
    MOST_STRANGERS,
    OWN_DESCRIPTORS,
    Strangers,
    has_place,
    host_of,
    room_of,
)


def full(most: int, of: dict[int, int]) -> "Strangers[str]":
    """Return a room of *most* in which hosts have so many each, who came one after the other."""
    room: Strangers[str] = Strangers(most)
    for number, count in of.items():
        for one in range(count):
            assert room.enter(f"{number}.{one}", host_of(ip_address(f"192.0.2.{number}"))) is None
    assert len(room) == most
    return room


def test_a_flood_from_one_host_takes_the_place_of_none_but_its_own() -> None:
    room = full(64, {1: 3, 2: 61})
    for number in range(500):
        gone = room.enter(f"flood{number}", host_of(ip_address("192.0.2.2")))
        assert gone is not None
        assert not gone.startswith("1.")
    assert all(f"1.{one}" in room for one in range(3))
    assert len(room) == 64


def test_whoever_waits_longest_at_the_busiest_host_goes_for_a_newcomer_from_elsewhere() -> None:
    room = full(64, {1: 3, 2: 61})
    assert room.enter("new", host_of(ip_address("192.0.2.3"))) == "2.0"
    assert room.enter("newer", host_of(ip_address("192.0.2.3"))) == "2.1"


def test_where_no_host_has_more_than_its_share_the_longest_waiting_of_all_goes() -> None:
    room = full(64, dict.fromkeys(range(1, 17), 4))
    assert [room.enter(f"new{number}", host_of(ip_address("192.0.2.99"))) for number in range(3)] == [
        "1.0",
        "1.1",
        "1.2",
    ]


def test_who_left_is_not_dropped_and_makes_room() -> None:
    room = full(64, {1: 3, 2: 61})
    room.leave("2.0")
    room.leave("2.0")
    assert room.enter("new", host_of(ip_address("192.0.2.3"))) is None
    assert room.enter("newer", host_of(ip_address("192.0.2.3"))) == "2.1"


def test_whom_a_load_balancer_names_counts_for_the_client_and_keeps_his_turn() -> None:
    room = full(64, {1: 64})
    for one in range(10):
        room.move(f"1.{one}", host_of(ip_address("2001:db8::1")))
    room.move("nobody", host_of(ip_address("2001:db8::1")))
    assert "nobody" not in room
    assert room.enter("new", host_of(ip_address("192.0.2.3"))) == "1.10"


def test_an_ipv6_client_counts_for_his_network_whichever_of_its_addresses_he_takes() -> None:
    assert host_of(ip_address("2001:db8::1")) == host_of(ip_address("2001:db8::ffff:1"))
    assert host_of(ip_address("2001:db8::1")) != host_of(ip_address("2001:db8:0:1::1"))
    assert host_of(ip_address("192.0.2.1")) != host_of(ip_address("192.0.2.2"))


moves = st.lists(st.tuples(st.sampled_from(["enter", "leave", "move"]), st.integers(0, 30), st.integers(1, 6)))


@given(moves, st.integers(1, 12))
def test_the_room_is_never_fuller_than_it_may_and_knows_its_largest_host(
    done: list[tuple[str, int, int]], most: int
) -> None:
    room: Strangers[int] = Strangers(most)
    model: dict[int, int] = {}
    for what, stranger, number in done:
        where = host_of(ip_address(f"192.0.2.{number}"))
        if what == "enter" and stranger not in model:
            sizes = {one: list(model.values()).count(one) for one in set(model.values())}
            gone = room.enter(stranger, where)
            assert (gone is not None) is (len(model) == most)
            if gone is not None:
                largest = max(sizes.values())
                expected = max(1, most // 16)
                of = model.pop(gone)
                assert sizes[of] == largest or largest <= expected
            model[stranger] = number
        elif what == "leave":
            room.leave(stranger)
            model.pop(stranger, None)
        elif what == "move" and stranger in model:
            room.move(stranger, where)
            model[stranger] = number
        assert len(room) == len(model) <= most
        assert all(one in room for one in model)


@given(st.integers(64, 2_000_000))
def test_everything_that_may_be_open_fits_into_the_descriptors(descriptors: int) -> None:
    room = room_of(descriptors)
    assert room.strangers + DESCRIPTORS_A_TUNNEL * room.tunnels <= descriptors
    assert 1 <= room.strangers <= MOST_STRANGERS
    assert room.tunnels >= descriptors // 4


def test_the_usual_limits_leave_room_for_what_the_process_itself_opens() -> None:
    assert 2 * MOST_PIPES < OWN_DESCRIPTORS
    assert room_of(20_000) == (4_000, 7_680)
    assert room_of(1_048_576).tunnels > 500_000


@given(st.integers(4, 10_000), st.integers(1, 12))
def test_accounts_that_take_all_they_can_leave_a_place(most: int, accounts: int) -> None:
    tunnels = 0
    for _ in range(accounts):
        mine = 0
        while has_place(mine, tunnels, most):
            mine, tunnels = mine + 1, tunnels + 1
        assert tunnels <= most
    assert has_place(0, tunnels, most) is (tunnels < most)
    if most > 3 ** (accounts + 1):
        assert has_place(0, tunnels, most)
