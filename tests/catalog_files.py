"""Small catalog files to be broken, and the documented one."""

import re
from collections.abc import Mapping

from novaproxy.catalog.file import parsed
from novaproxy.catalog.model import Choice, DiscountCode, PlanType
from novaproxy.errors import OperatorError

TIERS = "bandwidths: [{bandwidth: 1, price_per_gb: 5.00}]"
PLAN = "plans: [{slug: r, name: R, type: bandwidth, " + TIERS + "}]\n"


_LINE = re.compile(r" \(line [1-9][0-9]*\)$")
_WITHOUT_PLACE = ("line ", "the file", "... and ")
"""How faults begin that name no place in the catalog, because it was not read so far, or was read no further."""


def faults(
    text: str | bytes,
    *,
    known_types: Mapping[str, PlanType] = {},
    currency: str | None = None,
    currency_fixed: bool = False,
) -> list[str]:
    """Return the faults of a file as ``told`` does, without the lines that they name."""
    lines = told(text, known_types=known_types, currency=currency, currency_fixed=currency_fixed)
    assert all(_LINE.search(line) or line.startswith(_WITHOUT_PLACE) for line in lines), lines
    return [_LINE.sub("", line) for line in lines]


def told(
    text: str | bytes,
    *,
    known_types: Mapping[str, PlanType] = {},
    currency: str | None = None,
    currency_fixed: bool = False,
) -> list[str]:
    """Return the fault lines of a file, none if it is good; each is one line that can be printed."""
    content = text.encode() if isinstance(text, str) else text
    try:
        parsed(content, known_types=known_types, currency=currency, currency_fixed=currency_fixed)
    except OperatorError as error:
        lines = list(error.lines)
    else:
        return []
    assert all(line.isprintable() for line in lines)
    return lines


def plan_faults(rest: str, *, known_types: Mapping[str, PlanType] = {}) -> list[str]:
    return faults("plans:\n  - {slug: r, name: R, " + rest + "}\n", known_types=known_types)


def tier_faults(rest: str) -> list[str]:
    return plan_faults(f"type: bandwidth, bandwidths: [{rest}]")


def duration_faults(rest: str) -> list[str]:
    return plan_faults("type: duration, durations: [{name: D, " + rest + "}]")


def option_faults(rest: str) -> list[str]:
    return duration_faults("slug: 1_day, price: 1, options: [{name: o, label: O, " + rest + "}]")


def code_faults(rest: str) -> list[str]:
    return faults(PLAN + "discount_codes: [{code: C, " + rest + "}]")


def one_code(rest: str) -> DiscountCode:
    return parsed((PLAN + "discount_codes: [{code: C, percent: 1, " + rest + "}]").encode()).discount_codes[0]


def one_choice(value: str) -> Choice:
    text = (
        "plans: [{slug: d, name: D, type: duration, durations: [{slug: 1_day, name: D, price: 1, options: "
        "[{name: o, label: O, type: select, options: [{label: L, value: " + value + "}]}]}]}]"
    )
    return parsed(text.encode()).plans[0].durations[0].options[0].choices[0]


DOCUMENTED = b"""
currency: USD
plans:
  - slug: residential
    name: Residential
    type: bandwidth
    active: true
    has_geo_targeting: true
    has_ip_whitelist: false
    rotations: [{code: rotating, name: Rotating}, {code: sticky, name: Sticky}]
    protocols: [{code: http, host: proxy.example.com, port: 12321},
                {code: socks5, host: proxy.example.com, port: 32325}]
    max_orders_per_account: null
    validity: null
    delivery: gateway
    bandwidths:
      - {bandwidth: 10, price_per_gb: "4.5075"}
      - {bandwidth: 1, price_per_gb: 5.00}
  - slug: datacenter
    name: Datacenter
    type: duration
    durations:
      - slug: 1_week
        name: 1 week
        price: 9.00
        options:
          - {name: speed, label: Speed, type: range, min: 1, max: 100, step: 1, price_per_unit: 0.10}
          - name: country
            label: Country
            type: select
            options: [{value: us, label: United States, price: 1.00}, {value: 7, label: Germany}]
discount_codes:
  - {code: SUMMER10, percent: 10}
  - code: FIVE
    amount: 5.00
    max_uses: 100
    max_uses_per_account: 1
    starts_at: 2026-01-01T00:00:00Z
    ends_at: null
    plans: [residential]
    minimum_gross: 10.00
    first_order_only: false
"""
