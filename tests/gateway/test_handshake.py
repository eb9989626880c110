import asyncio
import json
import socket
import time
from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest

from handshakes import (
    BOTH,
    GREETING,
    GREETING_OPEN,
    LOGIN,
    basic,
    connect,
    get,
    password_message,
    served,
    socks5_request,
    talk,
)
from novaproxy.gateway.entrance.handshake import Handshake
from novaproxy.gateway.entrance.incoming import ClientLeft
from novaproxy.gateway.entrance.proxy_header import ClientPlace
from novaproxy.gateway.model import Asked, Entrance, Target, Wish
from novaproxy.gateway.refusals import (
    AddressNotListed,
    CredentialsNotValid,
    HandshakeTooSlow,
    NoExit,
    OrderExpired,
    ParameterNotValid,
    ProxyRefusal,
    RequestNotValid,
    TooManyTunnels,
)

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
SOCKS5_ESTABLISHED = b"\x05\x00\x00\x01" + bytes(6)
LOOPBACK = (ip_network("127.0.0.0/8"),)


async def test_a_connect_is_read_with_its_credentials_and_answered() -> None:
    async with talk() as line:
        await line.say(connect(fields=basic("user-country-us", "pass")) + b"hello")
        login = await line.handshake.login()
        assert login is not None
        assert (login.username, login.password, login.wish) == ("user", "pass", Wish(country="us"))
        assert line.handshake.entrance is Entrance.HTTP
        assert line.handshake.place == ClientPlace(IPv4Address("127.0.0.1"), line.client.getsockname()[1])
        asked = await line.handshake.asked()
        assert asked == Asked(Entrance.HTTP, Target("example.com", 443), login, early=b"hello")
        await line.handshake.accept()
        assert await line.hear(len(ESTABLISHED)) == ESTABLISHED


async def test_the_body_of_a_plain_request_comes_along_and_what_follows_it_does_not() -> None:
    async with talk() as line:
        await line.say(get(fields=b"Content-Length: 4\r\n", line="POST {} HTTP/1.1"), b"bodyGET http://other/ HTTP/1.1")
        assert await line.handshake.login() is None
        asked = await line.handshake.asked()
        assert (asked.early, asked.body_bytes, asked.is_tunnel) == (b"body", 4, False)
        await line.handshake.accept()
        line.gateway.close()  # the exit's answer would have come
        assert await line.hear_all() == b""


async def test_socks5_hears_of_its_password_only_when_it_was_admitted() -> None:
    async with talk() as line:
        await line.say(GREETING)
        login = asyncio.ensure_future(line.handshake.login())
        assert await line.hear(2) == b"\x05\x02"
        await line.say(password_message())
        assert await login == LOGIN
        with pytest.raises(BlockingIOError):
            line.client.recv(1)
        asked = asyncio.ensure_future(line.handshake.asked())
        assert await line.hear(2) == b"\x01\x00"
        await line.say(socks5_request() + b"hello")
        assert await asked == Asked(Entrance.SOCKS5, Target("example.com", 443), LOGIN, early=b"hello")
        await line.handshake.accept()
        assert await line.hear(10) == SOCKS5_ESTABLISHED


async def test_socks5_that_sends_all_at_once_is_served_too() -> None:
    async with talk() as line:
        await line.say(GREETING + password_message() + socks5_request() + b"hello")
        asked = await served(line.handshake)
        assert isinstance(asked, Asked)
        assert asked.early == b"hello"
        assert await line.hear(14) == b"\x05\x02\x01\x00" + SOCKS5_ESTABLISHED


async def test_socks5_without_a_password_is_chosen_only_when_the_address_was_admitted() -> None:
    async with talk() as line:
        await line.say(GREETING_OPEN)
        assert await line.handshake.login() is None
        with pytest.raises(BlockingIOError):
            line.client.recv(1)
        await line.say(socks5_request())
        assert await line.handshake.asked() == Asked(Entrance.SOCKS5, Target("example.com", 443), None)
        assert await line.hear(2) == b"\x05\x00"


async def test_a_client_that_offers_both_methods_is_asked_for_its_password() -> None:
    async with talk() as line:
        await line.say(b"\x05\x03\x00\x01\x02", password_message())
        assert await line.handshake.login() == LOGIN
        assert await line.hear(2) == b"\x05\x02"


