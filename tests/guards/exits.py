"""The guards of the way out: what customers may not reach, and what they may not take from each other."""

from guards.guard import Guard, edit

_GUARD = "gateway/exits/guard.py"
_DIALLING = "gateway/exits/dialling.py"
_JUDGED = "tests/gateway/test_guard.py"
_DIALLED = "tests/gateway/test_dialling.py"
_HEALTH = "tests/gateway/test_health.py"
_NAMES = "tests/gateway/test_names.py"
_ROOM = "gateway/room.py"
_NETWORK = "the operator's network"

EXITS = (
    Guard(
        "inner-addresses-are-closed",
        "comparison",
        _NETWORK,
        edit(_GUARD, ("and is_public(address) and", "and")),
        (
            f"{_JUDGED}::test_no_way_of_writing_an_inner_address_gets_through",
            f"{_JUDGED}::test_nothing_that_is_not_global_gets_through",
        ),
    ),
    Guard(
        "mail-is-closed",
        "comparison",
        "the operator's name",
        edit(_GUARD, ("return port not in CLOSED_PORTS and", "return")),
        (f"{_JUDGED}::test_mail_between_servers_is_closed",),
    ),
    Guard(
        "gateway-itself-is-closed",
        "comparison",
        _NETWORK,
        edit(_GUARD, (" and not self._is_own(address)", "")),
        (f"{_JUDGED}::test_the_gateway_itself_is_closed_under_its_public_address",),
    ),
    Guard(
        "disguised-addresses-are-read",
        "comparison",
        _NETWORK,
        edit(_GUARD, ('if _LIKE_A_NUMBER.fullmatch(text.rpartition(".")[2]):', "if not text:")),
        (f"{_JUDGED}::test_no_way_of_writing_an_inner_address_gets_through",),
    ),
    Guard(
        "held-ipv4-addresses-are-judged",
        "comparison",
        _NETWORK,
        edit(_GUARD, ("return is_public(IPv4Address(address.packed[-4:]))", "return True")),
        (f"{_JUDGED}::test_an_ipv4_address_inside_an_ipv6_one_is_no_way_around",),
    ),
    Guard(
        "every-address-of-a-name-is-judged",
        "comparison",
        _NETWORK,
        edit(_DIALLING, ("is_open = all(self._guard.permits", "is_open = any(self._guard.permits")),
        (f"{_DIALLED}::test_a_name_with_one_inner_address_is_refused_whatever_else_it_has",),
    ),
    Guard(
        "inner-names-stay-here",
        "comparison",
        "the upstreams' networks",
        edit(_DIALLING, ("if not addresses and is_inner_name(place):", "if not place:")),
        (f"{_DIALLED}::test_a_name_is_checked_here_and_resolved_by_the_upstream",),
    ),
    Guard(
        "targets-make-no-upstream-ill",
        "comparison",
        "the other customers",
        edit("gateway/exits/exits.py", ("if failure.is_counted:", "if failure.reason:")),
        (f"{_HEALTH}::test_no_target_that_a_customer_names_takes_an_exit_from_the_others",),
    ),
    Guard(
        "slow-names-have-a-bound",
        "bound",
        "the other customers",
        edit("gateway/exits/names.py", ("min(MOST_OF_ONE, max(1, left // _PART_OF_ROOM))", "MOST_AT_ONCE")),
        (f"{_NAMES}::test_the_slow_names_of_one_order_do_not_stop_another",),
    ),
    Guard(
        "look-ups-leave-room-for-others",
        "bound",
        "the other customers",
        edit("gateway/exits/names.py", ("max(1, left // _PART_OF_ROOM)", "MOST_OF_ONE")),
        (f"{_NAMES}::test_a_handful_of_orders_with_slow_names_does_not_stop_another",),
    ),
    Guard(
        "an-account-leaves-tunnels-to-others",
        "bound",
        "the other customers",
        edit(_ROOM, ("return of_account < 2 * (most - tunnels)", "return of_account < most and tunnels < most")),
        ("tests/gateway/test_admission.py::test_however_many_accounts_take_all_they_can_another_finds_a_place",),
    ),
    Guard(
        "the-largest-crowd-of-strangers-goes-first",
        "comparison",
        "the other customers",
        edit(_ROOM, ("if self._largest > self._share:", "if self._largest < 0:")),
        ("tests/rules/test_room.py::test_a_flood_from_one_host_takes_the_place_of_none_but_its_own",),
    ),
    Guard(
        "nothing-behind-the-head-is-read",
        "bound",
        "the bytes of a tunnel",
        edit("gateway/exits/upstreams.py", ("end.end() - len(head) if end else len(seen)", "len(seen)")),
        (f"{_DIALLED}::test_what_the_target_says_at_once_is_not_lost",),
    ),
)
