"""Logs: facts as key and value, one line each, to standard error; those of our libraries in the same form.

Never tokens, passwords, bodies or target addresses. A line that cannot be written is dropped and counted: nothing else
fails for it, and nothing waits long.
"""

import logging
import os
import select
import socket
import stat
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from novaproxy.database.pool import is_outage
from novaproxy.settings import LogFormat

PATIENCE_SECONDS = 0.1
"""How long a line waits for a slow reader; after a dropped one the next ones do not wait."""

_LIBRARY_CHATTER = ("Invalid HTTP request received.", "Unsupported upgrade request.", "No supported WebSocket library")
"""What uvicorn says of a caller's mistake: anybody could fill the disk with it. The figures count the refused ones."""

log = structlog.get_logger("novaproxy.process")


class _Sink:
    """Standard error as loggers write to it: never an error, never a long wait.

    *told_loss* makes the line that says how many were dropped.
    """

    def __init__(self, told_loss: Callable[[int], str]) -> None:
        self._descriptor = _descriptor()
        self._write = _writer(self._descriptor)
        self._told_loss = told_loss
        self._lost = 0
        self._is_cut = False

    def write(self, text: str) -> None:
        """Write lines, or drop them."""
        if self._lost and self._is_written(f"{self._told_loss(self._lost)}\n"):
            self._lost = 0
        if self._lost or not self._is_written(text):
            self._lost += 1

    def flush(self) -> None:
        """Do nothing: no line is kept back."""

    def _is_written(self, text: str) -> bool:
        left = text.encode("utf-8", "backslashreplace")
        if self._is_cut:
            left = b"\n" + left
        deadline = time.monotonic() + (0 if self._lost else PATIENCE_SECONDS)
        try:
            while left:
                if not self._takes(deadline - time.monotonic()):
                    return False
                left = left[self._write(left) :]
                self._is_cut = bool(left)
        except OSError:
            return False
        return True

    def _takes(self, seconds: float) -> bool:
        if self._descriptor < 0:
            return False
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        return bool(poll.poll(max(0.0, seconds) * 1000))


def _descriptor() -> int:
    """Return standard error's descriptor, -1 where there is none: number 2 may then be anything that was opened."""
    try:
        return sys.stderr.fileno() if sys.stderr is not None else -1
    except OSError:
        return -1


def _writer(descriptor: int) -> Callable[[bytes], int]:
    """Return what writes to *descriptor* without waiting and says how many bytes it took.

    Standard error is shared with strangers, so it stays as it is: they would not expect it not to wait.
    """
    kind = os.fstat(descriptor).st_mode if descriptor >= 0 else 0
    if stat.S_ISSOCK(kind):
        line = socket.socket(fileno=os.dup(descriptor))
        return lambda text: line.send(text, socket.MSG_DONTWAIT)
    if stat.S_ISFIFO(kind):
        # Between a poll and a write another process may fill the pipe. Linux opens it once more; elsewhere, and where
        # the pipe is somebody else's, this risk remains.
        with suppress(OSError):
            own = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            return lambda text: os.write(own, text)
    if stat.S_ISREG(kind):
        return lambda text: os.write(descriptor, text)
    # So many bytes find room where a poll found any.
    return lambda text: os.write(descriptor, text[: select.PIPE_BUF])


def configure_logs(form: LogFormat = LogFormat.LOGFMT) -> None:
    """Send what we and our libraries log to standard error; called once a process, at its start."""
    facts: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _with_fault,
    ]
    ours = [*facts, _renderer(form)]

    def told_loss(lines: int) -> str:
        line: Any = {"event": "log lines dropped", "lines": lines}
        for processor in ours:
            line = processor(None, "warning", line)
        return str(line)

    sink = _Sink(told_loss)
    structlog.configure(
        processors=ours,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sink),  # type: ignore[arg-type]  # all that it needs of a file
        cache_logger_on_first_use=True,
    )
    theirs = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_logger_name, *facts],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(form)],
    )
    handler = logging.StreamHandler(sink)
    handler.setFormatter(theirs)
    handler.addFilter(_is_news)
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    # A library's line that is wrong in itself is dropped: told on standard error, it would pass the sink by.
    logging.raiseExceptions = False


def _is_news(record: logging.LogRecord) -> bool:
    """Return whether a library's line tells something new: an outage is told once, not by each answer it cuts off."""
    if record.name == "uvicorn.error" and str(record.msg).startswith(_LIBRARY_CHATTER):
        return False
    error = record.exc_info[1] if record.exc_info else None
    return error is None or not is_outage(error)


def log_crashes() -> None:
    """Let what ends this process unforeseen be a line of the log too."""

    def crash(_kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
        log.critical("process broke", exc_info=error)

    sys.excepthook = crash


def _renderer(form: LogFormat) -> Processor:
    if form is LogFormat.JSON:
        return structlog.processors.JSONRenderer()
    return structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"])


def _with_fault(_logger: Any, _name: str, line: EventDict) -> EventDict:  # noqa: ANN401 -- as structlog has it
    """Tell the exception of a line with all that led to it."""
    error = line.pop("exc_info", None)
    if isinstance(error, tuple):
        error = error[1]
    elif error and not isinstance(error, BaseException):
        error = sys.exception()
    if error:
        line["exception"] = told_fault(error)
    return line


def told_fault(error: BaseException) -> str:
    """Return where *error* comes from and what it says; not what the driver says, who quotes rows and arguments."""
    lines: list[str] = []
    if error.__cause__ is not None:
        lines += [told_fault(error.__cause__), "This led to:"]
    elif error.__context__ is not None and not error.__suppress_context__:
        lines += [told_fault(error.__context__), "While this was handled:"]
    lines += [frames.rstrip("\n") for frames in traceback.format_tb(error.__traceback__)]
    name = type(error).__qualname__
    lines.append(name if type(error).__module__.startswith("asyncpg.") else f"{name}: {error}")
    if isinstance(error, BaseExceptionGroup):
        lines += [told_fault(inner) for inner in error.exceptions]
    return "\n".join(lines)
