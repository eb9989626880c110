"""Programs and libraries of others through real gateways: the page is whole, and what passed is what is counted."""
# ruff: noqa: S603 -- the programs are found on this machine, the arguments the tests' own

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.request import HTTPSHandler, build_opener

import aiohttp
import httpx
import pytest
import requests
from aiohttp_socks import ProxyConnector
from websockets.asyncio.client import connect

from commands import environment
from deliveries import SEEN_SECONDS, DeliveryShop, Proxy, delivery_shop, free_ports
from novaproxy.database.pool import Target
from origin_sites import Sites, body, origin_sites
from programs import are_required, needed
from services import EFFORT, within

HERE = Path(__file__).parent
EXAMPLE = HERE.parents[1] / "examples" / "fetch.py"
PAGE_BYTES = 200_000
LARGE_BYTES = 50_000_000
IN_FULL = pytest.mark.skipif(not are_required() and EFFORT == 1, reason="50 MB both ways: make test-clients")
PROGRAM_SECONDS = 60

CLOSING_BYTES = 100
"""What an origin with TLS may send to a client that has left: it takes leave there, and nobody gets it."""

PLAIN_SHORTER_BYTES = 250
"""By how much a head can be shorter at the origin: the proxy's own fields and the address stay behind."""


@dataclass(frozen=True, slots=True)
class Ground:
    """Where the clients are let loose: origins, and a gateway that reaches them and nothing else of this machine.

    At *nobodys_port*, which it may reach too, nobody listens.
    """

    delivery: DeliveryShop
    sites: Sites
    nobodys_port: int

    def http(self, path: str, host: str = "127.0.0.1") -> str:
        """Return an address of the origin without TLS."""
        return f"http://{host}:{self.sites.http.port}{path}"

    def https(self, path: str, host: str = "127.0.0.1") -> str:
        """Return an address of the origin with TLS."""
        return f"https://{host}:{self.sites.https.port}{path}"

    def http2(self, path: str) -> str:
        """Return an address of the origin that speaks HTTP/2."""
        return f"https://127.0.0.1:{self.sites.http2.port}{path}"

    def bought(self) -> "Watched":
        """Return the proxy of a new order, and watch what passes from here on."""
        return Watched(self, self.delivery.bought(), self.sites.passed_bytes, self.sites.tls_connections)


@dataclass(frozen=True, slots=True)
class Watched:
    """A proxy, and what had passed to the origins before it was used."""

    ground: Ground
    proxy: Proxy
    before_bytes: int
    before_tls: int

    def assert_counted(self, *, more_at_client_bytes: int = 0) -> None:
        """Assert that the order consumed exactly what the origins saw of tunnels, but for farewells of TLS.

        *more_at_client_bytes*: by how much heads may be longer at the client's side, where they are counted.
        """
        sites = self.ground.sites
        within(SEEN_SECONDS, lambda: sites.are_quiet, "the end of all connections to the origins")
        seen = sites.passed_bytes - self.before_bytes
        unheard = CLOSING_BYTES * (sites.tls_connections - self.before_tls)
        within(
            SEEN_SECONDS,
            lambda: self.ground.delivery.consumed(self.proxy) >= seen - unheard,
            f"{seen} bytes counted",
        )
        more = self.ground.delivery.consumed(self.proxy) - seen
        assert -unheard <= more <= more_at_client_bytes, (more, seen)


@pytest.fixture(scope="module")
def ground(module_database: Target) -> Iterator[Ground]:
    (nobodys_port,) = free_ports(1)
    with (
        origin_sites() as sites,
        delivery_shop(module_database) as delivery,
        delivery.gateway(NOVAPROXY_GATEWAY_ALLOW=f"{sites.allowed},127.0.0.1:{nobodys_port}"),
    ):
        yield Ground(delivery, sites, nobodys_port)


@pytest.fixture
def watched(ground: Ground) -> Watched:
    return ground.bought()


def ran(program: str, *words: str, **environment: str) -> bytes:
    """Return what a program wrote; it must end well."""
    path = needed(program, untried=f"{program} through a proxy")
    kept = {name: word for name, word in os.environ.items() if not name.lower().endswith("_proxy")}
    told = subprocess.run(
        [path, *words], check=False, capture_output=True, timeout=PROGRAM_SECONDS, env={**kept, **environment}
    )
    assert told.returncode == 0, told.stderr
    return told.stdout


