"""The pipes of a process: what bounds them, what comes back to them, and what a kernel that gives none leads to."""

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from novaproxy.gateway.relay.pipes import LARGE_BYTES, SMALL_BYTES, Pipe, Pipes
from tunnels import descriptors

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

NOBODYS_ID = 64_000 + os.getpid() % 1_000
"""A user whom nothing else runs as, another run of these tests least, and who may do nothing."""


def taken_until_none(pipes: Pipes) -> list[Pipe]:
    taken = []
    while pipe := pipes.take():
        taken.append(pipe)
    return taken


def test_large_pipes_come_first_then_small_ones_then_none() -> None:
    pipes = Pipes(most_large=2, most=5)
    taken = taken_until_none(pipes)
    for pipe in taken:
        pipes.discard(pipe)
    assert [pipe.size_bytes for pipe in taken] == [LARGE_BYTES] * 2 + [SMALL_BYTES] * 3


def test_a_pipe_that_came_back_is_taken_again_large_ones_first() -> None:
    before = descriptors()
    pipes = Pipes(most_large=1, most=2)
    large, small = taken_until_none(pipes)
    pipes.put(small)
    pipes.put(large)
    assert [pipes.take(), pipes.take()] == [large, small]
    pipes.put(small)
    pipes.discard(large)
    pipes.forgo()
    assert descriptors() == before


def test_a_discarded_pipe_makes_room_for_a_new_one() -> None:
    pipes = Pipes(most_large=1, most=1)
    for _ in range(3):
        (pipe,) = taken_until_none(pipes)
        pipes.discard(pipe)


def test_a_pipe_that_comes_back_after_the_end_is_closed() -> None:
    before = descriptors()
    pipes = Pipes()
    pipe = pipes.take()
    assert pipe
    pipes.forgo()
    pipes.put(pipe)
    assert pipes.take() is None
    assert descriptors() == before


def test_none_is_made_where_descriptors_are_used_up_and_some_again_when_there_are() -> None:
    pipes = Pipes()
    with descriptors_used_up():
        assert pipes.take() is None
    pipe = pipes.take()
    assert pipe
    pipes.discard(pipe)


@contextmanager
def descriptors_used_up() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = [os.dup(0)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (held[0] + 1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        os.close(held[0])


def test_a_user_at_his_limit_gets_no_pipe_that_is_not_worth_it() -> None:
    limit_bytes = int(Path("/proc/sys/fs/pipe-user-pages-soft").read_text()) * 4_096
    if not 0 < limit_bytes <= 256 * LARGE_BYTES:
        pytest.skip("this machine bounds nobody's pipes")
    answers: SimpleQueue[list[int]] = get_context("fork").SimpleQueue()
    child = get_context("fork").Process(target=sizes_for_nobody, args=(answers.put,))
    child.start()
    sizes = answers.get()
    child.join()
    assert sizes
    assert set(sizes) <= {LARGE_BYTES, SMALL_BYTES}
    assert sum(sizes) <= limit_bytes + LARGE_BYTES
    assert sizes == sorted(sizes, reverse=True)


def sizes_for_nobody(answer: Callable[[list[int]], None]) -> None:
    """Take all pipes that a user without privileges is given."""
    if os.getuid() == 0:
        os.setuid(NOBODYS_ID)
    answer([pipe.size_bytes for pipe in taken_until_none(Pipes(most_large=1_000, most=1_000))])


def test_a_pipe_that_somebody_else_has_too_is_emptied_and_not_closed() -> None:
    read_end, write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    pipes = Pipes(given=[(read_end, write_end)])
    pipe = pipes.take()
    assert pipe is not None
    assert pipe.number == 1
    os.write(pipe.write_end, b"left")

    pipes.discard(pipe)

    again = pipes.take()
    assert again is pipe
    with pytest.raises(BlockingIOError):
        os.read(read_end, 1)
    pipes.put(again)
    pipes.forgo()
