"""What of a client's bytes is his request's, however they arrive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaproxy.gateway.model import Asked, Entrance, Target
from novaproxy.gateway.relay.body import Body, Chunks

FOLLOWING = b"GET http://elsewhere.example/ HTTP/1.1\r\n\r\n"


def body(early: bytes, body_bytes: int | None, *, is_chunked: bool = False) -> Body:
    target = Target("target.example", 80)
    return Body(Asked(Entrance.HTTP, target, None, b"HEAD", 4, early, body_bytes, is_chunked))


@pytest.mark.parametrize(
    ("early", "body_bytes", "passes", "left_bytes"),
    [
        (b"bo", 4, b"bo", 2),
        (b"bodyGET", 4, b"body", 0),
        (b"GET", 0, b"", 0),
        (b"all of it", None, b"all of it", None),
    ],
)
def test_a_body_of_a_known_length_ends_there_and_one_of_none_with_the_client(
    early: bytes, body_bytes: int | None, passes: bytes, left_bytes: int | None
) -> None:
    known = body(early, body_bytes)
    assert (known.early, known.left_bytes) == (passes, left_bytes)
    assert known.is_over == (left_bytes == 0)


def passed(known: Body, arriving: bytes, portions: list[int]) -> bytes:
    """Return what passes of *arriving* behind what was early, looked at and read in portions."""
    told = known.early
    for portion in [*portions, *[len(arriving)] * len(arriving)]:
        if known.is_over or not arriving:
            break
        if known.left_bytes == 0:
            known.look(arriving[:portion])
        count = min(portion, known.left_bytes or 0, len(arriving))
        told, arriving = told + arriving[:count], arriving[count:]
        known.passed(count)
    return told


WHOLE = st.builds(
    lambda chunks, extension, trailers: (
        b"".join(b"%x%b\r\n%b\r\n" % (len(one), extension, one) for one in chunks)
        + b"0\r\n"
        + b"".join(trailers)
        + b"\r\n"
    ),
    st.lists(st.binary(min_size=1, max_size=40), max_size=4),
    st.sampled_from([b"", b";a=b", b' ;a="b"']),
    st.lists(st.sampled_from([b"Trailer: x\r\n", b"0: 0\r\n"]), max_size=2),
)


@given(WHOLE, st.integers(0, 60), st.lists(st.integers(1, 30)))
def test_chunks_pass_whole_and_nothing_behind_them(whole: bytes, early_bytes: int, portions: list[int]) -> None:
    stream = whole + FOLLOWING
    known = body(stream[:early_bytes], None, is_chunked=True)
    assert (passed(known, stream[len(known.early) :], portions), known.is_over) == (whole, True)


@pytest.mark.parametrize(
    "broken",
    [
        b"5\nhello\r\n",
        b"-5\r\n",
        b"0x5\r\n",
        b"\r\n",
        b"5 5\r\n",
        b"f" * 16 + b"\r\n",
        b"5;\r\r\n",
        b"1;" + b"a" * 5_000,
        b"0\r\nTrailer: x\n\r\n",
    ],
)
def test_of_a_broken_chunk_and_behind_it_nothing_passes(broken: bytes) -> None:
    good = b"3\r\nabc\r\n"
    chunks = Chunks()
    assert len(good) <= chunks.known_bytes(good + broken) <= len(good) + len(b"0\r\n")
    assert chunks.is_broken
    assert not chunks.is_over
    assert chunks.known_bytes(b"0\r\n\r\n") == 0