def curled(ground: Ground, *words: str) -> bytes:
    """Return what curl got, as it is on any machine: without its settings file."""
    return ran("curl", "-q", "-sS", "--fail", "--cacert", str(ground.sites.certificate), *words)


# curl and wget --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
def test_curl_fetches_https(ground: Ground, watched: Watched, scheme: str, host: str) -> None:
    got = curled(ground, "-x", watched.proxy.url(scheme), ground.https(f"/bytes/{PAGE_BYTES}", host))
    assert got == body(PAGE_BYTES)
    watched.assert_counted()


@pytest.mark.parametrize("words", [("--socks5",), ("--socks5-hostname",), ("--proxytunnel", "--proxy")])
def test_curl_fetches_http_by_a_tunnel(ground: Ground, watched: Watched, words: tuple[str, ...]) -> None:
    proxy = watched.proxy
    port = proxy.http_port if "--proxy" in words else proxy.socks_port
    login = ("--proxy-user", f"{proxy.username}:{proxy.password}")
    got = curled(ground, *login, *words, f"127.0.0.1:{port}", ground.http(f"/bytes/{PAGE_BYTES}"))
    assert got == body(PAGE_BYTES)
    watched.assert_counted()


def test_curl_fetches_http_by_plain_requests_each_with_a_connection(ground: Ground, watched: Watched) -> None:
    page = ground.http(f"/bytes/{PAGE_BYTES}")
    assert curled(ground, "-x", watched.proxy.url(), page, page) == 2 * body(PAGE_BYTES)
    watched.assert_counted(more_at_client_bytes=2 * PLAIN_SHORTER_BYTES)


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
@pytest.mark.parametrize("words", [(), ("-H", "Transfer-Encoding: chunked")], ids=["with a length", "in chunks"])
def test_curl_uploads(ground: Ground, watched: Watched, tmp_path: Path, scheme: str, words: tuple[str, ...]) -> None:
    """More than a megabyte: curl waits for 100 Continue before it sends such a body."""
    upload = tmp_path / "upload"
    upload.write_bytes(body(2_000_000))
    told = curled(ground, "-x", watched.proxy.url(scheme), "--data-binary", f"@{upload}", *words, ground.http("/sum"))
    assert told.decode() == sha256(body(2_000_000)).hexdigest()
    watched.assert_counted(more_at_client_bytes=PLAIN_SHORTER_BYTES)


def test_curl_asks_for_the_challenge_first(ground: Ground, watched: Watched) -> None:
    proxy = watched.proxy
    login = ("--proxy-anyauth", "--proxy-user", f"{proxy.username}:{proxy.password}")
    for page in (ground.https(f"/bytes/{PAGE_BYTES}"), ground.http(f"/bytes/{PAGE_BYTES}")):
        assert curled(ground, *login, "-x", f"http://127.0.0.1:{proxy.http_port}", page) == body(PAGE_BYTES)
    watched.assert_counted(more_at_client_bytes=PLAIN_SHORTER_BYTES)


def test_curl_speaks_http2_on_several_streams_of_one_tunnel(ground: Ground, watched: Watched) -> None:
    before = ground.sites.http2_origin.connections
    words = ("--http2", "--parallel", "--parallel-max", "5", "-x", watched.proxy.url())
    got = curled(ground, *words, *[ground.http2(f"/bytes/{PAGE_BYTES}")] * 5)
    assert got == b"2" * PAGE_BYTES * 5
    assert ground.sites.http2_origin.connections == before + 1
    watched.assert_counted()


def test_wget_fetches_by_a_tunnel_and_by_a_plain_request(ground: Ground, watched: Watched) -> None:
    proxy = watched.proxy.url()
    words = ("-q", "--no-config", "-O", "-", "--tries=1", f"--ca-certificate={ground.sites.certificate}")
    for page in (ground.https(f"/bytes/{PAGE_BYTES}"), ground.http(f"/bytes/{PAGE_BYTES}")):
        assert ran("wget", *words, page, http_proxy=proxy, https_proxy=proxy) == body(PAGE_BYTES)
    watched.assert_counted(more_at_client_bytes=PLAIN_SHORTER_BYTES)


