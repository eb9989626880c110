"""The file in which one gateway process counts, so that what it counted outlives its being killed.

A header and slots of one size, mapped into memory: a count is one aligned store of eight bytes, which the kernel keeps
whatever becomes of the process. The process that lives holds a lock on its file, so whoever starts sees which ones are
orphans. What the kernel itself loses (a power cut) shows by the machine's boot id in the header.
"""

import fcntl
import mmap
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from uuid import UUID

SUFFIX = ".counts"
MAGIC = b"NovaCnts"
VERSION = 1
HEADER_BYTES = 96
SLOT_BYTES = 32
FIRST_SLOTS = 256
MOST_SLOTS = 1_000_000

_HEADER = struct.Struct("<8sII16s16sq40x")
_CELLS = SLOT_BYTES // 8
_FIRST_CELL = HEADER_BYTES // 8
_ORDER, _UP, _DOWN, _CONNECTIONS = range(_CELLS)
_MOVE, _MOVED_CELL, _MOVED_FROM, _MOVED_HELD = range(8, 12)
"""The header's cells of bytes under way: through which pipe and which way, for which slot, and what to count from."""

_WAYS = 2
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class CounterFileNotValid(Exception):  # noqa: N818 -- a fact about a file
    """A file that is no counter file of this version, or is damaged."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"The counter file {path} {why}.")
        self.path = path


class CounterFileHeld(Exception):  # noqa: N818 -- as above
    """The process that counts in the file is alive, or another one is settling it."""


@dataclass(frozen=True, slots=True)
class Count:
    """What passed for an order since its slot was taken: bytes from and to the client, and tunnels that were opened."""

    order_id: int
    up_bytes: int
    down_bytes: int
    connections: int


def boot_id() -> UUID:
    """Return what tells one run of this machine from another; where there is no such thing, always the same."""
    try:
        return UUID(_BOOT_ID.read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        return UUID(int=0)


class CounterFile:
    """The slots of one gateway; made by ``created`` or ``adopted``.

    ``cells`` are the numbers of the file as they lie in memory. They are another object after each ``claimed``, so
    nobody keeps them. An order's slot begins at the cell that ``claimed`` returned: its id, and three counts behind it.
    """

    def __init__(self, path: Path, descriptor: int, gateway_uuid: UUID, boot: UUID, witness: int) -> None:
        self.path = path
        self.gateway_uuid = gateway_uuid
        self.boot = boot
        self.witness = witness
        self._descriptor = descriptor
        self._mapped()
        self._free = [
            cell for cell in range(len(self.cells) - _CELLS, _FIRST_CELL - 1, -_CELLS) if not self.cells[cell]
        ]

    def _mapped(self) -> None:
        self._map = mmap.mmap(self._descriptor, 0)
        self.cells = memoryview(self._map).cast("q")

    @classmethod
    def created(cls, directory: Path, gateway_uuid: UUID, slots: int = FIRST_SLOTS, witness: int = 0) -> Self:
        """Return a new file in *directory*, which is made where it is not there.

        *witness* is the number under which somebody else has the process's pipes too; 0: nobody has.

        Raises:
            OSError: it cannot be written, or the disk is full; it names the file.
        """
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{gateway_uuid}{SUFFIX}"
        draft = directory / f".{gateway_uuid}.draft"
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            # Held before it has its name: nobody ever sees it whole and unheld.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            boot = boot_id()
            os.write(descriptor, _HEADER.pack(MAGIC, VERSION, SLOT_BYTES, gateway_uuid.bytes, boot.bytes, witness))
            # Not left sparse: a store into a page that a full disk cannot give ends the process by SIGBUS.
            os.posix_fallocate(descriptor, 0, HEADER_BYTES + slots * SLOT_BYTES)
            draft.rename(path)
            return cls(path, descriptor, gateway_uuid, boot, witness)
        except BaseException as error:
            os.close(descriptor)
            draft.unlink(missing_ok=True)
            if isinstance(error, OSError) and error.filename is None:
                # What goes by a descriptor does not say of which file.
                raise OSError(error.errno, error.strerror, str(path)) from error
            raise

    @classmethod
    def adopted(cls, path: Path) -> Self:
        """Return the file at *path*, whose process has ended, and hold it.

        Raises:
            CounterFileHeld: somebody holds it, or has just settled it.
            CounterFileNotValid: it is damaged, or no counter file.
            OSError: it cannot be read.
        """
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            _hold(path, descriptor)
            header = _checked_header(path, os.pread(descriptor, HEADER_BYTES, 0), os.fstat(descriptor).st_size)
            adopted = cls(path, descriptor, *header)
        except BaseException:
            os.close(descriptor)
            raise
        try:
            adopted.check()
        except BaseException:
            adopted.close()
            raise
        return adopted

    def check(self) -> None:
        """Check the slots.

        Raises:
            CounterFileNotValid: a number is below zero, or an order has two slots.
        """
        orders = set()
        for count in self.counts():
            if min(count.order_id, count.up_bytes, count.down_bytes, count.connections) < 0:
                raise CounterFileNotValid(
                    self.path, f"holds a count below zero, of the order with the id {count.order_id}"
                )
            if count.order_id in orders:
                raise CounterFileNotValid(self.path, f"counts the order with the id {count.order_id} twice")
            orders.add(count.order_id)

    def counts(self) -> Iterator[Count]:
        """Yield what stands in the slots that are taken."""
        cells = self.cells
        for cell in range(_FIRST_CELL, len(cells), _CELLS):
            if cells[cell]:
                yield Count(*cells[cell : cell + _CELLS])

    def claimed(self, order_id: int) -> int:
        """Take a slot for an order, with counts of zero, and return its first cell.

        Raises:
            OSError: there is no free one, and the file cannot grow.
        """
        if not self._free:
            self._grow()
        cell = self._free.pop()
        self.cells[cell + _UP] = self.cells[cell + _DOWN] = self.cells[cell + _CONNECTIONS] = 0
        self.cells[cell] = order_id
        return cell

    def freed(self, cell: int) -> None:
        """Give a slot back; the order's lease must be gone."""
        # The id goes first: a slot that is half empty is nobody's.
        self.cells[cell] = 0
        self._free.append(cell)

    # Bytes under way: a kill in the middle of the system call that moves them leaves the pipe to tell how far it came.

    def filling_up(self, cell: int, pipe: int) -> None:
        """Note that bytes of the client are about to come into the *pipe* (from 1), which is empty."""
        cells = self.cells
        cells[_MOVED_CELL], cells[_MOVED_FROM], cells[_MOVED_HELD] = cell, cells[cell + _UP], 0
        # Last, and taken back first: what stands beside it is whole whenever it stands.
        cells[_MOVE] = pipe * _WAYS

    def pouring_down(self, cell: int, pipe: int, held_bytes: int) -> None:
        """Note that the *held_bytes* in the *pipe* are about to go to the client."""
        cells = self.cells
        cells[_MOVED_CELL], cells[_MOVED_FROM], cells[_MOVED_HELD] = cell, cells[cell + _DOWN], held_bytes
        cells[_MOVE] = pipe * _WAYS + 1

    def moved(self) -> None:
        """Note that nothing is under way: it was counted, or did not move."""
        self.cells[_MOVE] = 0

    def complete(self, left_in: Callable[[int], int]) -> None:
        """Count what was under way when the process was killed, by what *left_in* says is in a pipe (from 1)."""
        cells = self.cells
        move, cell = cells[_MOVE], cells[_MOVED_CELL]
        if move and _FIRST_CELL <= cell <= len(cells) - _CELLS and cells[cell]:
            pipe, is_down = divmod(move, _WAYS)
            left = left_in(pipe)
            if is_down:
                cells[cell + _DOWN] = cells[_MOVED_FROM] + cells[_MOVED_HELD] - left
            else:
                cells[cell + _UP] = cells[_MOVED_FROM] + left
        self.moved()

    def _grow(self) -> None:
        cells = len(self.cells)
        slots = (cells - _FIRST_CELL) // _CELLS
        if slots >= MOST_SLOTS:
            raise OSError(f"the counter file {self.path} holds {slots} orders and grows no more")
        os.posix_fallocate(self._descriptor, 0, HEADER_BYTES + 2 * slots * SLOT_BYTES)
        self._mapped()
        self._free += range(len(self.cells) - _CELLS, cells - 1, -_CELLS)

    def removed(self) -> None:
        """Remove the file, and let go of it: all that it counted is settled."""
        with suppress(FileNotFoundError):
            self.path.unlink()
        self.close()

    def close(self) -> None:
        """Let go of the file, which stays."""
        # The map has a descriptor of its own, which would hold the lock too.
        self.cells.release()
        self._map.close()
        os.close(self._descriptor)


