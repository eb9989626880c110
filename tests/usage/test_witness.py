"""A kill in the middle of the system call that moves bytes: the pipe tells how far it came."""

import os
from pathlib import Path
from uuid import uuid4

import pytest

from novaproxy.usage.counters import CounterFile
from novaproxy.usage.witness import PIPES, Witness

ORDER = 7


def dead(directory: Path, witness: Witness, *, up: int = 0, down: int = 0) -> tuple[CounterFile, int]:
    """Return the file of a process, and its order's slot, in which so much was counted before its last move."""
    file = CounterFile.created(directory, uuid4(), slots=4, witness=witness.number)
    cell = file.claimed(ORDER)
    file.cells[cell + 1], file.cells[cell + 2] = up, down
    return file, cell


def counted(file: CounterFile) -> tuple[int, int]:
    """Return what stands in the file of a process that was killed, from and to the client."""
    adopted = CounterFile.adopted(file.path)
    (count,) = adopted.counts()
    adopted.close()
    return count.up_bytes, count.down_bytes


@pytest.mark.parametrize("left", [0, 1, 400, 1_000])
def test_what_left_the_pipe_for_the_client_is_counted(tmp_path: Path, left: int) -> None:
    witness = Witness(tmp_path)
    file, cell = dead(tmp_path, witness, up=5, down=100)
    file.pouring_down(cell, 3, 1_000)
    os.write(witness.pipes[2][1], bytes(left))
    file.close()
    witness.testify()
    assert counted(file) == (5, 100 + 1_000 - left)


@pytest.mark.parametrize("came", [0, 1, 400])
def test_what_came_into_the_pipe_from_the_client_is_counted(tmp_path: Path, came: int) -> None:
    witness = Witness(tmp_path)
    file, cell = dead(tmp_path, witness, up=5, down=100)
    file.filling_up(cell, PIPES)
    os.write(witness.pipes[-1][1], bytes(came))
    file.close()
    witness.testify()
    assert counted(file) == (5 + came, 100)


def test_a_kill_between_the_count_and_the_word_that_it_is_done_counts_nothing_twice(tmp_path: Path) -> None:
    witness = Witness(tmp_path)
    file, cell = dead(tmp_path, witness, down=100)
    file.pouring_down(cell, 1, 50)
    file.cells[cell + 2] = 150
    file.close()
    witness.testify()
    assert counted(file) == (0, 150)


def test_a_move_that_is_over_is_left_alone(tmp_path: Path) -> None:
    witness = Witness(tmp_path)
    file, cell = dead(tmp_path, witness, down=100)
    file.pouring_down(cell, 1, 50)
    file.moved()
    file.close()
    witness.testify()
    assert counted(file) == (0, 100)


def test_files_of_others_and_of_the_living_are_left_alone(tmp_path: Path) -> None:
    witness, other = Witness(tmp_path), Witness(tmp_path)
    foreign, cell = dead(tmp_path, other, down=100)
    foreign.pouring_down(cell, 1, 50)
    foreign.close()
    living, cell = dead(tmp_path, witness, down=100)
    living.pouring_down(cell, 1, 50)
    (tmp_path / "damaged.counts").write_bytes(b"NovaCnts")
    witness.testify()
    living.close()
    assert counted(foreign) == counted(living) == (0, 100)
    other.testify()
    assert counted(foreign) == (0, 150)


def test_no_pipe_is_left_open(tmp_path: Path) -> None:
    before = set(Path("/proc/self/fd").iterdir())
    witness = Witness(tmp_path)
    assert len(witness.descriptors) == 2 * PIPES
    witness.testify()
    assert set(Path("/proc/self/fd").iterdir()) == before