# Python --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
def test_requests_fetches_and_uploads(ground: Ground, watched: Watched, scheme: str) -> None:
    proxy = watched.proxy.url(scheme)
    with requests.Session() as session:
        session.proxies = {"http": proxy, "https": proxy}
        session.trust_env = False  # else a bundle that the environment names goes before the one given here
        session.verify = str(ground.sites.certificate)
        for page in (ground.http, ground.https):
            assert session.get(page(f"/bytes/{PAGE_BYTES}"), timeout=30).content == body(PAGE_BYTES)
            told = session.post(page("/sum"), data=body(PAGE_BYTES), timeout=30).text
            assert told == sha256(body(PAGE_BYTES)).hexdigest()
    watched.assert_counted(more_at_client_bytes=2 * PLAIN_SHORTER_BYTES)


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_httpx_fetches_and_uploads(ground: Ground, watched: Watched, scheme: str) -> None:
    with httpx.Client(proxy=watched.proxy.url(scheme), verify=ground.sites.client_tls()) as client:
        for page in (ground.http, ground.https):
            assert client.get(page(f"/bytes/{PAGE_BYTES}")).content == body(PAGE_BYTES)
            assert client.post(page("/sum"), content=body(PAGE_BYTES)).text == sha256(body(PAGE_BYTES)).hexdigest()
    watched.assert_counted(more_at_client_bytes=2 * PLAIN_SHORTER_BYTES)


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_httpx_speaks_http2_on_several_streams_of_one_tunnel(ground: Ground, watched: Watched, scheme: str) -> None:
    origin = ground.sites.http2_origin
    before, origin.most_streams = origin.connections, 0

    async def fetched() -> list[httpx.Response]:
        tls = ground.sites.client_tls()
        async with httpx.AsyncClient(proxy=watched.proxy.url(scheme), verify=tls, http1=False, http2=True) as client:
            first = await client.get(ground.http2("/bytes/1"))
            pages = [client.get(ground.http2(f"/bytes/{PAGE_BYTES}")) for _ in range(5)]
            return [first, *await asyncio.gather(*pages)]

    got = asyncio.run(fetched())
    assert {(one.http_version, one.status_code) for one in got} == {("HTTP/2", 200)}
    assert [len(one.content) for one in got] == [1, *[PAGE_BYTES] * 5]
    assert origin.connections == before + 1
    assert origin.most_streams > 1
    watched.assert_counted()


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_aiohttp_fetches_and_uploads(ground: Ground, watched: Watched, scheme: str) -> None:
    url, tls = watched.proxy.url(scheme), ground.sites.client_tls()
    connector = ProxyConnector.from_url(url) if scheme == "socks5" else aiohttp.TCPConnector()
    async with aiohttp.ClientSession(connector=connector, proxy=url if scheme == "http" else None) as session:
        for page in (ground.http, ground.https):
            async with session.get(page(f"/bytes/{PAGE_BYTES}"), ssl=tls) as answer:
                assert await answer.read() == body(PAGE_BYTES)
            async with session.post(page("/sum"), data=body(PAGE_BYTES), ssl=tls) as answer:
                assert await answer.text() == sha256(body(PAGE_BYTES)).hexdigest()
    await asyncio.to_thread(watched.assert_counted, more_at_client_bytes=2 * PLAIN_SHORTER_BYTES)


def test_the_standard_library_fetches_with_the_proxy_of_the_environment(
    ground: Ground, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, watched.proxy.url())
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    opener = build_opener(HTTPSHandler(context=ground.sites.client_tls()))
    for page in (ground.http, ground.https):
        with opener.open(page(f"/bytes/{PAGE_BYTES}"), timeout=30) as answer:
            assert answer.read() == body(PAGE_BYTES)
    watched.assert_counted(more_at_client_bytes=PLAIN_SHORTER_BYTES)


# WebSockets ----------------------------------------------------------------------------------------------------------


def echoed(ground: Ground, kind: str) -> str:
    """Return the address of the echo; *kind* is ws or wss."""
    port = ground.sites.wss.port if kind == "wss" else ground.sites.ws.port
    return f"{kind}://127.0.0.1:{port}/"


