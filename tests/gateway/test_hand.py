"""What one direction holds between reading and writing."""

import socket

import pytest

from novaproxy.gateway.relay.hand import MUCH_MEMORY_BYTES, SPARING_BYTES, Hand
from novaproxy.gateway.relay.pipes import Pipes
from tunnels import connected


def test_a_pipe_with_bytes_in_it_goes_to_nobody_else() -> None:
    pipes = Pipes(most=1)
    (sender, source), (sink, receiver) = connected(), connected()
    with sender, source, sink, receiver:
        sender.send(b"of one customer")
        hand = Hand(pipes)
        assert hand.fill(source, 1_000) == hand.held_bytes == 15
        assert hand.drop() == 15
        sender.send(b"of another")
        other = Hand(pipes)
        assert other.fill(source, 1_000) == 10
        assert other.pour(sink) == 10
        assert receive(receiver) == b"of another"
        other.rest()
    pipes.forgo()


def test_a_pipe_is_held_only_while_bytes_are_in_it() -> None:
    pipes = Pipes(most=1)
    (sender, source), (sink, receiver) = connected(), connected()
    with sender, source, sink, receiver:
        sender.send(b"bytes")
        hand = Hand(pipes)
        hand.fill(source, 1_000)
        assert pipes.take() is None
        hand.pour(sink)
        hand.rest()
        pipe = pipes.take()
        assert pipe
        pipes.put(pipe)
    pipes.forgo()


@pytest.mark.parametrize("most", [0, 1])
def test_no_more_is_read_than_may_be(most: int) -> None:
    pipes = Pipes(most=most)
    (sender, source), (sink, receiver) = connected(), connected()
    with sender, source, sink, receiver:
        sender.send(b"0123456789")
        hand = Hand(pipes)
        assert hand.fill(source, 4) == 4
        hand.pour(sink)
        hand.rest()
        assert receive(receiver) == b"0123"
        with pytest.raises(BlockingIOError):
            Hand(pipes).fill(receiver, 4)
    pipes.forgo()


def receive(side: socket.socket) -> bytes:
    side.settimeout(5.0)
    got = side.recv(1_000)
    side.settimeout(0)
    return got


def test_thousands_of_hands_that_nobody_empties_hold_little_memory_each() -> None:
    pipes = Pipes(most=0)
    pipes.memory_bytes = MUCH_MEMORY_BYTES - 1
    (sender, source), (sink, receiver) = connected(), connected()
    with sender, source, sink, receiver:
        sender.send(b"x" * 60_000)
        first, second = Hand(pipes), Hand(pipes)
        assert first.fill(source, 40_000) == 40_000
        assert second.fill(source, 40_000) == SPARING_BYTES
        assert pipes.memory_bytes == MUCH_MEMORY_BYTES - 1 + 40_000 + SPARING_BYTES
        while second.held_bytes:
            second.pour(sink)
        second.rest()
        assert first.drop() == 40_000
        assert pipes.memory_bytes == MUCH_MEMORY_BYTES - 1
        assert second.fill(source, 1_000_000) == 60_000 - 40_000 - SPARING_BYTES
        second.drop()
        second.drop()
        assert pipes.memory_bytes == MUCH_MEMORY_BYTES - 1
