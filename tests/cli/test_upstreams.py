"""``novaproxy upstream`` by the real command, on real proxies."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import pytest

from commands import Operator
from upstream_proxies import PASSWORD, served_proxies

PLANS = "plans: [{slug: r, name: R, type: bandwidth, bandwidths: [{bandwidth: 1, price_per_gb: 5.00}]}]\n"


class Ports(NamedTuple):
    """Where the proxies of the tests and a target listen."""

    http: int
    socks5: int
    target: int


@pytest.fixture(scope="module")
def ports() -> Iterator[Ports]:
    with served_proxies() as (http, socks5, target):
        yield Ports(http.port, socks5.port, target)


def catalog(ports: Ports) -> bytes:
    return f"""{PLANS}upstreams:
  - {{name: web, type: http, host: 127.0.0.1, port: {ports.http}, username: exit-user, password_env: EXIT_PASSWORD,
      country: us, weight: 3}}
  - {{name: socks, type: socks5, host: 127.0.0.1, port: {ports.socks5}, username: exit-user, password: {PASSWORD},
      country: de, state: be, city: berlin, tags: [fast, own], plans: [r]}}
  - {{name: wrong, type: socks5, host: 127.0.0.1, port: {ports.socks5}, username: exit-user, password: Pa55word}}
  - {{name: here, type: direct, source: 127.0.0.1}}
  - {{name: v6, type: http, host: "::1", port: 8080}}
