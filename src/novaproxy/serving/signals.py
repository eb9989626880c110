"""How a command is asked to end: by Ctrl-C, by SIGTERM, by its terminal going away."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

ENDING = b"Ending; what is under way is finished first ...\n"


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let the first Ctrl-C, SIGTERM or SIGHUP end the block as KeyboardInterrupt, so that all it opened is closed.

    Further ones do not cut the ending short: it is bounded in time anyway. A SIGHUP that was ignored (``nohup``) stays
    ignored.
    """
    is_ending = False

    def end(_number: int, _frame: FrameType | None) -> None:
        nonlocal is_ending
        if is_ending:
            # Not through sys.stderr: the signal may have come while that was being written to.
            with suppress(OSError):
                os.write(2, ENDING)
            return
        is_ending = True
        raise KeyboardInterrupt

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = [signal.signal(number, end) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
