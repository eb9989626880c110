"""The guards of what is sold beyond an order: its whitelist and its usage."""

from guards.guard import Guard, edit

_RACES = "tests/races/test_whitelists.py"
_WHITELIST = "tests/api/test_whitelist.py"
_USAGE = "tests/api/test_usage.py"

DELIVERY = (
    Guard(
        "address-is-locked",
        "advisory lock",
        "an address is on one order at a port",
        edit(
            "whitelist/sql/lock_address.sql",
            ("SELECT pg_advisory_xact_lock($1, hashtext(host($2)))", "SELECT $1::int, host($2)"),
        ),
        (f"{_RACES}::test_of_eight_orders_that_list_one_address_at_once_one_does",),
    ),
    Guard(
        "listing-order-is-locked",
        "row lock",
        "20 addresses an order",
        edit("whitelist/sql/lock_order.sql", (" FOR NO KEY UPDATE", "")),
        (f"{_RACES}::test_an_order_that_lists_many_at_once_has_twenty",),
    ),
    Guard(
        "switched-off-order-keeps-its-addresses",
        "WHERE guard",
        "an address is on one order at a port",
        edit("whitelist/sql/find_holders.sql", ("IN ('active', 'inactive')", "= 'active'")),
        (f"{_WHITELIST}::test_an_order_that_is_switched_off_keeps_its_list_and_may_change_it",),
    ),
    Guard(
        "ended-order-gives-its-addresses-up",
        "WHERE guard",
        "an address is on one order at a port",
        edit(
            "whitelist/sql/find_holders.sql", ("orders.expires_at > clock_timestamp()", "orders.expires_at IS NOT NULL")
        ),
        (f"{_WHITELIST}::test_an_address_is_free_again_when_its_order_has_ended",),
    ),
    Guard(
        "whitelist-is-its-owners",
        "WHERE guard",
        "who asks",
        edit(
            "whitelist/sql/find_order.sql",
            ("$2::bigint IS NULL OR account_id = $2", "$2::bigint IS NULL OR account_id > 0"),
        ),
        (f"{_WHITELIST}::test_somebody_elses_whitelist_is_the_same_404_as_none",),
    ),
    Guard(
        "usage-is-its-owners",
        "WHERE guard",
        "who asks",
        edit(
            "usage/sql/find_used_order.sql",
            ("$2::bigint IS NULL OR account_id = $2", "$2::bigint IS NULL OR account_id > 0"),
        ),
        (f"{_USAGE}::test_somebody_elses_usage_is_the_same_404_as_none",),
    ),
    Guard(
        "usage-range-is-bounded",
        "bound",
        "overload",
        edit("usage/period.py", ("// interval.length > LONGEST_RANGE:", "// interval.length > LONGEST_RANGE**3:")),
        (f"{_USAGE}::test_a_range_that_cannot_be_told_is_refused",),
    ),
)
"""What keeps a whitelist and a usage right, and its owner's."""
