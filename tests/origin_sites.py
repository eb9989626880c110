"""Origins for real clients: pages, WebSockets and HTTP/2, with TLS and without, each behind a wire that counts."""

import asyncio
import ssl
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from websockets.asyncio.server import ServerConnection, serve

from http2_origin import Http2Origin

_PIECE = bytes(range(251)) * 4_096
_CARRIED_BYTES = 262_144
_MOST_BODY_BYTES = 2**30
_START_SECONDS = 20.0
_PAGE = Path(__file__).with_name("origin_page.html")
_HELD_SECONDS = 20.0
_ANY_SITE = {"Access-Control-Allow-Origin": "*"}


def body(count: int) -> bytes:
    """Return what ``GET /bytes/{count}`` answers; its bytes repeat at no power of two, so a shifted piece is seen."""
    whole, rest = divmod(count, len(_PIECE))
    return _PIECE * whole + _PIECE[:rest]


@dataclass(slots=True)
class Passed:
    """What passed over one connection to an origin."""

    up_bytes: int = 0
    down_bytes: int = 0
    is_over: bool = False


@dataclass(slots=True)
class Wire:
    """A port of 127.0.0.1 that leads to an origin, and what passed over each connection to it, TLS and all."""

    port: int = 0
    passed: list[Passed] = field(default_factory=list)

    async def carry(self, inner_port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry a connection to the origin at *inner_port*, until both sides have ended or one is lost."""
        one = Passed()
        self.passed.append(one)

        def note_up(count: int) -> None:
            one.up_bytes += count

        def note_down(count: int) -> None:
            one.down_bytes += count

        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", inner_port)
            try:
                async with asyncio.TaskGroup() as ways:
                    ways.create_task(_carried(reader, far_writer, note_up))
                    ways.create_task(_carried(far_reader, writer, note_down))
            except* OSError:
                # Who loses one side resets the other, as an origin by itself would.
                writer.transport.abort()
            finally:
                far_writer.transport.abort()
        finally:
            writer.close()
            one.is_over = True


async def _carried(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, note: Callable[[int], None]) -> None:
    while piece := await reader.read(_CARRIED_BYTES):
        note(len(piece))
        writer.write(piece)
        await writer.drain()
    writer.write_eof()


@dataclass(slots=True)
class Sites:
    """Where the origins are. *certificate* is what their TLS is to be verified with, for 127.0.0.1 and localhost.

    ``http`` and ``https`` serve ``/`` (a page for browsers, that fetches and talks), ``/bytes/N``, and ``POST /sum``,
    which tells the SHA-256 of its body;
    ``ws`` and ``wss`` echo messages; ``http2`` serves ``/bytes/N``, and speaks nothing but HTTP/2 over TLS.
    """

    certificate: Path
    http: Wire = field(default_factory=Wire)
    https: Wire = field(default_factory=Wire)
    ws: Wire = field(default_factory=Wire)
    wss: Wire = field(default_factory=Wire)
    http2: Wire = field(default_factory=Wire)
    http2_origin: Http2Origin = field(default_factory=Http2Origin)

    @property
    def wires(self) -> tuple[Wire, ...]:
        """All of them."""
        return self.http, self.https, self.ws, self.wss, self.http2

    @property
    def allowed(self) -> str:
        """The addresses and ports by which a gateway may reach them, by 127.0.0.1 and localhost."""
        return ",".join(f"127.0.0.1:{wire.port},[::1]:{wire.port}" for wire in self.wires)

    @property
    def passed_bytes(self) -> int:
        """What passed over all of them so far."""
        return sum(one.up_bytes + one.down_bytes for wire in self.wires for one in wire.passed)

    @property
    def tls_connections(self) -> int:
        """How many connections with TLS there were so far."""
        return sum(len(wire.passed) for wire in (self.https, self.wss, self.http2))

    @property
    def are_quiet(self) -> bool:
        """Whether no connection is open."""
        return all(one.is_over for wire in self.wires for one in wire.passed)

    def client_tls(self) -> ssl.SSLContext:
        """Return what a client verifies them with."""
        return ssl.create_default_context(cafile=str(self.certificate))


@contextmanager
def origin_sites() -> Iterator[Sites]:
    """Give the origins, served by a thread of their own until the block ends."""
    with tempfile.TemporaryDirectory() as directory:
        certificate, key = _written_certificate(Path(directory))
        sites = Sites(certificate)
        stage = _Stage(sites, key)
        thread = threading.Thread(target=stage.run)
        thread.start()
        try:
            assert stage.is_open.wait(_START_SECONDS), "the origins did not open"
            yield sites
        finally:
            stage.end()
            thread.join()


class _Stage:
    """The thread's loop, and all servers on it."""

    def __init__(self, sites: Sites, key: Path) -> None:
        self.is_open = threading.Event()
        self._sites = sites
        self._key = key
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()

    def run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)

    async def _serve(self) -> None:
        sites = self._sites
        async with AsyncExitStack() as stack:
            for wire, tls in ((sites.http, None), (sites.https, self._tls("http/1.1"))):
                await self._lead(stack, wire, await _pages(stack, tls))
            for wire, tls in ((sites.ws, None), (sites.wss, self._tls("http/1.1"))):
                server = await stack.enter_async_context(serve(_echo, "127.0.0.1", 0, ssl=tls, max_size=None))
                await self._lead(stack, wire, server.sockets[0].getsockname()[1])
            http2 = await self._loop.create_server(sites.http2_origin.protocol, "127.0.0.1", 0, ssl=self._tls("h2"))
            stack.callback(http2.close)
            await self._lead(stack, sites.http2, http2.sockets[0].getsockname()[1])
            self.is_open.set()
            await self._end.wait()

    async def _lead(self, stack: AsyncExitStack, wire: Wire, inner_port: int) -> None:
        carried: set[asyncio.Task[None]] = set()

        def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = self._loop.create_task(_quietly(wire.carry(inner_port, reader, writer)))
            carried.add(task)
            task.add_done_callback(carried.discard)

        async def close() -> None:
            server.close()
            for task in carried:
                task.cancel()
            await asyncio.gather(*carried, return_exceptions=True)

        server = await asyncio.start_server(begin, "127.0.0.1", 0)
        stack.push_async_callback(close)
        wire.port = server.sockets[0].getsockname()[1]

    def _tls(self, protocol: str) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._sites.certificate, self._key)
        context.set_alpn_protocols([protocol])
        return context


