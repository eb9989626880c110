"""An allowance of so many bytes, for tests of what spends it: it keeps its own books and refuses to be overdrawn."""

from collections.abc import Callable


class Purse:
    """Holds *left_bytes* to be taken, at most *most_at_once* by one call.

    ``books_are_even`` says whether everything that was taken is counted or came back.
    """

    def __init__(self, left_bytes: int, most_at_once: int | None = None) -> None:
        self.left_bytes = left_bytes
        self.most_at_once = most_at_once
        self.up_bytes = 0
        self.down_bytes = 0
        self.taken_bytes = 0
        self.takes = 0
        self.notes = 0
        self.wishes: list[Callable[[], None]] = []
        self.on_passed: Callable[[], None] = lambda: None
        self.is_moving = False

    @property
    def passed_bytes(self) -> int:
        return self.up_bytes + self.down_bytes

    @property
    def books_are_even(self) -> bool:
        return self.taken_bytes == 0 and not self.wishes and not self.is_moving

    def take(self, most: int) -> int:
        assert most > 0
        self.takes += 1
        taken = min(most, self.left_bytes, most if self.most_at_once is None else self.most_at_once)
        self.left_bytes -= taken
        self.taken_bytes += taken
        return taken

    def give_back(self, count: int) -> None:
        assert count > 0
        self._spend(count)
        self.add(count)

    def passed_up(self, count: int) -> None:
        assert count > 0
        self._spend(count)
        self.is_moving = False
        self.up_bytes += count
        self.on_passed()

    def passed_down(self, count: int) -> None:
        assert count > 0
        self._spend(count)
        self.is_moving = False
        self.down_bytes += count
        self.on_passed()

    def filling_up(self, pipe: int) -> None:
        assert pipe > 0
        assert not self.is_moving
        self.is_moving = True
        self.notes += 1

    def pouring_down(self, pipe: int, held_bytes: int) -> None:
        assert held_bytes > 0
        self.filling_up(pipe)

    def stood_still(self) -> None:
        self.is_moving = False

    def when_more(self, resume: Callable[[], None]) -> Callable[[], None]:
        self.wishes.append(resume)

        def take_back() -> None:
            if resume in self.wishes:
                self.wishes.remove(resume)

        return take_back

    def add(self, count: int) -> None:
        """Put *count* bytes in, and call at once whoever waits for some."""
        self.left_bytes += count
        wishes, self.wishes = self.wishes, []
        for resume in wishes:
            resume()

    def _spend(self, count: int) -> None:
        assert 0 < count <= self.taken_bytes, "more is counted or given back than was taken"
        self.taken_bytes -= count
