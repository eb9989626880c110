"""Telling what takes long, so that nobody takes a slow start for a hanging one."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SLOW_SECONDS = 0.8
"""How long a step may take before it is told."""


@contextmanager
def told_when_slow(sentence: str, tell: Callable[[str], None], seconds: float = SLOW_SECONDS) -> Iterator[None]:
    """Pass *sentence* to *tell* where the block takes longer than *seconds*; 0 tells it at once."""
    if not seconds:
        tell(sentence)
        yield
        return
    timer = threading.Timer(seconds, tell, (sentence,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
