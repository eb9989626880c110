"""What the client sent along with his handshake, paid for and handed on."""

from hypothesis import given
from hypothesis import strategies as st

from novaproxy.gateway.relay.opening import Opening


def test_a_handshake_with_nothing_behind_it_opens_with_nothing() -> None:
    assert Opening(b"", 0, b"").is_over


def test_of_a_head_nothing_passes_before_all_of_it_is_paid() -> None:
    opening = Opening(b"HEAD", 10, b"body")
    assert opening.wanted_bytes == 14
    assert opening.pay(9) == b""
    assert opening.pay(1) == b"HEAD"
    assert opening.pay(4) == b"body"
    assert opening.is_over


@given(st.binary(max_size=20), st.binary(max_size=40), st.lists(st.integers(1, 9)), st.data())
def test_in_whatever_portions_it_is_paid_all_of_it_passes_once(
    head: bytes, early: bytes, portions: list[int], data: st.DataObject
) -> None:
    head_bytes = data.draw(st.integers(1, 30)) if head else 0
    opening, passed, paid = Opening(head, head_bytes, early), b"", 0
    for portion in [*portions, 100]:
        if opening.is_over:
            break
        taken = min(portion, opening.wanted_bytes)
        passed += opening.pay(taken)
        paid += taken
        assert passed == (head + early)[: len(head) + paid - head_bytes] if paid >= head_bytes else not passed
    assert (opening.is_over, passed, paid) == (True, head + early, head_bytes + len(early))