async def _quietly(carried: Coroutine[None, None, None]) -> None:
    with suppress(OSError):
        await carried


async def _echo(line: ServerConnection) -> None:
    async for message in line:
        await line.send(message)


async def _pages(stack: AsyncExitStack, tls: ssl.SSLContext | None) -> int:
    """Serve the pages, and return their port."""
    runner = web.AppRunner(_Pages().application(), access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port: int = runner.addresses[0][1]
    return port


class _Pages:
    def __init__(self) -> None:
        self._is_told = asyncio.Event()

    def application(self) -> web.Application:
        """Return what serves them."""
        pages = web.Application(client_max_size=_MOST_BODY_BYTES)
        pages.add_routes([web.get("/", self._page), web.get("/held", self._held), web.get("/tell", self._tell)])
        pages.add_routes([web.get("/bytes/{count}", _bytes), web.post("/sum", _sum)])
        return pages

    async def _page(self, _request: web.Request) -> web.Response:
        self._is_told.clear()
        return web.Response(body=_PAGE.read_bytes(), content_type="text/html")

    async def _held(self, _request: web.Request) -> web.Response:
        async with asyncio.timeout(_HELD_SECONDS):
            await self._is_told.wait()
        return web.Response()

    async def _tell(self, _request: web.Request) -> web.Response:
        self._is_told.set()
        return web.Response()


async def _bytes(request: web.Request) -> web.StreamResponse:
    left = int(request.match_info["count"])
    answer = web.StreamResponse(headers={"Content-Length": str(left), **_ANY_SITE})
    await answer.prepare(request)
    while left:
        await answer.write(_PIECE[:left])
        left -= min(left, len(_PIECE))
    await answer.write_eof()
    return answer


async def _sum(request: web.Request) -> web.Response:
    digest = sha256()
    async for piece in request.content.iter_any():
        digest.update(piece)
    return web.Response(text=digest.hexdigest(), headers=_ANY_SITE)


def _written_certificate(directory: Path) -> tuple[Path, Path]:
    """Return the files of a new certificate that vouches for itself, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "origin of the tests")])
    now = datetime.now(UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign"), False
    )
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True, key_cert_sign=True, encipher_only=False, decipher_only=False, **usage
            ),
            critical=True,
        )
        .sign(key, hashes.SHA256())
    )
    certificate, key_file = directory / "certificate.pem", directory / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, key_file
