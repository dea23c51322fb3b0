"""Is a log line one JSON object, without what a fault quotes?"""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from monitor.logs import log_to, silenced


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What was logged; afterwards logging is as it was."""
    loggers = [logging.getLogger(name) for name in (None, "consumers", "judges", "monitor", "kafka.net")]
    before = [(logger, logger.level, logger.handlers) for logger in loggers]
    stream = io.StringIO()
    log_to(stream)
    yield stream
    for logger, level, handlers in before:
        logger.level, logger.handlers = level, handlers
        logger.manager._clear_cache()  # type: ignore[attr-defined]


def test_an_unforeseen_fault_is_told_by_its_kind_and_place_alone(stream: io.StringIO) -> None:
    try:
        raise ValueError("what a person said")
    except ValueError:
        logging.getLogger("consumers.somewhere").critical("a fault", exc_info=True)
    [row] = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert (row["event"], row["level"], row["fault"]) == ("a fault", "critical", "builtins.ValueError")
    assert row["at"][0].endswith("test_an_unforeseen_fault_is_told_by_its_kind_and_place_alone")
    assert "person" not in stream.getvalue()


def test_what_others_say_again_and_again_is_told_once_and_ours_each_time(stream: io.StringIO) -> None:
    for attempt in range(3):
        logging.getLogger("kafka.cluster").warning("no node, attempt %s", attempt)
        logging.getLogger("kafka.cluster").warning("another thing")
        logging.getLogger("consumers.consume").warning("away")
    told = [json.loads(row)["event"] for row in stream.getvalue().splitlines()]
    assert told == ["no node, attempt 0", "another thing", "away", "away", "away"]


def test_a_logger_is_silent_only_while_somebody_else_tells_its_faults(stream: io.StringIO) -> None:
    client = logging.getLogger("kafka.cluster")
    with silenced("kafka"):
        client.warning("unheard")
    client.warning("heard")
    assert [json.loads(row)["event"] for row in stream.getvalue().splitlines()] == ["heard"]


def test_one_record_is_one_line_whatever_it_holds(stream: io.StringIO) -> None:
    logging.getLogger("consumers").info("two\nlines\x1b[31m", extra={"partitions": ["events/0"]})
    logging.getLogger("somebody.else").info("not told")
    [line] = stream.getvalue().splitlines()
    assert json.loads(line)["partitions"] == ["events/0"]
    assert "\x1b" not in line
