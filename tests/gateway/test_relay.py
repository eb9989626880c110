"""Tunnels on real sockets: what goes in comes out, and what is counted is what passed, whatever way the bytes take."""

import asyncio
import os
import socket
import struct
import tracemalloc
from contextlib import suppress
from dataclasses import replace
from errno import EINVAL
from fcntl import ioctl
from hashlib import sha256
from random import Random
from termios import FIONREAD
from typing import TYPE_CHECKING, Any

import pytest

from novaproxy.gateway.model import Asked, Entrance, Target
from novaproxy.gateway.relay.engine import Relay
from novaproxy.gateway.relay.outcome import End
from novaproxy.gateway.relay.pipes import Pipes
from purses import Purse
from services import EFFORT, seeded
from tunnels import (
    CONNECT,
    PATIENCE_SECONDS,
    Line,
    connected,
    descriptors,
    read_all,
    read_exactly,
    switchboard,
    write_all,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PLENTY = 10**12
MIB = 1024 * 1024
PLAIN = Asked(
    Entrance.HTTP, Target("target.example", 80), None, head=b"GET / HTTP/1.1\r\n\r\n", head_bytes=40, body_bytes=0
)


def splicing() -> Pipes:
    return Pipes()


def small_pipes() -> Pipes:
    return Pipes(most_large=0)


def no_pipes() -> Pipes:
    return Pipes(most=0)


def one_pipe() -> Pipes:
    return Pipes(most=1)


@pytest.fixture(params=[splicing, small_pipes, one_pipe, no_pipes])
def pipes(request: pytest.FixtureRequest) -> Pipes:
    """Each way that bytes can take."""
    made: Callable[[], Pipes] = request.param
    return made()


async def test_both_directions_at_once_bring_every_byte_in_its_order(pipes: Pipes) -> None:
    draws = Random(5)
    up, down = draws.randbytes(7 * MIB + 11), draws.randbytes(9 * MIB + 13)
    async with switchboard(pipes) as board:
        line = board.line(Purse(PLENTY))
        _, _, seen_by_target, seen_by_customer = await asyncio.gather(
            write_all(line.customer, up), write_all(line.target, down), read_all(line.target), read_all(line.customer)
        )
        outcome = await line.outcome()
    assert seen_by_target == (len(up), sha256(up).hexdigest())
    assert seen_by_customer == (len(down), sha256(down).hexdigest())
    assert (outcome.end, outcome.up_bytes, outcome.down_bytes) == (End.FINISHED, len(up), len(down))
    assert (line.purse.up_bytes, line.purse.down_bytes) == (len(up), len(down))


async def test_of_5_000_000_bytes_exactly_5_000_000_pass_one_tunnel(pipes: Pipes) -> None:
    async with switchboard(pipes) as board:
        line = board.line(Purse(5_000_000))
        line.purse.on_passed = lambda: end_when_spent([line])
        writing = asyncio.create_task(write_all(line.target, bytes(6_000_000)))
        seen, _ = await read_all(line.customer)
        outcome = await line.outcome()
        await writing
    assert seen == outcome.down_bytes == line.purse.down_bytes == 5_000_000
    assert outcome.end is End.EXHAUSTED


async def test_of_5_000_000_bytes_exactly_5_000_000_pass_8_tunnels_that_share_them(pipes: Pipes) -> None:
    purse = Purse(5_000_000)
    async with switchboard(pipes) as board:
        lines = [board.line(purse) for _ in range(8)]
        purse.on_passed = lambda: end_when_spent(lines)
        writing = [asyncio.create_task(write_all(line.target, bytes(1_500_000))) for line in lines]
        seen = await asyncio.gather(*(read_all(line.customer) for line in lines))
        outcomes = [await line.outcome() for line in lines]
        await asyncio.gather(*writing)
    assert sum(count for count, _ in seen) == purse.down_bytes == 5_000_000
    assert [count for count, _ in seen] == [outcome.down_bytes for outcome in outcomes]


async def test_uploads_and_downloads_of_8_tunnels_share_what_was_bought_to_the_byte(pipes: Pipes) -> None:
    purse = Purse(5_000_000)
    async with switchboard(pipes) as board:
        lines = [board.line(purse) for _ in range(8)]
        purse.on_passed = lambda: end_when_spent(lines)
        writing = [
            asyncio.create_task(write_all(side, bytes(1_000_000)))
            for line in lines
            for side in (line.target, line.customer)
        ]
        down = await asyncio.gather(*(read_all(line.customer) for line in lines))
        await asyncio.gather(*writing)
    assert sum(count for count, _ in down) == purse.down_bytes
    assert purse.passed_bytes == 5_000_000


async def test_what_was_counted_of_an_upload_reaches_an_exit_that_reads_late_and_goes_on_sending(pipes: Pipes) -> None:
    async with switchboard(pipes, linger_seconds=PATIENCE_SECONDS) as board:
        line = board.line(Purse(PLENTY, most_at_once=1_000))
        line.target.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        line.purse.on_passed = lambda: line.tunnel.close(End.EXHAUSTED) if line.purse.up_bytes == 50_000 else None
        line.target.send(bytes(MIB))
        await write_all(line.customer, bytes(60_000))
        assert (await line.outcome()).up_bytes == 50_000
        await asyncio.sleep(0.05)
        assert (await read_all(line.target))[0] == 50_000


def end_when_spent(lines: list[Line]) -> None:
    """End them, as the gateway does when an order is exhausted, from inside the very call that counts the last byte."""
    if lines[0].purse.passed_bytes == 5_000_000:
        for line in lines:
            line.tunnel.close(End.EXHAUSTED)


async def test_a_client_that_ends_his_side_still_gets_the_answer(pipes: Pipes) -> None:
    async with switchboard(pipes) as board:
        line = board.line(Purse(PLENTY))
        await write_all(line.customer, b"question")
        count, _ = await asyncio.wait_for(read_all(line.target), PATIENCE_SECONDS)
        assert count == 8
        assert not line.outcomes
        await write_all(line.target, b"answer")
        assert (await read_all(line.customer))[0] == 6
        assert (await line.outcome()).end is End.FINISHED


async def test_an_exit_that_ends_its_side_still_gets_what_the_client_sends(pipes: Pipes) -> None:
    async with switchboard(pipes) as board:
        line = board.line(Purse(PLENTY))
        await write_all(line.target, b"banner")
        assert (await read_all(line.customer))[0] == 6
        assert not line.outcomes
        await write_all(line.customer, b"thanks")
        assert (await read_all(line.target))[0] == 6
        assert (await line.outcome()).end is End.FINISHED


async def test_bytes_that_come_one_by_one_pass_one_by_one(pipes: Pipes) -> None:
    loop = asyncio.get_running_loop()
    async with switchboard(pipes) as board:
        line = board.line(Purse(PLENTY))
        for number in range(200):
            await loop.sock_sendall(line.customer, bytes([number]))
            assert await read_exactly(line.target, 1) == bytes([number])
            await loop.sock_sendall(line.target, bytes([number, number]))
            assert await read_exactly(line.customer, 2) == bytes([number, number])
        assert (line.purse.up_bytes, line.purse.down_bytes) == (200, 400)


async def test_an_allowance_that_gives_little_at_a_time_changes_no_byte(pipes: Pipes) -> None:
    payload = Random(6).randbytes(300_000)
    async with switchboard(pipes) as board:
        line = board.line(Purse(PLENTY, most_at_once=997))
        writing = asyncio.create_task(write_all(line.target, payload))
        assert await read_all_but_wait_no_longer(line) == (len(payload), sha256(payload).hexdigest())
        await writing


async def read_all_but_wait_no_longer(line: Line) -> tuple[int, str]:
    return await asyncio.wait_for(read_all(line.customer), PATIENCE_SECONDS)


async def test_a_tunnel_without_allowance_waits_idly_and_goes_on_when_there_is_more(pipes: Pipes) -> None:
    async with switchboard(pipes) as board:
        line = board.line(Purse(0))
        await write_all(line.target, b"0123456789")
        await asyncio.sleep(0.05)
        takes = line.purse.takes
        await asyncio.sleep(0.05)
        assert line.purse.takes == takes <= 2
        line.purse.add(4)
        assert await read_exactly(line.customer, 4) == b"0123"
        line.purse.add(6)
        assert await read_exactly(line.customer, 6) == b"456789"
        assert line.purse.down_bytes == 10


async def test_a_tunnel_that_ends_while_it_waits_takes_its_wish_back() -> None:
    async with switchboard() as board:
        line = board.line(Purse(0))
        await write_all(line.target, b"0123456789")
        await asyncio.sleep(0.05)
        assert line.purse.wishes
        line.tunnel.close(End.EXPIRED)
        assert not line.purse.wishes
        assert (await line.outcome()).end is End.EXPIRED


async def test_a_client_who_stops_reading_holds_one_pipe_and_goes_on_where_he_stopped(pipes: Pipes) -> None:
    payload = Random(7).randbytes(12 * MIB)
    async with switchboard(pipes) as board:
        line = board.line(Purse(PLENTY), buffer_bytes=65_536)
        writing = asyncio.create_task(write_all(line.target, payload))
        await stalled(line)
        assert 0 < line.purse.taken_bytes <= MIB
        assert await read_all_but_wait_no_longer(line) == (len(payload), sha256(payload).hexdigest())
        await writing


async def test_what_was_read_and_not_written_is_given_back_when_the_client_is_gone(pipes: Pipes) -> None:
    async with switchboard(pipes) as board:
        line = board.line(Purse(PLENTY), buffer_bytes=65_536)
        writing = asyncio.create_task(write_all(line.target, bytes(12 * MIB)))
        await stalled(line)
        reset(line.customer)
        outcome = await line.outcome()
        await writing
        assert outcome.end is End.CLIENT_LOST
        assert line.purse.left_bytes + line.purse.down_bytes == PLENTY


async def stalled(line: Line) -> None:
    """Wait until something is held that the customer does not take, and nothing moves for a while."""
    takes = -1
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (line.purse.taken_bytes and line.purse.takes == takes):
            takes = line.purse.takes
            await asyncio.sleep(0.05)


def reset(side: socket.socket) -> None:
    side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    side.close()


async def test_an_exit_that_is_reset_is_no_proper_end_to_the_client(pipes: Pipes) -> None:
    loop = asyncio.get_running_loop()
    async with switchboard(pipes) as board:
        line = board.line(Purse(PLENTY))
        await loop.sock_sendall(line.target, b"half an ans")
        assert await read_exactly(line.customer, 11) == b"half an ans"
        reset(line.target)
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(loop.sock_recv(line.customer, 1), PATIENCE_SECONDS)
        assert (await line.outcome()).end is End.EXIT_LOST


async def test_a_reset_of_the_exit_takes_nothing_from_the_client_that_was_counted(pipes: Pipes) -> None:
    async with switchboard(pipes, linger_seconds=PATIENCE_SECONDS) as board:
        line = board.line(Purse(PLENTY), buffer_bytes=65_536)
        # Until the kernel here has taken, and counted, what it cannot deliver to a client who reads nothing.
        async with asyncio.timeout(PATIENCE_SECONDS):
            while line.purse.down_bytes == arrived_bytes(line.customer):
                line.target.send(bytes(16_384))
                await asyncio.sleep(0.01)
        assert line.purse.taken_bytes == 0
        reset(line.target)
        await asyncio.sleep(0.05)
        seen, _ = await read_all(line.customer)
        assert seen == (await line.outcome()).down_bytes


def arrived_bytes(side: socket.socket) -> int:
    """Return how many bytes *side* could read now."""
    (count,) = struct.unpack("i", ioctl(side, FIONREAD, bytes(4)))
    return int(count)


async def test_a_move_by_a_witnessed_pipe_is_told_before_it_begins() -> None:
    loop = asyncio.get_running_loop()
    async with switchboard() as board:
        board.relay.pipes = Pipes(given=[os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)])
        line = board.line(Purse(PLENTY))
        await loop.sock_sendall(line.customer, b"up")
        assert await read_exactly(line.target, 2) == b"up"
        assert line.purse.notes > 0
        uploads = line.purse.notes
        for number in range(1, 4):
            await loop.sock_sendall(line.target, b"down")
            assert await read_exactly(line.customer, 4) == b"down"
            assert line.purse.notes >= uploads + number