@pytest.mark.parametrize("kind", ["ws", "wss"])
@pytest.mark.parametrize("scheme", ["http", "socks5h"])
async def test_websockets_talks_over_a_tunnel(ground: Ground, watched: Watched, scheme: str, kind: str) -> None:
    tls = ground.sites.client_tls() if kind == "wss" else None
    async with connect(echoed(ground, kind), proxy=watched.proxy.url(scheme), ssl=tls, max_size=None) as line:
        for message in ("a word", body(PAGE_BYTES)):
            await line.send(message)
            assert await line.recv() == message
    await asyncio.to_thread(watched.assert_counted)


@pytest.mark.parametrize("kind", ["ws", "wss"])
async def test_aiohttp_talks_to_a_websocket(ground: Ground, watched: Watched, kind: str) -> None:
    """Without TLS it asks by a plain request to change the protocol; with TLS by CONNECT."""
    tls = ground.sites.client_tls() if kind == "wss" else False
    async with (
        aiohttp.ClientSession(proxy=watched.proxy.url()) as session,
        session.ws_connect(echoed(ground, kind), ssl=tls, max_msg_size=0) as line,
    ):
        await line.send_str("a word")
        assert await line.receive_str() == "a word"
        await line.send_bytes(body(PAGE_BYTES))
        assert await line.receive_bytes() == body(PAGE_BYTES)
    await asyncio.to_thread(watched.assert_counted, more_at_client_bytes=PLAIN_SHORTER_BYTES)


# Browsers and others -------------------------------------------------------------------------------------------------


def browsed(ground: Ground, directory: Path, address: str) -> str:
    """Return the document that Chromium made of a page, all connections by the HTTP proxy."""
    words = (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--ignore-certificate-errors",
        f"--user-data-dir={directory}",
        f"--proxy-server=http://127.0.0.1:{ground.delivery.http_port}",
        "--proxy-bypass-list=<-loopback>",
        "--dump-dom",
    )
    return ran("chromium", *words, address).decode()


def test_chromium_loads_a_page_fetches_and_talks(ground: Ground, watched: Watched, tmp_path: Path) -> None:
    """It takes no proxy's password from its command line: its address is listed."""
    shop, sites = ground.delivery.shop, ground.sites
    whitelist = f"/orders/{watched.proxy.uuid}/whitelist"
    listed = shop.http.post(whitelist, json={"address": "127.0.0.1"}, headers=ground.delivery.buyer.headers)
    assert listed.status_code == 201, listed.text
    page = ground.http(f"/?https={sites.https.port}&ws={sites.ws.port}&wss={sites.wss.port}")
    assert '<p id="told">https 200000, ws 200000, wss 200000</p>' in browsed(ground, tmp_path, page)
    watched.assert_counted(more_at_client_bytes=4 * PLAIN_SHORTER_BYTES)


def test_node_and_php_fetch_with_what_they_bring_along(ground: Ground) -> None:
    pages = [page(f"/bytes/{PAGE_BYTES}") for page in (ground.http, ground.https)]
    sums = [sha256(body(PAGE_BYTES)).hexdigest()] * len(pages)
    certificate = str(ground.sites.certificate)
    node, php = ground.bought(), ground.bought()
    told = ran("node", str(HERE / "fetch.mjs"), node.proxy.url(), *pages, NODE_EXTRA_CA_CERTS=certificate)
    assert told.decode().split() == sums
    node.assert_counted(more_at_client_bytes=PLAIN_SHORTER_BYTES)
    told = ran("php", str(HERE / "fetch.php"), php.proxy.url(), certificate, *pages)
    assert told.decode().split() == sums


def fetched_by_example(ground: Ground, address: str, key: str) -> subprocess.CompletedProcess[str]:
    """Run the example that buys a proxy and fetches a page by it."""
    delivery = ground.delivery
    return subprocess.run(
        [sys.executable, str(EXAMPLE), address, '{"plan": "traffic", "bandwidth": 1}', key],
        check=False,
        capture_output=True,
        text=True,
        env=environment(NOVAPROXY_URL=delivery.shop.address, NOVAPROXY_TOKEN=delivery.buyer.token, NO_PROXY=""),
        timeout=PROGRAM_SECONDS,
    )