@pytest.mark.parametrize("pieces", [connect(fields=basic()), get(fields=basic()), GREETING + password_message()])
async def test_bytes_that_come_one_by_one_are_put_together(pieces: bytes) -> None:
    async with talk() as line:
        login = asyncio.ensure_future(line.handshake.login())
        for byte in pieces:
            await line.say(bytes([byte]))
            await asyncio.sleep(0)
        assert await login == LOGIN


async def refused_over_http(refusal: ProxyRefusal, request: bytes = b"") -> tuple[bytes, dict[bytes, bytes], bytes]:
    """Return the status line, the fields and the body of the answer."""
    async with talk() as line:
        await line.say(request or connect(fields=basic()))
        told, answer = await asyncio.gather(served(line.handshake, refusal), line.hear_and_close())
        assert told is refusal
        assert line.gateway.fileno() == -1
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    return status, dict(line.split(b": ") for line in lines), body


async def test_a_refusal_over_http_names_its_reason() -> None:
    status, fields, body = await refused_over_http(OrderExpired())
    assert status == b"HTTP/1.1 403 Forbidden"
    assert json.loads(body) == {"error": "The order has expired."}
    assert fields == {
        b"Content-Type": b"application/json",
        b"Content-Length": str(len(body)).encode(),
        b"Connection": b"close",
        b"X-Error-Code": b"order_expired",
    }


async def test_who_is_not_known_is_asked_for_credentials() -> None:
    status, fields, _ = await refused_over_http(CredentialsNotValid())
    assert status == b"HTTP/1.1 407 Proxy Authentication Required"
    assert fields[b"Proxy-Authenticate"] == b'Basic realm="NovaProxy"'


async def test_a_head_request_is_refused_without_a_body() -> None:
    _, fields, body = await refused_over_http(NoExit(), get(line="HEAD {} HTTP/1.1"))
    assert body == b""
    assert int(fields[b"Content-Length"]) > 0


@pytest.mark.parametrize(
    ("said", "established"),
    [
        (connect(), ESTABLISHED),
        (GREETING_OPEN + socks5_request(), b"\x05\x00" + SOCKS5_ESTABLISHED),
    ],
)
async def test_a_tunnel_that_stands_hears_no_refusal_any_more(said: bytes, established: bytes) -> None:
    async with talk() as line:
        await line.say(said)
        await served(line.handshake)
        _, heard = await asyncio.gather(line.handshake.refuse(OrderExpired()), line.hear_and_close())
        assert heard == established
        assert line.gateway.fileno() == -1


async def test_a_plain_request_that_was_accepted_can_still_hear_why_it_is_not_answered() -> None:
    async with talk() as line:
        await line.say(get())
        await served(line.handshake)
        _, heard = await asyncio.gather(line.handshake.refuse(OrderExpired()), line.hear_and_close())
        assert heard.startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize(
    ("said", "refusal", "heard"),
    [
        (GREETING + password_message(), CredentialsNotValid(), b"\x05\x02\x01\x01"),
        (GREETING + password_message() + socks5_request(), CredentialsNotValid(), b"\x05\x02\x01\x01"),
        (GREETING_OPEN, AddressNotListed(), b"\x05\xff"),
        # Only the reply to a request can tell one reason from another.
        (
            GREETING + password_message() + socks5_request(),
            OrderExpired(),
            b"\x05\x02\x01\x00\x05\x02\x00\x01" + bytes(6),
        ),
        (GREETING_OPEN + socks5_request(), TooManyTunnels(), b"\x05\x00\x05\x01\x00\x01" + bytes(6)),
    ],
)
async def test_a_login_that_is_not_admitted_hears_it_in_the_words_of_socks5(
    said: bytes, refusal: ProxyRefusal, heard: bytes
) -> None:
    async with talk() as line:
        await line.say(said)
        told, answer = await asyncio.gather(served(line.handshake, refusal), line.hear_and_close())
        assert (told, answer) == (refusal, heard)


