import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from any_handshake import check_head
from handshakes import LOGIN, basic, connect, get
from novaproxy.gateway.entrance.http_head import MOST_HEAD_BYTES, read_head, whole_head
from novaproxy.gateway.model import Asked, Entrance, Target
from novaproxy.gateway.refusals import CredentialsNotValid, HeadTooLong, RequestNotValid, TargetNotValid


@pytest.mark.parametrize(
    ("authority", "target"),
    [("Example.COM:443", Target("example.com", 443)), ("[2001:db8::1]:22", Target("2001:db8::1", 22))],
)
def test_a_connect_asks_for_a_tunnel(authority: str, target: Target) -> None:
    assert read_head(connect(authority)) == Asked(Entrance.HTTP, target, None)
    assert read_head(connect(authority)).is_tunnel


def test_a_connect_of_http_1_0_needs_no_host() -> None:
    assert read_head(b"CONNECT example.com:443 HTTP/1.0\r\n\r\n").target == Target("example.com", 443)


def forwarded(head: bytes) -> list[bytes]:
    asked = read_head(head)
    assert asked.head.endswith(b"\r\n\r\n")
    assert asked.head_bytes == len(head)
    return asked.head[:-4].split(b"\r\n")


@pytest.mark.parametrize(
    ("address", "line", "host"),
    [
        ("http://example.com/a?b=c", b"GET /a?b=c HTTP/1.1", b"example.com"),
        ("HTTP://EXAMPLE.com:80", b"GET / HTTP/1.1", b"example.com"),
        ("http://example.com:8080?b", b"GET /?b HTTP/1.1", b"example.com:8080"),
        ("http://[2001:DB8::1]:81//x", b"GET //x HTTP/1.1", b"[2001:db8::1]:81"),
        ("http://example.com/http://other@x:1/", b"GET /http://other@x:1/ HTTP/1.1", b"example.com"),
    ],
)
def test_a_plain_request_goes_on_in_origin_form_with_the_host_of_its_address(
    address: str, line: bytes, host: bytes
) -> None:
    assert forwarded(get(address)) == [line, b"Host: " + host, b"Connection: close"]


def test_an_address_without_a_path_asks_for_the_whole_server_with_options() -> None:
    assert forwarded(get("http://example.com", line="OPTIONS {} HTTP/1.1"))[0] == b"OPTIONS * HTTP/1.1"
    assert forwarded(get("http://example.com/", line="OPTIONS {} HTTP/1.1"))[0] == b"OPTIONS / HTTP/1.1"


def test_fields_of_this_connection_stay_here_and_the_others_go_on_as_they_are() -> None:
    fields = (
        b"User-AGENT: \xe9 x\r\nConnection: keep-alive, X-Own\r\nKeep-Alive: 5\r\nProxy-Connection: keep-alive\r\n"
        b"TE: trailers\r\nx-own: 1\r\nProxy-Anything: 1\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\nTrailer: X-Sum\r\n"
        b"Cookie: a=b\r\nCookie: c=d\r\nExpect: 100-continue\r\nConnection: X-More\r\nX-more: 2\r\nEmpty:\r\n"
    )
    assert forwarded(get(fields=basic() + fields)) == [
        b"GET / HTTP/1.1",
        b"Host: example.com",
        b"User-AGENT: \xe9 x",
        b"Trailer: X-Sum",
        b"Cookie: a=b",
        b"Cookie: c=d",
        b"Expect: 100-continue",
        b"Empty: ",
        b"Connection: close",
    ]


def test_a_client_of_http_1_0_is_answered_in_http_1_0() -> None:
    assert forwarded(b"GET http://example.com/ HTTP/1.0\r\n\r\n")[0] == b"GET / HTTP/1.0"


UPGRADE = b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"


def test_a_websocket_goes_through_a_plain_request() -> None:
    asked = read_head(get(fields=UPGRADE))
    assert asked.body_bytes is None
    assert asked.head.split(b"\r\n")[2:-2] == [
        b"Sec-WebSocket-Version: 13",
        b"Connection: close, Upgrade",
        b"Upgrade: websocket",
    ]