async def test_a_client_that_is_reset_resets_the_exit(pipes: Pipes) -> None:
    loop = asyncio.get_running_loop()
    async with switchboard(pipes) as board:
        line = board.line(Purse(PLENTY))
        await loop.sock_sendall(line.customer, b"hello")
        assert await read_exactly(line.target, 5) == b"hello"
        reset(line.customer)
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(loop.sock_recv(line.target, 1), PATIENCE_SECONDS)
        assert (await line.outcome()).end is End.CLIENT_LOST


async def test_an_exit_that_answers_and_leaves_in_the_middle_of_an_upload_is_still_heard(pipes: Pipes) -> None:
    loop = asyncio.get_running_loop()
    async with switchboard(pipes) as board:
        line = board.line(Purse(PLENTY), buffer_bytes=65_536)
        writing = asyncio.create_task(write_all(line.customer, bytes(20 * MIB)))
        await asyncio.sleep(0.05)
        await loop.sock_sendall(line.target, b"too large")
        line.target.close()
        assert await read_exactly(line.customer, 9) == b"too large"
        assert (await line.outcome()).end is End.EXIT_LOST
        await writing


async def test_early_payload_reaches_the_exit_first_and_is_counted(pipes: Pipes) -> None:
    async with switchboard(pipes) as board:
        line = board.line(Purse(PLENTY), replace(CONNECT, early=b"hello, "))
        await write_all(line.customer, b"world")
        assert await read_exactly(line.target, 12) == b"hello, world"
        assert line.purse.up_bytes == 12


