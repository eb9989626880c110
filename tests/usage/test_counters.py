"""The counter file: it outlives its process, and says clearly when it is not what it should be."""

import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from novaproxy.usage import counters
from novaproxy.usage.counters import Count, CounterFile, CounterFileHeld, CounterFileNotValid

COUNTING = """
import os, signal, sys
from pathlib import Path
from uuid import UUID
from novaproxy.usage.counters import CounterFile

file = CounterFile.created(Path(sys.argv[1]), UUID(sys.argv[2]), slots=2)
cells = [file.claimed(order_id) for order_id in range(1, 6)]
for number in range(1, 1001):
    for order_id, cell in enumerate(cells, 1):
        file.cells[cell + 1] = number * order_id
        file.cells[cell + 2] = number * 2**33
        file.cells[cell + 3] = 1
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_counted_outlives_a_process_that_is_killed(tmp_path: Path) -> None:
    uuid = uuid4()
    words = [sys.executable, "-c", COUNTING, str(tmp_path), str(uuid)]
    ran = subprocess.run(words, check=False, timeout=30)  # noqa: S603 -- ours
    assert ran.returncode == -9

    file = CounterFile.adopted(tmp_path / f"{uuid}.counts")

    assert file.gateway_uuid == uuid
    assert list(file.counts()) == [Count(order_id, 1000 * order_id, 1000 * 2**33, 1) for order_id in range(1, 6)]
    file.removed()
    assert list(tmp_path.iterdir()) == []


def test_a_file_whose_process_lives_is_not_adopted(tmp_path: Path) -> None:
    file = CounterFile.created(tmp_path, uuid4())

    with pytest.raises(CounterFileHeld):
        CounterFile.adopted(file.path)

    file.close()
    adopted = CounterFile.adopted(file.path)
    with pytest.raises(CounterFileHeld):
        CounterFile.adopted(file.path)
    adopted.removed()


def test_a_slot_is_empty_when_it_is_taken_again(tmp_path: Path) -> None:
    file = CounterFile.created(tmp_path, uuid4(), slots=1)
    first = file.claimed(7)
    file.cells[first + 1] = file.cells[first + 2] = file.cells[first + 3] = 5
    file.freed(first)
    assert list(file.counts()) == []

    assert file.claimed(8) == first

    assert list(file.counts()) == [Count(8, 0, 0, 0)]
    file.removed()


def test_a_file_grows_and_keeps_what_it_counted(tmp_path: Path) -> None:
    file = CounterFile.created(tmp_path, uuid4(), slots=2)
    cells = {order_id: file.claimed(order_id) for order_id in range(1, 100)}
    for order_id, cell in cells.items():
        file.cells[cell + 1] = order_id

    assert len(set(cells.values())) == len(cells)
    assert {count.order_id: count.up_bytes for count in file.counts()} == {number: number for number in cells}
    file.removed()


def test_a_file_has_a_greatest_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "MOST_SLOTS", 2)
    file = CounterFile.created(tmp_path, uuid4(), slots=2)
    file.claimed(1)
    file.claimed(2)

    with pytest.raises(OSError, match="holds 2 orders and grows no more"):
        file.claimed(3)
    file.removed()


def damaged(tmp_path: Path, place: int, bytes_there: bytes) -> Path:
    """Return a file with two slots, and with *bytes_there* at *place*."""
    file = CounterFile.created(tmp_path, uuid4(), slots=2)
    file.claimed(1)
    file.claimed(2)
    file.close()
    whole = bytearray(file.path.read_bytes())
    whole[place : place + len(bytes_there)] = bytes_there
    file.path.write_bytes(whole)
    return file.path


NEGATIVE = (-1).to_bytes(8, "little", signed=True)
SECOND_SLOT = counters.HEADER_BYTES + counters.SLOT_BYTES


@pytest.mark.parametrize(
    ("place", "bytes_there", "why"),
    [
        (0, b"NotOurs!", "is no counter file"),
        (8, b"\2", "has the format 2, this NovaProxy reads 1"),
        (16, b"\0\0\0\0", "its name is another's"),
        (counters.HEADER_BYTES + 8, NEGATIVE, "holds a count below zero, of the order with the id"),
        (SECOND_SLOT, (1).to_bytes(8, "little") * 4, "counts the order with the id 1 twice"),
        (SECOND_SLOT + counters.SLOT_BYTES, b"\0", "ends within a slot: it was cut"),
    ],
)
def test_a_damaged_file_says_what_is_wrong_and_stays(tmp_path: Path, place: int, bytes_there: bytes, why: str) -> None:
    path = damaged(tmp_path, place, bytes_there)
    before = path.read_bytes()

    with pytest.raises(CounterFileNotValid, match=why) as raised:
        CounterFile.adopted(path)

    assert str(path) in str(raised.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("length", [0, 1, 63])
def test_a_file_that_is_too_short_says_so(tmp_path: Path, length: int) -> None:
    path = tmp_path / f"{uuid4()}.counts"
    path.write_bytes(b"x" * length)

    with pytest.raises(CounterFileNotValid, match=f"has {length} bytes: its header alone has 96"):
        CounterFile.adopted(path)


def test_nothing_of_a_file_is_left_where_it_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)

    with pytest.raises(OSError, match="No space left") as raised:
        CounterFile.created(tmp_path, uuid4())
    assert str(raised.value.filename).startswith(str(tmp_path)), "the operator is told where there is no room"
    assert list(tmp_path.iterdir()) == []