def test_a_websocket_may_be_asked_for_by_an_address_of_its_own_scheme() -> None:
    asked = read_head(get("WS://example.com/talk", UPGRADE))
    assert asked.target == Target("example.com", 80)
    assert asked.body_bytes is None
    assert asked.head == read_head(get("http://example.com/talk", UPGRADE)).head
    for address, fields in (("ws://example.com/", b""), ("wss://example.com/", UPGRADE)):
        with pytest.raises(RequestNotValid, match="CONNECT"):
            read_head(get(address, fields))


@pytest.mark.parametrize(
    "head",
    [
        get(fields=UPGRADE, line="POST {} HTTP/1.1"),
        get(fields=UPGRADE, line="GET {} HTTP/1.0"),
        get(fields=UPGRADE + b"Content-Length: 5\r\n"),
        get(fields=b"Upgrade: websocket\r\n"),
        get(fields=b"Connection: Upgrade\r\nUpgrade: h2c\r\n"),
    ],
)
def test_another_upgrade_is_left_out(head: bytes) -> None:
    assert b"upgrade" not in read_head(head).head.lower()
    assert read_head(head).body_bytes is not None


@pytest.mark.parametrize(
    ("fields", "body_bytes"),
    [
        (b"", 0),
        (b"Content-Length: 0\r\n", 0),
        (b"Content-Length: 12\r\n", 12),
        (b"Content-Length: 12\r\nContent-Length: 12\r\n", 12),
        (b"Content-Length: 12, 12\r\n", 12),
        (b"Content-Length: 9223372036854775807\r\n", 2**63 - 1),
        (b"Transfer-Encoding: chunked\r\n", None),
        (b"Transfer-Encoding: Chunked\r\n", None),
    ],
)
def test_the_length_of_the_body_is_known_and_said_once(fields: bytes, body_bytes: int | None) -> None:
    asked = read_head(get(fields=fields, line="POST {} HTTP/1.1"))
    assert asked.body_bytes == body_bytes
    assert asked.head.lower().count(b"content-length") <= 1
    assert (b"ransfer-" in asked.head) is (body_bytes is None)


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: 5, 6\r\n",
        b"Content-Length: -5\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: 5x\r\n",
        b"Content-Length:\r\n",
        b"Content-Length: 9223372036854775808\r\n",
        b"Content-Length: " + b"9" * 5000 + b"\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding:\x0bchunked\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Transfer-Encoding: chunked\r\nConnection: transfer-encoding\r\n",
        b"Content-Length: 5\r\nConnection: close, Content-Length\r\n",
        b"Connection: host\r\n",
        b"Content-Length: 5\nX: y\r\n",
        b"X: y\rContent-Length: 5\r\n",
        b"X: y\0\r\n",
        b"X: \x7f\r\n",
        b"X: y\r\n folded\r\n",
        b"X: y\r\n\tContent-Length: 5\r\n",
        b"Host: other\r\n",
        b"Bad Name: x\r\n",
        b"No colon\r\n",
        b": x\r\n",
    ],
)
def test_a_head_that_two_readers_could_take_for_two_things_is_refused(fields: bytes) -> None:
    with pytest.raises(RequestNotValid) as refused:
        read_head(get(fields=fields, line="POST {} HTTP/1.1"))
    assert refused.value.status == 400


def test_http_1_0_has_no_chunks() -> None:
    with pytest.raises(RequestNotValid):
        read_head(get(fields=b"Transfer-Encoding: chunked\r\n", line="POST {} HTTP/1.0"))


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (get("/"), "http://"),
        (get("example.com/"), "http://"),
        (get("*"), "http://"),
        (get("ftp://example.com/"), "http://"),
        (get("https://example.com/"), "CONNECT"),
        (get("http://example.com/#x"), "fragment"),
        (connect(fields=b"Content-Length: 5\r\n"), "body"),
        (connect(fields=b"Transfer-Encoding: chunked\r\n"), "body"),
        (get(line="GET {} HTTP/2.0"), "HTTP/1.1"),
        (get(line="GET {} HTTP/1.2"), "HTTP/1.1"),
        (get(line="GET {}"), "HTTP/1.1"),
        (get(line="GET  {} HTTP/1.1"), "HTTP/1.1"),
        (get("http://exa\xe4mple.com/"), "HTTP/1.1"),
        (b"GET http://example.com/ HTTP/1.1\r\n\r\n", "HTTP/1.1"),
        (b"\r\n\r\n", "HTTP/1.1"),
    ],
)
def test_what_a_proxy_does_not_serve_is_refused_with_a_word(head: bytes, says: str) -> None:
    with pytest.raises(RequestNotValid, match=says):
        read_head(head)