async def test_early_payload_passes_as_far_as_the_allowance_goes(pipes: Pipes) -> None:
    async with switchboard(pipes) as board:
        line = board.line(Purse(3), replace(CONNECT, early=b"hello, "))
        assert await read_exactly(line.target, 3) == b"hel"
        line.purse.add(100)
        await write_all(line.customer, b"world")
        assert await read_exactly(line.target, 9) == b"lo, world"


async def test_a_head_is_counted_as_the_client_sent_it_and_the_exits_end_ends_it(pipes: Pipes) -> None:
    async with switchboard(pipes) as board:
        line = board.line(Purse(PLENTY), PLAIN)
        assert await read_exactly(line.target, len(PLAIN.head)) == PLAIN.head
        assert line.purse.up_bytes == 40
        await write_all(line.target, b"answer")
        assert (await read_all(line.customer))[0] == 6
        assert (await line.outcome()).end is End.FINISHED


async def test_a_head_that_the_allowance_does_not_reach_for_passes_not_even_in_part() -> None:
    async with switchboard() as board:
        line = board.line(Purse(39), PLAIN)
        await asyncio.sleep(0.05)
        with pytest.raises(BlockingIOError):
            line.target.recv(1)
        assert line.purse.up_bytes == 39
        line.purse.add(1)
        assert await read_exactly(line.target, len(PLAIN.head)) == PLAIN.head


