"""Who is asking (contract, section 1, "Authentication"), and what is told before that is known."""

import pytest

from contract import JSON, MULTIPART, Caller, assert_refusal, exchange, nothing_left_behind, raw_post
from novaproxy.accounts.store import revoke_token
from novaproxy.database.pool import SoleConnection
from shop import Shop

FREE = {"plan": "free", "bandwidth": 1}
UNKNOWN = "nova_" + "A" * 34
PROTECTED = ["/orders", "/orders/9bdfe2d6-2c9a-4f7e-9e8c-1a2b3c4d5e6f", "/orders/x", "/balance", "/balance/entries"]


@pytest.fixture
def caller(common_shop: Shop) -> Caller:
    return Caller(common_shop, common_shop.buyer())


def assert_unauthenticated(shop: Shop, *authorizations: bytes) -> None:
    headers = [(b"Authorization", value) for value in authorizations]
    with nothing_left_behind(shop):
        for response in (
            shop.http.post("/orders", json=FREE, headers=headers),
            shop.http.post("/orders", content="{", headers=headers),
            *(shop.http.get(path, headers=headers) for path in PROTECTED),
        ):
            assert_refusal(response, 401, "Unauthenticated.", "unauthenticated")
            assert response.headers["WWW-Authenticate"] == "Bearer"


def test_a_missing_token_is_unauthenticated(common_shop: Shop) -> None:
    assert_unauthenticated(common_shop)


@pytest.mark.parametrize(
    "authorization",
    [
        *(b"", b"Bearer", b"Basic eDp5", b"Bearer a b", b"Bearer a, Bearer b", b"Bearer,x", b"Bearer:x"),
        *(b"Bearer " + UNKNOWN.encode(), b"Bearer \xff\xfe\x80", "Bearer schlüssel".encode(), b"Bearer " + b"x" * 9000),
        *(b"Bearer a\tb", b"Bearer '; DROP TABLE orders; --", b"Bearer null", b"Bearer 0"),
    ],
    ids=lambda value: repr(value[:24]),
)
def test_a_malformed_or_unknown_token_is_unauthenticated(common_shop: Shop, authorization: bytes) -> None:
    assert_unauthenticated(common_shop, authorization)


@pytest.mark.parametrize("form", ["Token {}", "Basic {}", "{}", "Bearer{}", "Bearer {}x", "Bearer {} x", "BearerX {}"])
def test_a_true_token_in_a_wrong_form_is_unauthenticated(caller: Caller, form: str) -> None:
    assert_unauthenticated(caller.shop, form.format(caller.buyer.token).encode())


def test_a_token_of_another_case_is_unauthenticated(caller: Caller) -> None:
    assert_unauthenticated(caller.shop, f"Bearer {caller.buyer.token.swapcase()}".encode())


def test_two_authorization_headers_are_unauthenticated(caller: Caller) -> None:
    token = f"Bearer {caller.buyer.token}".encode()

    assert_unauthenticated(caller.shop, token, token)
    assert_unauthenticated(caller.shop, token, b"Bearer x")


def test_a_token_in_the_address_is_unauthenticated(caller: Caller) -> None:
    for name in ("token", "access_token", "api_key"):
        response = caller.shop.http.get(f"/orders?{name}={caller.buyer.token}")
        assert_refusal(response, 401, "Unauthenticated.", "unauthenticated")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_is_read_without_regard_to_case(caller: Caller, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {caller.buyer.token}"}

    assert caller.shop.http.post("/orders", json=FREE, headers=headers).status_code == 201
    assert caller.shop.http.get("/balance", headers=headers).status_code == 200


def test_a_revoked_token_is_unauthenticated_at_once(caller: Caller) -> None:
    caller.places(FREE)

    async def revoked(connection: SoleConnection) -> bool:
        async with connection.transaction():
            return await revoke_token(connection, caller.buyer.account_id, "default")

    caller.shop.run(revoked)

    assert_unauthenticated(caller.shop, f"Bearer {caller.buyer.token}".encode())


def test_the_token_of_a_suspended_account_is_unauthenticated(caller: Caller) -> None:
    caller.shop.sql(
        "WITH suspended AS (UPDATE account SET status = 'suspended' WHERE id = $1 RETURNING id) "
        "INSERT INTO account_move (account_id, from_status, to_status, cause, actor, created_at) "
        "SELECT id, 'active', 'suspended', 'test', 'test', now() FROM suspended",
        caller.buyer.account_id,
    )

    assert_unauthenticated(caller.shop, f"Bearer {caller.buyer.token}".encode())


@pytest.mark.parametrize("authorization", [None, f"Bearer {UNKNOWN}"])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{", JSON),
        (b"\xff", JSON),
        (b"[]", JSON),
        (b"{}", "text/plain"),
        (b"", "text/plain"),
        (b"broken", MULTIPART),
        (b" " * 100_000, JSON),
        (b'{"plan": "nope"}', JSON),
        (b'{"plan": "free", "plan": "free"}', JSON),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_who_asks_comes_before_what_is_asked(
    common_shop: Shop,
    body: bytes,
    content_type: str,
    authorization: str | None,
) -> None:
    headers = {"Content-Type": content_type, "Idempotency-Key": "k" * 256}
    if authorization:
        headers["Authorization"] = authorization
    with nothing_left_behind(common_shop):
        response = common_shop.http.post("/orders", content=body, headers=headers)
        assert_refusal(response, 401, "Unauthenticated.", "unauthenticated")


def test_who_asks_comes_before_the_end_of_a_long_body(caller: Caller) -> None:
    stranger = type(caller.buyer)(0, "", UNKNOWN)
    announced = raw_post(stranger, b"x" * 200_000, b"Content-Type: application/json", b"Content-Length: 200000")
    chunks = (b"8000\r\n" + b"x" * 0x8000 + b"\r\n") * 6 + b"0\r\n\r\n"
    chunked = raw_post(stranger, chunks, b"Content-Type: application/json", b"Transfer-Encoding: chunked")

    assert exchange(caller.shop, announced).status == 401
    assert exchange(caller.shop, chunked).status == 401
