"""Who wakes the jobs? The door to APScheduler: threads that take turns, and the times that cron's fields mean.

Nothing of it is kept anywhere: whether a job is due is asked of the run table, at each turn.
"""

import datetime as dt
import logging
import time
from collections.abc import Callable, Mapping
from zoneinfo import ZoneInfo

from apscheduler.executors.pool import ThreadPoolExecutor  # type: ignore[import-untyped]
from apscheduler.schedulers.background import BackgroundScheduler  # type: ignore[import-untyped]
from apscheduler.triggers.cron import CronTrigger  # type: ignore[import-untyped]
from apscheduler.triggers.interval import IntervalTrigger  # type: ignore[import-untyped]

_MICROSECOND = dt.timedelta(microseconds=1)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Lanes:
    """Threads of one name each that take a turn every so many seconds; a turn that takes longer delays only its own.

    turns: name of the lane -> what is done in a turn.
    """

    def __init__(self, turns: Mapping[str, Callable[[], None]], seconds: float) -> None:
        logging.getLogger("apscheduler").setLevel(logging.ERROR)  # a turn that waits for a long job is no news
        lanes = {name: ThreadPoolExecutor(1, {"thread_name_prefix": name}) for name in turns}
        self._scheduler = BackgroundScheduler(
            timezone=dt.UTC,
            executors=lanes,
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        for name, turn in turns.items():
            self._scheduler.add_job(turn, IntervalTrigger(seconds=seconds, timezone=dt.UTC), id=name, executor=name)

    def start(self) -> None:
        self._scheduler.start()

    def stop(self, is_idle: Callable[[], bool], seconds: float) -> bool:
        """Give out no turn any more and wait so long for those that were; returns whether all have ended."""
        self._scheduler.shutdown(wait=False)
        end = time.monotonic() + seconds
        while not is_idle() and time.monotonic() < end:
            time.sleep(0.02)
        return is_idle()


def next_of_cron(crontab: str, zone: str) -> Callable[[int], int]:
    """The first moment after another one that five fields of cron mean; microseconds since 1970-01-01 UTC.

    Raises ValueError for fields that mean nothing, or no day of the next years.

    >>> monday = next_of_cron("0 9 * * mon", "Europe/Berlin")(1_790_000_000_000_000)
    >>> (_EPOCH + monday * _MICROSECOND).isoformat()
    '2026-09-28T07:00:00+00:00'
    """
    trigger = CronTrigger.from_crontab(crontab, timezone=ZoneInfo(zone))
    is_once_a_day = not crontab.split()[1].startswith("*")

    def after(moment_us: int) -> int:
        found = trigger.get_next_fire_time(None, _EPOCH + (moment_us + 1) * _MICROSECOND)
        if found is None:
            raise ValueError("no such moment")
        utc = found.astimezone(dt.UTC)
        after_us = (utc - _EPOCH) // _MICROSECOND
        is_repeated = is_once_a_day and utc.astimezone(ZoneInfo(zone)).fold == 1
        return after(after_us) if is_repeated else after_us

    after(0)
    return after
