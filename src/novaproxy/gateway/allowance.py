"""What a tunnel knows of the order that pays for it: how many bytes may pass now, and where to count them."""

from collections.abc import Callable
from typing import Protocol


class Allowance(Protocol):
    """The bytes of one order at this gateway, shared by all its tunnels.

    Bytes are taken before they move, and afterwards either counted or given back: whoever took 1,000 and passed 300
    calls ``passed_down(300)`` and ``give_back(700)``. So the sum of what is counted never exceeds what was bought, and
    never exceeds the speed that was bought by more than a moment's worth. All calls are made on the event loop's
    thread; none waits.
    """

    def take(self, most: int) -> int:
        """Reserve up to *most* bytes and return how many; 0: none may pass at this moment."""

    def give_back(self, count: int) -> None:
        """Give *count* bytes back that were taken and did not pass."""

    def passed_up(self, count: int) -> None:
        """Count *count* taken bytes that came from the client."""

    def passed_down(self, count: int) -> None:
        """Count *count* taken bytes that went to the client."""

    def filling_up(self, pipe: int) -> None:
        """Note, where a kill does not reach it, that bytes of the client are about to come into the empty *pipe*.

        Pipes that somebody else has too are numbered from 1. ``passed_up`` or ``stood_still`` follows at once.
        """

    def pouring_down(self, pipe: int, held_bytes: int) -> None:
        """Note likewise that the *held_bytes* in the *pipe* are about to go to the client."""

    def stood_still(self) -> None:
        """Note that what was about to move did not."""

    def when_more(self, resume: Callable[[], None]) -> Callable[[], None]:
        """Call *resume* once, as soon as ``take`` may give bytes again; return what takes that wish back."""
