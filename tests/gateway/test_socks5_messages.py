from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshakes import password_message, socks5_request
from novaproxy.gateway.entrance.socks5 import Message, Method, read_credentials, read_method, read_request
from novaproxy.gateway.model import Target
from novaproxy.gateway.refusals import CredentialsNotValid, ProxyRefusal, RequestNotValid, TargetNotValid


@pytest.mark.parametrize(
    ("greeting", "method"),
    [
        (b"\x05\x01\x02", Method.PASSWORD),
        (b"\x05\x02\x00\x02", Method.PASSWORD),
        (b"\x05\x01\x00", Method.NONE),
        (b"\x05\x03\x01\x00\x80", Method.NONE),
        (b"\x05\xff" + bytes([2]) * 255, Method.PASSWORD),
    ],
)
def test_a_password_is_asked_for_wherever_it_is_offered(greeting: bytes, method: Method) -> None:
    assert read_method(bytearray(greeting + b"\x02more")) == (method, len(greeting))
    for length in range(len(greeting)):
        assert read_method(bytearray(greeting[:length])) is None


@pytest.mark.parametrize("greeting", [b"\x04", b"\x05\x00", b"\x05\x01\x01", b"\x05\x02\x03\xff"])
def test_a_greeting_without_a_method_of_ours_is_refused(greeting: bytes) -> None:
    with pytest.raises(RequestNotValid):
        read_method(bytearray(greeting))


@pytest.mark.parametrize(
    ("message", "read"),
    [
        (password_message(), Message(b"user", b"pass")),
        (b"\x01\x00\x00", Message(b"", b"")),
        (b"\x01\xff" + b"u" * 255 + b"\xff" + b"p" * 255, Message(b"u" * 255, b"p" * 255)),
    ],
)
def test_a_username_and_a_password_have_up_to_255_bytes(message: bytes, read: Message) -> None:
    assert read_credentials(bytearray(message + b"more")) == (read, len(message))
    for length in range(len(message)):
        assert read_credentials(bytearray(message[:length])) is None


def test_another_login_than_that_of_rfc_1929_is_none() -> None:
    with pytest.raises(CredentialsNotValid):
        read_credentials(bytearray(b"\x05\x01"))


@pytest.mark.parametrize(
    ("address", "host"),
    [
        (b"\x01\xc0\x00\x02\x01", "192.0.2.1"),
        (b"\x04" + IPv6Address("2001:db8::1").packed, "2001:db8::1"),
        (b"\x04" + IPv6Address("::ffff:192.0.2.1").packed, "192.0.2.1"),
        (b"\x03\x0bExample.COM", "example.com"),
        (b"\x03\x0c" + b"example.com.", "example.com"),
        (b"\x03\x09192.0.2.1", "192.0.2.1"),
        (b"\x03\x0b2001:db8::1", "2001:db8::1"),
        (b"\x03\x0f" + "bücher.example".encode(), "xn--bcher-kva.example"),
    ],
)
def test_a_request_goes_to_an_address_or_a_name(address: bytes, host: str) -> None:
    request = socks5_request(address, 8443)
    assert read_request(bytearray(request + b"more")) == (Target(host, 8443), len(request))
    for length in range(len(request)):
        assert read_request(bytearray(request[:length])) is None


@pytest.mark.parametrize(
    ("request_bytes", "reply"),
    [
        (b"\x01", 7),
        (socks5_request(command=2), 7),
        (socks5_request(command=3), 7),
        (b"\x05\x00", 7),
        (socks5_request(b"\x00abcd"), 8),
        (socks5_request(b"\x05abcd"), 8),
        (socks5_request(port=0), 1),
        (socks5_request(b"\x03\x00"), 1),
        (socks5_request(b"\x03\x02\xff\xff"), 1),
        (socks5_request(b"\x03\x05127.1"), 1),
        (socks5_request(b"\x03\x05[::1]"), 1),
        (socks5_request(b"\x03\x03a\0b"), 1),
        (socks5_request(b"\x03\xff" + b"a" * 255), 1),
    ],
)
def test_another_request_is_refused_with_its_reply(request_bytes: bytes, reply: int) -> None:
    with pytest.raises(RequestNotValid) as refused:
        read_request(bytearray(request_bytes))
    assert refused.value.reply == reply
    assert isinstance(refused.value, TargetNotValid) is (reply == 1)


@given(st.sampled_from([read_method, read_credentials, read_request]), st.binary(max_size=600))
def test_any_bytes_are_a_message_a_refusal_or_too_few(reader: object, arrived: bytes) -> None:
    assert callable(reader)
    try:
        found = reader(bytearray(arrived))
    except ProxyRefusal:
        return
    assert found is None or 0 < found[1] <= len(arrived)