@pytest.mark.parametrize(
    ("said", "heard", "reason"),
    [
        (b"\x05\x00", b"\x05\xff", RequestNotValid),
        (b"\x05\x02\x01\x80", b"\x05\xff", RequestNotValid),
        (GREETING + b"\x05\x01", b"\x05\x02\x01\x01", CredentialsNotValid),
        (GREETING + b"\x01\x00\x00", b"\x05\x02\x01\x01", CredentialsNotValid),
        (GREETING + b"\x01\x01\xff\x01p", b"\x05\x02\x01\x01", CredentialsNotValid),
        (
            GREETING + password_message("user-country-xyz") + socks5_request(),
            b"\x05\x02\x01\x00\x05\x02\x00\x01" + bytes(6),
            ParameterNotValid,
        ),
        (
            GREETING + password_message() + socks5_request(command=2),
            b"\x05\x02\x01\x00\x05\x07\x00\x01" + bytes(6),
            RequestNotValid,
        ),
        (
            GREETING + password_message() + socks5_request(command=3),
            b"\x05\x02\x01\x00\x05\x07\x00\x01" + bytes(6),
            RequestNotValid,
        ),
        (
            GREETING + password_message() + socks5_request(b"\x02abcd"),
            b"\x05\x02\x01\x00\x05\x08\x00\x01" + bytes(6),
            RequestNotValid,
        ),
        (
            GREETING + password_message() + socks5_request(port=0),
            b"\x05\x02\x01\x00\x05\x01\x00\x01" + bytes(6),
            RequestNotValid,
        ),
        (b"\x04\x01\x00\x50\x00\x00\x00\x01user\x00example.com\x00", b"\x00\x5b" + bytes(6), RequestNotValid),
    ],
)
async def test_what_socks_does_not_serve_is_refused_in_its_own_words(
    said: bytes, heard: bytes, reason: type[ProxyRefusal]
) -> None:
    async with talk() as line:
        await line.say(said)
        told, answer = await asyncio.gather(served(line.handshake), line.hear_and_close())
        assert isinstance(told, reason)
        assert answer == heard


@pytest.mark.parametrize(
    ("entrance", "said", "heard"),
    [
        (Entrance.HTTP, GREETING, b"\x05\xff"),
        (Entrance.SOCKS5, connect(), b"HTTP/1.1 400 Bad Request\r\n"),
        (Entrance.HTTP, b"\x04\x01", b"\x00\x5b"),
        (Entrance.HTTP, b"\x16\x03\x01\x02\x00\x01\x00", b"HTTP/1.1 400 Bad Request\r\n"),
        (Entrance.SOCKS5, b"\x00", b"HTTP/1.1 400 Bad Request\r\n"),
    ],
)
async def test_a_port_for_one_protocol_refuses_the_other_clearly(entrance: Entrance, said: bytes, heard: bytes) -> None:
    async with talk(entrances={entrance}) as line:
        await line.say(said)
        told, answer = await asyncio.gather(served(line.handshake), line.hear_and_close())
        assert isinstance(told, RequestNotValid)
        assert told.sentence.startswith(f"This port is for {entrance.upper()} alone")
        assert answer.startswith(heard)


async def test_every_first_byte_is_answered_or_waited_for_and_none_ends_the_process() -> None:
    for first in range(256):
        async with talk(seconds=0.005) as line:
            await line.say(bytes([first]))
            told, answer = await asyncio.gather(served(line.handshake), line.hear_and_close())
            assert isinstance(told, ProxyRefusal), first
            assert answer, first


TEXT_HEADER = b"PROXY TCP4 203.0.113.7 192.0.2.1 51000 8001\r\n"


async def test_behind_a_load_balancer_the_client_is_whom_it_names() -> None:
    async with talk(fronts=LOOPBACK) as line:
        await line.say(TEXT_HEADER + connect(fields=basic()))
        assert await line.handshake.login() == LOGIN
        assert line.handshake.place == ClientPlace(IPv4Address("203.0.113.7"), 51000)


