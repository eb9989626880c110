"""Who goes where by which password is told nowhere: not in a log, not in a list of processes."""

import asyncio
import base64
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from chatter import Chatter
from deliveries import CATALOG, DeliveryShop, Proxy, delivery_shop
from floods import fetched
from novaproxy.database.pool import Target
from roles import SERVICES_PASSWORD
from services import SEALING_KEY_TEXT, Gateway, process_tree, seeded, within
from strangers import insult
from targets import WAYS

UPSTREAMS = """
upstreams:
  - {{name: away, type: socks5, host: 127.0.0.1, port: 1, country: us,
     username: exit-user-x7k, password: exit-pass-x7k}}
  - {{name: odd, type: http, host: 127.0.0.1, port: {port}, country: de,
     username: exit-user-x7k, password: exit-pass-x7k}}
  - {{name: own, type: direct, country: fr}}
"""
TARGETS = ("told-to-nobody.example", "told-to-nobody.internal", "192.168.77.99", "3232255331")
WRONG = "wrongpassword77"


def everything(delivery: DeliveryShop, proxy: Proxy, gateway: Gateway) -> None:
    """Do what a gateway could have something to say about."""
    wished = Proxy(proxy.uuid, f"{proxy.username}-country-fr", proxy.password, proxy.http_port, proxy.socks_port)
    fetched(wished, delivery)
    Chatter(delivery, wished, over_socks=True).hush()
    for way in WAYS.values():
        for target in TARGETS:
            assert not way(wished, target, 4443).is_open
    for country in ("us", "de", "gb"):
        by = f"http://{proxy.username}-country-{country}:{proxy.password}@127.0.0.1:{proxy.http_port}"
        # The odd one takes a CONNECT for a request, and answers it.
        with suppress(httpx.RemoteProtocolError):
            answer = httpx.get(f"{delivery.origin.address}/bytes/9", proxy=by, timeout=20)
            assert answer.status_code in {400, 502}, answer
    by = f"http://{proxy.username}:{WRONG}@127.0.0.1:{proxy.http_port}"
    assert httpx.get(f"{delivery.origin.address}/bytes/9", proxy=by, timeout=20).status_code == 407
    asyncio.run(insult(wished, delivery.origin.port, seeded("secrets"), 100))
    cut = Chatter(delivery, wished)
    killed = set(gateway.kill_gateways())
    cut.ended()
    within(20, lambda: bool(set(gateway.gateway_pids()) - killed), "a new gateway")


def secrets(delivery: DeliveryShop, proxy: Proxy) -> list[str]:
    logins = (
        f"{name}:{word}"
        for name in (proxy.username, f"{proxy.username}-country-fr")
        for word in (proxy.password, WRONG)
    )
    basics = [base64.b64encode(login.encode()).decode() for login in logins]
    ours = [SEALING_KEY_TEXT, SERVICES_PASSWORD, "exit-pass-x7k", "exit-user-x7k"]
    return [proxy.password, proxy.username, WRONG, *basics, *ours, delivery.buyer.token]


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_no_password_no_username_and_no_target_reaches_a_log_or_a_list_of_processes(
    database: Target, form: str
) -> None:
    with delivery_shop(database) as delivery:
        catalog = CATALOG.format(http=delivery.http_port, socks=delivery.socks_port)
        delivery.shop.apply_catalog(catalog + UPSTREAMS.format(port=delivery.origin.port))
        with delivery.gateway(NOVAPROXY_LOG_FORMAT=form) as gateway:
            proxy = delivery.bought()
            everything(delivery, proxy, gateway)
            hidden = secrets(delivery, proxy)
            pids = process_tree(gateway.process.pid)
            shown = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in pids}
            inherited = {pid: Path(f"/proc/{pid}/environ").read_text() for pid in pids[1:]}
            assert gateway.end() == 0
            told = gateway.log() + gateway.said
    assert "proxy port open" in told
    assert len(inherited) == 1
    assert [secret for secret in (*hidden, *TARGETS) if secret in told] == []
    assert [secret for secret in hidden if any(secret in words for words in shown.values())] == []
    # The supervisor's own environment is what the operator gave it; nobody inherits its secrets.
    assert [secret for secret in hidden if any(secret in words for words in inherited.values())] == []
