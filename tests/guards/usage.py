"""The guards of bytes: of what is lent, counted and settled."""

from guards.guard import Guard, altered_function, edit

_ROUNDS = "tests/usage/test_rounds.py"
_WAITS = "tests/usage/test_round_waits.py"
_METERS = "tests/usage/test_meters.py"
_METER = "tests/usage/test_meter.py"
_ORPHANS = "tests/usage/test_orphans.py"
_COUNTERS = "tests/usage/test_counters.py"
_ROUND = "settle_round"

BYTES = (
    Guard(
        "round-locks-meters",
        "lock",
        "S7",
        altered_function(
            _ROUND,
            ("    PERFORM FROM meter WHERE meter.order_id = ANY (order_ids)", "    PERFORM FROM meter WHERE false"),
        ),
        (f"{_WAITS}::test_who_waits_for_a_meter_finds_its_tunnels_open",),
    ),
    Guard(
        "round-locks-meters-by-id",
        "order of locks",
        "no circle of waits",
        altered_function(_ROUND, ("ORDER BY meter.order_id FOR NO KEY UPDATE", "FOR NO KEY UPDATE")),
        (f"{_WAITS}::test_meters_are_locked_by_their_ids",),
    ),
    Guard(
        "late-round-is-refused",
        "check",
        "S4",
        altered_function(_ROUND, ("own.round >= number", "false")),
        (f"{_ROUNDS}::test_a_round_that_comes_late_does_nothing",),
    ),
    Guard(
        "ended-gateway-gets-nothing",
        "check",
        "S5, S6",
        altered_function(_ROUND, ("own.id IS NULL OR own.ended_at IS NOT NULL", "own.id IS NULL")),
        (
            f"{_ROUNDS}::test_what_a_lost_gateway_had_reserved_is_charged",
            f"{_ROUNDS}::test_a_gateway_that_ends_returns_everything",
        ),
    ),
    Guard(
        "impossible-count-is-refused",
        "check",
        "S4, S7",
        altered_function(_ROUND, ("WHERE told.up < lease.up_bytes", "WHERE false AND told.up < lease.up_bytes")),
        (f"{_ROUNDS}::test_a_count_that_cannot_be_changes_nothing",),
        ends_with="asyncpg.exceptions.CheckViolationError",
    ),
    Guard(
        "only-what-is-sold-is-lent",
        "check",
        "S1",
        altered_function(_ROUND, ("OR NOT is_sold OR closes THEN 0", "OR closes THEN 0")),
        (f"{_ROUNDS}::test_an_order_gets_nothing_more_when",),
    ),
    Guard(
        "same-refusals-count-once",
        "check",
        "refusals by reason",
        altered_function(_ROUND, ("refusal_number > own.refusal_batch", "refusal_number > 0")),
        (f"{_ROUNDS}::test_refusals_are_counted_by_the_hour_and_once",),
    ),
    Guard(
        "exhausting-waits-for-nobody",
        "lock",
        "no circle of waits",
        altered_function("exhaust_orders", (" SKIP LOCKED", "")),
        (f"{_ROUNDS}::test_an_order_that_somebody_holds_is_exhausted_by_a_later_round",),
        ends_with="asyncpg.exceptions.LockNotAvailableError",
    ),
    Guard(
        "server-that-was-away-loses-no-gateway",
        "WHERE guard",
        "S6",
        edit("usage/sql/find_lost_gateways.sql", (" AND pg_postmaster_start_time() < now() - $1::interval", "")),
        (f"{_ROUNDS}::test_no_gateway_is_lost_before_its_time_nor_soon_after_the_server_began",),
    ),
    Guard(
        "lent-bound-is-kept",
        "bound",
        "S7",
        edit("usage/meter.py", ("        taken = min(most, free)\n", "        taken = most\n")),
        (f"{_METER}::test_no_more_is_taken_than_was_lent",),
    ),
    Guard(
        "returned-bytes-pass-no-more",
        "bound",
        "S7",
        edit(
            "usage/meter.py",
            ("self._ceiling = min(self._ceiling, self._counted + max(wanted, self._taken))", "pass"),
        ),
        (f"{_METER}::test_what_is_given_back_is_not_taken_any_more_from_the_moment_on_when_it_is_told",),
    ),
    Guard(
        "living-file-is-held",
        "lock",
        "S4",
        edit("usage/counters.py", ("            _hold(path, descriptor)\n", "")),
        (f"{_COUNTERS}::test_a_file_whose_process_lives_is_not_adopted",),
    ),
    Guard(
        "other-run-of-the-machine-is-not-believed",
        "check",
        "S6",
        edit("usage/orphans.py", ("if counters.boot == boot_id():", "if True:")),
        (f"{_ORPHANS}::test_what_a_machine_that_was_started_anew_counted_is_not_known_and_charged",),
    ),
    Guard(
        "orphans-are-settled",
        "step",
        "S4",
        edit("usage/teller.py", ("        await settle_orphans(connection, counters_dir)\n", "")),
        (f"{_METERS}::test_a_gateway_that_ends_while_the_database_is_away_is_settled_by_the_next",),
    ),
    Guard(
        "round-that-failed-is-repeated",
        "retry",
        "S4",
        edit(
            "usage/teller.py",
            (
                "                self._urgent[held.meter.order_id] = None\n            self._pause",
                "                pass\n            self._pause",
            ),
        ),
        (f"{_METERS}::test_whoever_opens_an_order_in_an_outage_has_it_when_the_database_is_back",),
        ends_with="TimeoutError",
    ),
)
