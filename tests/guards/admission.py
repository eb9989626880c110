"""The guards of who is let through, on which terms, and of what cuts them."""

from guards.guard import Guard, altered_function, edit

_ADMISSION = "gateway/admission/admission.py"
_LINES = "gateway/admission/lines.py"
_ORDERS = "gateway/admission/orders.py"
_ADMITTED = "tests/gateway/test_admission.py"
_WATCHED = "tests/gateway/test_watching.py"
_ROUNDS = "tests/usage/test_rounds.py"
_UNKNOWN = f"{_ADMITTED}::test_an_unknown_username_costs_what_a_wrong_password_does"
_WHO = "who is let through"
_SOLD = "what was sold"
_CUT = "cut within two seconds"

ADMISSION = (
    Guard(
        "suspended-account-passes-nothing",
        "check",
        _WHO,
        edit(_ORDERS, ("if order.is_suspended:", "if False:")),
        (f"{_ADMITTED}::test_a_suspension_is_told_before_what_the_order_is",),
    ),
    Guard(
        "used-up-order-passes-nothing",
        "check",
        _WHO,
        edit(_ORDERS, ("return OrderExhausted if order.is_used_up else None", "return None")),
        (f"{_ADMITTED}::test_an_order_that_is_used_up_is_exhausted_before_its_status_says_so",),
    ),
    Guard(
        "orders-of-another-system-are-not-served",
        "check",
        _WHO,
        edit(_ORDERS, ("if order.is_by_hand:", "if False:")),
        (f"{_ADMITTED}::test_what_the_operator_delivered_is_not_ours",),
    ),
    Guard(
        "password-is-compared",
        "comparison",
        _WHO,
        edit(_ADMISSION, ("is_right = compare_digest(found.password_digest, given)", "is_right = True")),
        (_UNKNOWN,),
    ),
    Guard(
        "password-of-an-order-in-use-is-compared",
        "comparison",
        _WHO,
        edit(
            _ADMISSION,
            ("line.password_digest is not None and compare_digest(line.password_digest, given)", "bool(given)"),
        ),
        (f"{_WATCHED}::test_the_new_password_opens_at_once_and_a_listed_address_stays", _UNKNOWN),
    ),
    Guard(
        "unknown-username-costs-a-seal",
        "work",
        "nobody learns which usernames there are",
        edit(
            "gateway/admission/reading.py",
            ("self._digests.of(sealer.opened(self._dummy_of(sealer), _NOBODY, sealer.key_id))", 'self._digests.of("")'),
        ),
        (_UNKNOWN,),
    ),
    Guard(
        "port-and-protocol-are-the-plans",
        "check",
        _SOLD,
        edit(_ADMISSION, ("            check_place(line.plan, *place)\n", "")),
        (f"{_ADMITTED}::test_an_order_is_served_on_the_ports_of_its_plan_alone",),
    ),
    Guard(
        "wish-was-sold",
        "check",
        _SOLD,
        edit(_ADMISSION, ("            check_wish(line.plan, line.bought, wish)\n", "")),
        (f"{_ADMITTED}::test_a_wish_is_granted_where_it_was_sold",),
    ),
    Guard(
        "whitelist-was-sold",
        "check",
        _SOLD,
        edit(_ADMISSION, ("return plan.has_ip_whitelist and place in", "return place in")),
        (f"{_ADMITTED}::test_an_address_listed_for_a_plan_without_whitelists_opens_nothing",),
    ),
    Guard(
        "order-has-a-thousand-tunnels-at-most",
        "bound",
        "the other customers",
        edit(_ADMISSION, ("if len(line.visits) >= MOST_TUNNELS_OF_ORDER:", "if False:")),
        (f"{_ADMITTED}::test_an_order_has_a_thousand_tunnels_at_most_and_each_place_is_given_back_once",),
    ),
    Guard(
        "place-is-given-back-once",
        "step",
        "the bounds of tunnels",
        edit("gateway/admission/line.py", ("ended, self._ended = self._ended, None", "ended = self._ended")),
        (f"{_ADMITTED}::test_an_order_has_a_thousand_tunnels_at_most_and_each_place_is_given_back_once",),
    ),
    Guard(
        "cut-while-counted-lets-nobody-in",
        "check",
        _CUT,
        edit(_ADMISSION, ("            visit.check()\n        except BaseException", "        except BaseException")),
        (f"{_ADMITTED}::test_a_line_that_is_cut_while_its_tunnel_is_counted_lets_nobody_in",),
    ),
    Guard(
        "orders-in-use-are-watched",
        "WHERE guard",
        _CUT,
        edit("gateway/admission/sql/find_changed.sql", ("WHERE found.status <> 'active'", "WHERE false")),
        (f"{_WATCHED}::test_what_is_open_is_cut_within_two_seconds_and_nothing_beside_it",),
        ends_with="TimeoutError",
    ),
    Guard(
        "new-password-cuts",
        "step",
        _CUT,
        edit(
            _LINES,
            ("            line.cut_visits(CredentialsNotValid, lambda visit: visit.address is None)\n", ""),
        ),
        (f"{_WATCHED}::test_the_new_password_opens_at_once_and_a_listed_address_stays",),
    ),
    Guard(
        "end-of-an-order-cuts",
        "step",
        _CUT,
        edit(
            _LINES, ("        self._cut_where_over(line)\n        if self.holds(line):", "        if self.holds(line):")
        ),
        (f"{_WATCHED}::test_an_order_ends_at_its_second_and_not_before",),
        ends_with="TimeoutError",
    ),
    Guard(
        "unlisted-address-is-cut",
        "step",
        _CUT,
        edit(_ADMISSION, ("        self._lines.unlist(seen.unlisted)\n", "")),
        (f"{_WATCHED}::test_an_address_that_is_taken_off_the_list_is_cut",),
        ends_with="TimeoutError",
    ),
    Guard(
        "new-catalog-cuts",
        "step",
        _CUT,
        edit(_ADMISSION, ("        self._lines.take_plans(self._reader.plan)\n", "")),
        (f"{_WATCHED}::test_a_new_catalog_cuts_what_it_does_not_allow",),
        ends_with="TimeoutError",
    ),
    Guard(
        "tunnels-are-counted-over-all-gateways",
        "bound",
        _SOLD,
        altered_function(
            "settle_round",
            ("LEAST(granted.wanted_tunnels, granted.tunnel_limit - (", "LEAST(granted.wanted_tunnels, 2 * ("),
        ),
        (f"{_ROUNDS}::test_tunnels_are_given_to_all_gateways_together",),
    ),
    Guard(
        "parts-of-a-speed-are-never-more-than-it",
        "bound",
        _SOLD,
        altered_function("share_of_speed", ("speed - COALESCE(sum(others.has), 0)", "speed")),
        (
            f"{_ROUNDS}::test_nobody_gets_of_a_speed_what_another_gateway_still_has",
            f"{_ROUNDS}::test_no_changes_of_mind_make_the_parts_of_a_speed_more_than_it",
        ),
    ),
    Guard(
        "silent-gateway-keeps-no-speed",
        "WHERE guard",
        _SOLD,
        altered_function("share_of_speed", ("AND gateway.seen_at > at - interval '10 seconds'", "")),
        (f"{_ROUNDS}::test_a_gateway_that_was_not_heard_of_keeps_no_part_of_a_speed",),
    ),
)
"""What keeps those out who may not, and those in who may no longer from going on."""