@pytest.mark.parametrize(
    "head",
    [
        *(connect("example.com"), connect("user@example.com:1"), connect("http://example.com:80"), connect("/")),
        *(get("http:///"), get("http://user:pass@example.com/"), get("http://127.1/"), get("http://a%62/")),
        *(get("http://example.com:x/"), get("http://example.com:0/"), get("http://exa\\mple.com/")),
    ],
)
def test_a_target_that_can_be_none_is_refused(head: bytes) -> None:
    with pytest.raises(TargetNotValid):
        read_head(head)


def authorization(value: bytes) -> bytes:
    return b"Proxy-Authorization: " + value + b"\r\n"


@pytest.mark.parametrize("scheme", [b"Basic", b"basic", b"BASIC", b"Basic  "])
def test_basic_credentials_are_read_whatever_the_case_of_their_scheme(scheme: bytes) -> None:
    assert read_head(connect(fields=authorization(scheme + b" dXNlcjpwYXNz"))).login == LOGIN


@pytest.mark.parametrize(
    "fields",
    [
        authorization(b""),
        authorization(b"Basic"),
        authorization(b"Basic !!!"),
        authorization(b"Basic dXNlcjpwYXN"),
        authorization(b"Basic " + base64.b64encode(b"user")),
        authorization(b"Basic " + base64.b64encode(b":pass")),
        authorization(b"Basic " + base64.b64encode(b"user:")),
        authorization(b"Basic " + base64.b64encode(b"\xff:\xff")),
        authorization(b"Bearer abc"),
        authorization(b"dXNlcjpwYXNz"),
        basic() + basic(),
    ],
)
def test_credentials_of_another_form_are_none(fields: bytes) -> None:
    with pytest.raises(CredentialsNotValid):
        read_head(connect(fields=fields))


def test_a_head_is_whole_at_its_empty_line() -> None:
    head = connect()
    for length in range(len(head)):
        assert whole_head(bytearray(head[:length])) is None
    assert whole_head(bytearray(head + b"more\r\n\r\n")) == (head, len(head))


def test_a_head_has_16_kib_and_100_fields_at_most() -> None:
    most = MOST_HEAD_BYTES - len(get(fields=b"X: \r\n"))
    fits = get(fields=b"X: " + b"y" * most + b"\r\n")
    assert whole_head(bytearray(fits)) == (fits, MOST_HEAD_BYTES)
    for longer in (get(fields=b"X: " + b"y" * (most + 1) + b"\r\n"), b"x" * MOST_HEAD_BYTES):
        with pytest.raises(HeadTooLong):
            whole_head(bytearray(longer))
    assert read_head(get(fields=b"X: y\r\n" * 99)).target == Target("example.com", 80)
    with pytest.raises(HeadTooLong):
        read_head(get(fields=b"X: y\r\n" * 100))


@pytest.mark.parametrize("arrived", [b"GET http://a/ HTTP/1.1\n\n", b"\n", b"CONNECT a:1 HTTP/1.1\r\nHost: a\n"])
def test_lines_that_end_with_lf_alone_are_refused_at_once(arrived: bytes) -> None:
    with pytest.raises(RequestNotValid):
        whole_head(bytearray(arrived))


_PIECES = st.sampled_from(
    [
        *(b"GET ", b"CONNECT ", b"http://", b"example.com", b":443", b" HTTP/1.1", b"\r\n", b"\r\n\r\n", b"\n", b"\r"),
        *(b"Host: a", b"Content-Length: 1", b"Transfer-Encoding: chunked", b"Connection: upgrade"),
        *(b"Upgrade: websocket", b"Proxy-Authorization: Basic dXNlcjpwYXNz"),
        *(b"\0", b" ", b"\t", b":", b"[", b"]", b"@", b"#", b"\xff"),
    ]
)


@given(st.lists(_PIECES | st.binary(max_size=4), max_size=30).map(b"".join))
@example(connect(fields=basic()))
@example(get(fields=b"Content-Length: 5\r\n"))
def test_any_bytes_are_a_request_with_one_meaning_or_a_refusal(arrived: bytes) -> None:
    check_head(arrived)
