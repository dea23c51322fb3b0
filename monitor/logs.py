"""How do long-running commands tell what they do? One JSON object a line on standard error; plain lines on a terminal.

No log line holds a word of an event. Where a fault was not foreseen, its message might quote one, so that only its
kind and the lines of code it passed through are logged.
"""

import contextlib
import logging
import sys
import time
import traceback
from collections.abc import Iterator
from typing import TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

OURS = ("consumers", "judges", "monitor")
AGAIN_SECONDS = 60.0


def log_to(stream: TextIO = sys.stderr) -> None:
    """From now on, log there: our own progress, and warnings of everybody else, each kind of them once a minute."""
    on_terminal = stream.isatty()
    renderer = structlog.dev.ConsoleRenderer() if on_terminal else structlog.processors.JSONRenderer(default=str)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(),
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                _fault_without_words,
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    handler.addFilter(_Repeats())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for name in OURS:
        logging.getLogger(name).setLevel(logging.INFO)
    logging.getLogger("kafka.net").setLevel(logging.CRITICAL)  # three lines for each of a night's attempts to connect


@contextlib.contextmanager
def silenced(name: str) -> Iterator[None]:
    """Inside, that logger tells nothing short of a breakdown: whoever calls tells its faults in words of their own."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


class _Repeats(logging.Filter):
    """Passes what others say again and again only once a minute: without a broker, its client has four lines a second.

    All of ours passes.
    """

    def __init__(self) -> None:
        super().__init__()
        self._told: dict[tuple[str, object], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        said, now = (record.name, record.msg), time.monotonic()
        if record.name.partition(".")[0] in OURS:
            return True
        is_due = now - self._told.get(said, -AGAIN_SECONDS) >= AGAIN_SECONDS
        if is_due:
            self._told = {one: at for one, at in self._told.items() if now - at < AGAIN_SECONDS} | {said: now}
        return is_due


def _fault_without_words(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    raised = event.pop("exc_info", None)
    if isinstance(raised, tuple) and raised[0] is not None:
        kind, _fault, trace = raised
        event["fault"] = f"{kind.__module__}.{kind.__qualname__}"
        event["at"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)]
    return event