async def test_no_more_than_the_body_is_read_from_the_client(pipes: Pipes) -> None:
    loop = asyncio.get_running_loop()
    async with switchboard(pipes) as board:
        line = board.line(Purse(PLENTY), replace(PLAIN, early=b"bo", body_bytes=4))
        await loop.sock_sendall(line.customer, b"dyGET /second HTTP/1.1\r\n\r\n")
        assert await read_exactly(line.target, len(PLAIN.head) + 4) == PLAIN.head + b"body"
        await asyncio.sleep(0.02)
        with pytest.raises(BlockingIOError):
            line.target.recv(1)
        assert line.purse.up_bytes == 44
        await write_all(line.target, bytes(2 * MIB))
        assert (await read_all(line.customer))[0] == 2 * MIB


async def test_a_client_who_leaves_before_the_answer_ends_his_request() -> None:
    async with switchboard() as board:
        line = board.line(Purse(PLENTY), PLAIN)
        await read_exactly(line.target, len(PLAIN.head))
        line.customer.shutdown(socket.SHUT_WR)
        assert await read_exactly(line.target, 1) == b""


async def test_a_body_of_unknown_length_passes_until_the_clients_end(pipes: Pipes) -> None:
    async with switchboard(pipes) as board:
        line = board.line(Purse(PLENTY), replace(PLAIN, body_bytes=None))
        await write_all(line.customer, bytes(100_000))
        assert (await read_all(line.target))[0] == len(PLAIN.head) + 100_000
        assert line.purse.up_bytes == 100_040