def _hold(path: Path, descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CounterFileHeld(str(path)) from None
    # Whoever held it until now has settled it, and removed it.
    if os.fstat(descriptor).st_nlink == 0:
        raise CounterFileHeld(str(path))


def _checked_header(path: Path, header: bytes, size_bytes: int) -> tuple[UUID, UUID, int]:
    if len(header) < HEADER_BYTES:
        raise CounterFileNotValid(path, f"has {len(header)} bytes: its header alone has {HEADER_BYTES}")
    magic, version, slot_bytes, gateway, boot, witness = _HEADER.unpack(header)
    if magic != MAGIC:
        raise CounterFileNotValid(path, "is no counter file")
    if (version, slot_bytes) != (VERSION, SLOT_BYTES):
        raise CounterFileNotValid(path, f"has the format {version}, this NovaProxy reads {VERSION}")
    if (size_bytes - HEADER_BYTES) % SLOT_BYTES:
        raise CounterFileNotValid(path, "ends within a slot: it was cut")
    gateway_uuid = UUID(bytes=gateway)
    if path.name != f"{gateway_uuid}{SUFFIX}":
        raise CounterFileNotValid(path, f"counts for the gateway {gateway_uuid}: its name is another's")
    return gateway_uuid, UUID(bytes=boot), witness