def test_the_example_buys_a_proxy_once_and_fetches_through_it(ground: Ground) -> None:
    orders_before = ground.delivery.shop.order_count(ground.delivery.buyer)
    page = ground.http(f"/bytes/{PAGE_BYTES}")
    told = fetched_by_example(ground, page, "a-purchase")
    assert (told.returncode, told.stderr) == (0, "")
    charged, answered, consumed = told.stdout.splitlines()
    assert charged.endswith(": charged 1.00")
    assert answered == f"{page} answered 200 with {PAGE_BYTES} bytes"
    assert PAGE_BYTES < int(consumed.split()[1]) < PAGE_BYTES + 1_000

    told = fetched_by_example(ground, "http://10.0.0.1/", "a-purchase")
    assert (told.returncode, told.stderr) == (1, "This target is not allowed. (target_not_allowed)\n")
    assert ground.delivery.shop.order_count(ground.delivery.buyer) == orders_before + 1


# Refusals as curl tells them -----------------------------------------------------------------------------------------


def refused(ground: Ground, *words: str) -> tuple[int, str]:
    """Return curl's exit status and all that it says of a refusal."""
    curl = needed("curl", untried="a refusal of curl")
    told = subprocess.run(
        [curl, "-q", "-sSv", "--cacert", str(ground.sites.certificate), *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=PROGRAM_SECONDS,
    )
    return told.returncode, told.stdout + told.stderr


@pytest.mark.parametrize(
    ("reason", "status", "code", "reply"),
    [
        ("wrong password", 407, "proxy_unauthenticated", "User was rejected by the SOCKS5 server (1 1)."),
        ("used up", 403, "order_exhausted", "(2)"),
        ("inner target", 403, "target_not_allowed", "(2)"),
        ("parameter", 400, "parameter_not_valid", "(2)"),
        ("nobody there", 502, "target_refused", "(5)"),
    ],
)
def test_curl_tells_a_refusal_by_its_code_in_each_protocol(
    ground: Ground, reason: str, status: int, code: str, reply: str
) -> None:
    proxy = ground.bought().proxy
    username, password, page = proxy.username, proxy.password, f"127.0.0.1:{ground.sites.https.port}/"
    match reason:
        case "wrong password":
            password = "wrong"
        case "used up":
            ground.delivery.use_up(proxy, 0)
        case "inner target":
            page = f"127.0.0.1:{proxy.http_port}/"
        case "parameter":
            username += "-colour-red"
        case _:
            page = f"127.0.0.1:{ground.nobodys_port}/"
    login = ("--proxy-user", f"{username}:{password}")
    http, socks = f"127.0.0.1:{proxy.http_port}", f"127.0.0.1:{proxy.socks_port}"

    ended, told = refused(ground, *login, "-x", http, f"http://{page}")
    assert ended == 0
    assert f"< HTTP/1.1 {status} " in told
    assert f"< X-Error-Code: {code}" in told
    ended, told = refused(ground, *login, "-x", http, f"https://{page}")
    assert ended == 56
    assert f"< X-Error-Code: {code}" in told
    for way in ("--socks5", "--socks5-hostname"):
        ended, told = refused(ground, *login, way, socks, f"http://{page}")
        assert ended == 97
        assert reply in told


# Much ----------------------------------------------------------------------------------------------------------------


@IN_FULL
@pytest.mark.parametrize("scheme", ["http", "socks5h"])
@pytest.mark.parametrize("has_tls", [False, True])
def test_curl_moves_50_megabytes_each_way(
    ground: Ground, watched: Watched, tmp_path: Path, scheme: str, *, has_tls: bool
) -> None:
    page = ground.https if has_tls else ground.http
    whole = body(LARGE_BYTES)
    assert curled(ground, "-x", watched.proxy.url(scheme), page(f"/bytes/{LARGE_BYTES}")) == whole
    upload = tmp_path / "upload"
    upload.write_bytes(whole)
    told = curled(ground, "-x", watched.proxy.url(scheme), "-T", str(upload), "-X", "POST", page("/sum"))
    assert told.decode() == sha256(whole).hexdigest()
    watched.assert_counted(more_at_client_bytes=2 * PLAIN_SHORTER_BYTES)