async def test_what_was_counted_reaches_a_client_who_goes_on_sending(pipes: Pipes) -> None:
    async with switchboard(pipes) as board:
        line = board.line(Purse(PLENTY))
        await asyncio.get_running_loop().sock_sendall(line.target, bytes(MIB))
        while line.purse.down_bytes < MIB:  # noqa: ASYNC110 -- the tunnel tells nobody of its single bytes
            await asyncio.sleep(0.01)
        line.purse.left_bytes = 0
        sending = asyncio.create_task(write_all(line.customer, bytes(3 * MIB)))
        await asyncio.sleep(0.05)
        line.tunnel.close(End.EXHAUSTED)
        await asyncio.sleep(0.05)
        assert (await read_all(line.customer))[0] == MIB
        await sending


async def test_close_ends_it_once_and_for_the_first_reason() -> None:
    async with switchboard() as board:
        line = board.line(Purse(PLENTY))
        line.tunnel.close(End.REVOKED)
        line.tunnel.close(End.EXPIRED)
        assert [outcome.end for outcome in line.outcomes] == [End.REVOKED]
        assert await read_exactly(line.customer, 1) == await read_exactly(line.target, 1) == b""


async def test_an_idle_tunnel_ends_and_a_busy_one_stays() -> None:
    loop = asyncio.get_running_loop()
    async with switchboard(idle_seconds=0.4) as board:
        idle, stalled, busy, uploading = (board.line(Purse(PLENTY), buffer_bytes=65_536) for _ in range(4))
        begun_at = loop.time()
        writing = asyncio.create_task(write_all(stalled.target, bytes(12 * MIB)))
        while not (idle.outcomes and stalled.outcomes):
            assert loop.time() - begun_at < PATIENCE_SECONDS
            await loop.sock_sendall(busy.target, b".")
            assert await read_exactly(busy.customer, 1) == b"."
            await loop.sock_sendall(uploading.customer, b".")
            assert await read_exactly(uploading.target, 1) == b"."
            await asyncio.sleep(0.02)
        assert loop.time() - begun_at >= 0.4
        assert [line.outcomes[0].end for line in (idle, stalled)] == [End.IDLE, End.IDLE]
        assert not busy.outcomes
        assert not uploading.outcomes
        await writing


async def test_no_tunnel_keeps_the_others_from_their_turn(pipes: Pipes) -> None:
    async with switchboard(pipes) as board:
        greedy = board.line(Purse(PLENTY, most_at_once=1_000))
        modest = board.line(Purse(PLENTY))
        passed_before: list[int] = []
        modest.purse.on_passed = lambda: passed_before.append(greedy.purse.down_bytes)
        assert greedy.target.send(bytes(200_000)) > 50_000
        modest.target.send(b".")
        assert await read_exactly(modest.customer, 1) == b"."
    assert passed_before[0] <= 4_000


async def test_a_kernel_that_cannot_splice_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def refuse(*_: object, **__: object) -> int:
        asked.append(1)
        raise OSError(EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "splice", refuse)
    async with switchboard() as board:
        line = board.line(Purse(PLENTY))
        writing = asyncio.create_task(write_all(line.target, bytes(3 * MIB)))
        assert (await read_exactly(line.customer, 3 * MIB)) == bytes(3 * MIB)
        await writing
    assert asked == [1]