async def test_a_load_balancer_that_speaks_of_itself_is_its_own_client() -> None:
    async with talk(fronts=LOOPBACK) as line:
        await line.say(b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00" + GREETING_OPEN)
        assert await line.handshake.login() is None
        assert line.handshake.place.address == IPv4Address("127.0.0.1")


async def test_a_load_balancer_must_say_whose_connection_it_passes_on() -> None:
    async with talk(fronts=LOOPBACK) as line:
        await line.say(connect(fields=basic()))
        told, answer = await asyncio.gather(served(line.handshake), line.hear_and_close())
        assert isinstance(told, RequestNotValid)
        assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("header", [TEXT_HEADER, b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00"])
async def test_nobody_else_can_say_where_he_comes_from(header: bytes) -> None:
    async with talk(fronts=(ip_network("10.0.0.0/8"), ip_network("::/0"))) as line:
        await line.say(header + connect(fields=basic()))
        told, answer = await asyncio.gather(served(line.handshake), line.hear_and_close())
        assert isinstance(told, RequestNotValid)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert line.handshake.place.address == IPv4Address("127.0.0.1")


async def test_a_client_of_ipv6_has_an_address_of_ipv6_and_one_that_is_mapped_into_it_has_not() -> None:
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        for host, address in [("::1", IPv6Address("::1")), ("127.0.0.1", IPv4Address("127.0.0.1"))]:
            with socket.create_connection((host, listener.getsockname()[1])) as client, listener.accept()[0] as gateway:
                gateway.settimeout(0)
                client.sendall(GREETING_OPEN)
                handshake = Handshake(gateway, asyncio.get_running_loop(), BOTH)
                await handshake.login()
                assert handshake.place.address == address


@pytest.mark.parametrize("said", [connect(), get(), GREETING + password_message(), GREETING_OPEN + socks5_request()])
async def test_a_client_that_sends_a_byte_now_and_then_is_ended_in_time(said: bytes) -> None:
    seconds = 0.3
    async with talk(seconds=seconds) as line:
        begun_at = time.monotonic()
        told = asyncio.ensure_future(served(line.handshake))
        for byte in said[:-1]:
            if told.done():
                break
            await line.say(bytes([byte]))
            await asyncio.sleep(max(0.02, 2 * seconds / len(said)))
        heard = await line.hear_and_close()
        assert isinstance(await told, HandshakeTooSlow)
        assert seconds <= time.monotonic() - begun_at < 2
        assert heard


async def test_the_time_is_one_for_all_messages_of_a_handshake() -> None:
    async with talk(seconds=0.3) as line:
        told = asyncio.ensure_future(served(line.handshake))
        for message in (GREETING, password_message(), socks5_request()):
            await asyncio.sleep(0.2)
            await line.say(message)
        heard = await line.hear_and_close()
        assert isinstance(await told, HandshakeTooSlow)
        assert heard == b"\x05\x02\x01\x01"


async def test_a_client_that_never_says_a_word_is_let_go_without_one() -> None:
    async with talk(seconds=0.05) as line:
        assert await served(line.handshake) is None


async def test_the_time_that_others_take_is_not_the_clients() -> None:
    async with talk(seconds=0.2) as line:
        await line.say(GREETING + password_message())
        await line.handshake.login()
        await asyncio.sleep(0.3)
        await line.say(socks5_request())
        assert (await line.handshake.asked()).target == Target("example.com", 443)


async def test_a_refusal_reaches_a_client_that_still_sends() -> None:
    async with talk() as line:
        line.client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 18)
        await line.say(get(fields=b"Content-Length: 400000\r\n", line="POST {} HTTP/1.1"))
        sending = asyncio.ensure_future(line.say(*[b"x" * 4000] * 100))
        told = asyncio.ensure_future(served(line.handshake, CredentialsNotValid()))
        await sending
        answer = await line.hear_all()
        line.client.close()
        assert answer.startswith(b"HTTP/1.1 407 ")
        assert isinstance(await told, CredentialsNotValid)


async def test_a_client_that_never_ends_its_side_is_not_waited_for_long() -> None:
    async with talk() as line:
        await line.say(connect())
        begun_at = time.monotonic()
        await served(line.handshake, CredentialsNotValid())
        assert time.monotonic() - begun_at < 3
        assert line.gateway.fileno() == -1


@pytest.mark.parametrize("said", [b"", b"CONNECT exam", b"\x05\x02", GREETING, TEXT_HEADER[:9]])
async def test_a_client_that_goes_away_is_no_error(said: bytes) -> None:
    async with talk() as line:
        await line.say(said)
        line.client.close()
        assert await served(line.handshake) is None


async def test_a_client_that_was_cut_before_it_was_looked_at_is_no_error() -> None:
    async with talk() as line:
        line.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        line.client.close()
        await asyncio.sleep(0.01)
        with pytest.raises(ClientLeft):
            await line.handshake.login()