""".encode()


@pytest.fixture(scope="module")
def shop(common_operator: Operator, ports: Ports) -> Operator:
    """An operator whose catalog names upstreams; the password that it does not hold is in the environment."""
    common_operator("catalog", "apply", "-", stdin=catalog(ports))
    allowed = f"127.0.0.1:{ports.target}"
    more = {"EXIT_PASSWORD": PASSWORD, "NOVAPROXY_GATEWAY_ALLOW": allowed}
    return replace(common_operator, settings={**common_operator.settings, **more})


def test_the_list_shows_everything_but_passwords(shop: Operator, ports: Ports) -> None:
    said, listed = (ran.said for ran in shop.all(("upstream", "list"), ("upstream", "list", "--json")))
    head, *rows = said.splitlines()
    assert head.split() == ["name", "type", "where", "country", "state", "city", "tags", "weight", "plans"]
    assert [row.split() for row in rows] == [
        ["web", "http", f"exit-user@127.0.0.1:{ports.http}", "us", "-", "-", "-", "3", "all"],
        ["socks", "socks5", f"exit-user@127.0.0.1:{ports.socks5}", "de", "be", "berlin", "fast,", "own", "1", "r"],
        ["wrong", "socks5", f"exit-user@127.0.0.1:{ports.socks5}", "-", "-", "-", "-", "1", "all"],
        ["here", "direct", "127.0.0.1", "-", "-", "-", "-", "1", "all"],
        ["v6", "http", "[::1]:8080", "-", "-", "-", "-", "1", "all"],
    ]
    for shown in (said, listed):
        assert PASSWORD not in shown
        assert "Pa55word" not in shown


def test_the_list_as_json_says_whether_there_is_a_password(shop: Operator, ports: Ports) -> None:
    web, _, _, here, _ = shop("upstream", "list", "--json").json
    assert web == {
        "name": "web",
        "type": "http",
        "host": "127.0.0.1",
        "port": ports.http,
        "username": "exit-user",
        "has_password": True,
        "source": None,
        "country": "us",
        "state": None,
        "city": None,
        "tags": [],
        "weight": 3,
        "plans": None,
    }
    assert (here["has_password"], here["source"]) == (False, "127.0.0.1")


def test_a_check_tells_what_is_down_and_fails(shop: Operator) -> None:
    ran = shop("upstream", "check")
    head, *rows = [line.split(maxsplit=3) for line in ran.out.splitlines()]
    assert head == ["name", "state", "ms", "fault"]
    assert [(row[0], row[1], row[3]) for row in rows] == [
        ("web", "well", "-"),
        ("socks", "well", "-"),
        ("wrong", "down", "it refused its username and password"),
        ("here", "well", "-"),
        # What is wrong there hangs on whether this machine has IPv6.
        ("v6", "down", rows[4][3]),
    ]
    assert rows[4][3].startswith("it took no connection: ")
    assert (ran.status, ran.errors) == (1, "novaproxy: Upstreams that are down: wrong, v6.\n")
    assert PASSWORD not in ran.out


@pytest.mark.parametrize("name", ["web", "socks", "here"])
def test_a_check_goes_through_to_a_target(shop: Operator, ports: Ports, name: str) -> None:
    (done,) = shop("upstream", "check", name, "--to", f"127.0.0.1:{ports.target}", "--json").json
    assert (done["name"], done["is_well"], done["fault"]) == (name, True, None)
    assert 0 <= done["milliseconds"] < 10_000


def test_a_check_reaches_no_more_than_a_customer_does(shop: Operator, ports: Ports) -> None:
    inner, closed = shop.all(
        ("upstream", "check", "here", "--to", f"127.0.0.1:{ports.http}", "--json"),
        ("upstream", "check", "web", "--to", "example.com:25", "--json"),
    )
    # It says nothing of the upstream, which may be well.
    for ran, host, port in ((inner, "127.0.0.1", ports.http), (closed, "example.com", 25)):
        assert ran.fault == (
            f"Customers may not reach {host} port {port}, so no upstream was tried: "
            "name another target, or let them by NOVAPROXY_GATEWAY_ALLOW."
        )


def test_a_password_that_is_not_in_the_environment_is_told(shop: Operator) -> None:
    without = replace(shop, settings={name: value for name, value in shop.settings.items() if name != "EXIT_PASSWORD"})
    ran = without("upstream", "check", "web", "--json")
    assert ran.status == 1
    assert ran.json[0]["fault"] == "its password is not set: EXIT_PASSWORD"


def test_what_cannot_be_checked_is_told_in_one_line(shop: Operator) -> None:
    unknown, no_port, bad_port = shop.all(
        ("upstream", "check", "nobody"),
        ("upstream", "check", "--to", "example.com"),
        ("upstream", "check", "--to", "example.com:70000"),
    )
    assert unknown.fault == "No upstream 'nobody'; 'novaproxy upstream list' shows them."
    assert no_port.fault == "--to must be a host and a port, such as example.com:443."
    assert bad_port.fault == "The port of --to must be from 1 to 65535."


def test_no_command_but_the_export_writes_a_password(operator: Operator, ports: Ports) -> None:
    text = catalog(ports)
    for words, stdin in (
        (("catalog", "apply", "-", "--dry-run"), text),
        (("catalog", "apply", "-"), text),
        (("catalog", "apply", "-"), text.replace(b"Pa55word", b"Pa55word2")),
        (("catalog", "apply", "-"), text.replace(b"exit-user", b"exit user")),
    ):
        ran = operator(*words, stdin=stdin)
        assert ran.out + ran.errors
        assert PASSWORD not in ran.out + ran.errors
        assert "Pa55word" not in ran.out + ran.errors
    exported = operator("catalog", "export").said
    assert "password: Pa55word2\n" in exported
    assert operator("catalog", "apply", "-", stdin=exported.encode()).said == "Nothing changed.\n"


def test_without_upstreams_the_machine_itself_is_checked(operator: Operator) -> None:
    operator("catalog", "apply", "-", stdin=PLANS.encode())
    listed, checked = operator.all(("upstream", "list"), ("upstream", "check", "--json"))
    assert listed.said == "The catalog names no upstream: all plans leave through the gateway's own machine.\n"
    assert [(one["name"], one["is_well"]) for one in checked.json] == [("direct", True)]