async def test_without_splice_bytes_are_received_and_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "splice")
    async with switchboard() as board:
        line = board.line(Purse(PLENTY))
        await write_all(line.customer, bytes(MIB))
        assert (await read_all(line.target))[0] == MIB


async def test_an_idle_tunnel_takes_less_than_8_kib_of_memory() -> None:
    loop, tunnels = asyncio.get_running_loop(), 200
    before = descriptors()
    relay, purse = Relay(loop, 60.0), Purse(PLENTY)
    lines = [(connected(), connected()) for _ in range(tunnels)]
    tracemalloc.start()
    for (_, client), (_, exit_socket) in lines:
        relay.open(client, exit_socket, CONNECT, purse, lambda _: None)
    await asyncio.sleep(0)
    used_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    for (customer, _), (target, _) in lines:
        customer.close()
        target.close()
    await relay.close()
    assert used_bytes / tunnels < 8 * 1024
    assert descriptors() == before


class Broken(Purse):
    def passed_down(self, count: int) -> None:
        self.give_back(count)
        raise ZeroDivisionError


async def test_a_fault_ends_its_tunnel_instead_of_failing_for_ever() -> None:
    loop, told = asyncio.get_running_loop(), list[object]()
    loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
    async with switchboard() as board:
        line = board.line(Broken(PLENTY))
        await loop.sock_sendall(line.target, b"x")
        assert (await line.outcome()).end is End.FAULT
    assert [type(one) for one in told] == [ZeroDivisionError]


@pytest.fixture
def draws() -> Random:
    return seeded("ends of tunnels")


async def test_whatever_way_tunnels_end_nothing_is_left_of_them(draws: Random, pipes: Pipes) -> None:
    for _ in range(2 * EFFORT):
        purse = Purse(draws.choice((PLENTY, 40 * MIB, 3_000_000)), draws.choice((None, 100_000)))
        async with switchboard(pipes, idle_seconds=draws.choice((0.2, 60.0))) as board:
            lines = [board.line(purse, buffer_bytes=draws.choice((None, 32_768))) for _ in range(40)]
            before = purse.left_bytes
            seen = await asyncio.gather(*(lived(line, Random(draws.random())) for line in lines))
            for line in lines:
                line.tunnel.close(End.SHUTDOWN)
            assert purse.left_bytes + purse.passed_bytes == before
            for count, line in zip(seen, lines, strict=True):
                assert count <= line.outcomes[0].down_bytes
            assert purse.down_bytes == sum(line.outcomes[0].down_bytes for line in lines)
            assert purse.up_bytes == sum(line.outcomes[0].up_bytes for line in lines)
        pipes = Pipes()


async def lived(line: Line, draws: Random) -> int:
    """Let *line* live until something happens to it; return how many bytes its customer saw."""
    writing = [
        asyncio.create_task(write_all(side, bytes(draws.randrange(2 * MIB)))) for side in (line.customer, line.target)
    ]
    reading = [
        asyncio.create_task(read_all(side, (lambda: 0.01) if draws.random() < 0.3 else None))
        for side in (line.customer, line.target)
    ]
    await asyncio.sleep(draws.random() * 0.1)
    match draws.randrange(5):
        case 0:
            line.tunnel.close(End.REVOKED)
        case 1:
            await cancelled((*writing, *reading))
            reset(line.customer)
        case 2:
            await cancelled((*writing, *reading))
            reset(line.target)
        case 3:
            await cancelled((*writing, *reading))
            line.hang_up()
        case _:
            await asyncio.sleep(0.1)
    await cancelled(writing)
    await asyncio.wait(reading, timeout=0.1)
    await cancelled(reading[1:])
    if reading[0].done() and not reading[0].cancelled():
        return reading[0].result()[0]
    await cancelled(reading)
    return 0


async def cancelled(tasks: "Iterable[asyncio.Task[Any]]") -> None:
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
