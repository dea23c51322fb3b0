"""Which answers are the reference as of a moment, and what was the loop like in them?"""

import datetime as dt
from dataclasses import replace

from sqlalchemy import Engine, text

from monitor.production.baseline import COHORT_UNITS, Baseline, ReferenceMissing, Window, find_window, fit_baseline
from monitor.production.items import Items, load_items, revision_of
from monitor.settings import ReferenceSettings, Settings

# Names are put in order here and not by the databases, whose collations differ.
FIRST_CHECKPOINT = """
    SELECT position, time_us, checkpoint FROM checkpoint
    WHERE checkpoint IN (SELECT checkpoint FROM response WHERE environment = 'production')
"""
FIRST_SERVED = """
    SELECT checkpoint FROM response WHERE environment = 'production'
      AND time_us = (SELECT MIN(time_us) FROM response WHERE environment = 'production')
"""


def freeze(
    engine: Engine, settings: Settings, as_of: dt.datetime, window: Window | None = None, items: Items | None = None
) -> tuple[Items, Baseline]:
    """Fit the baseline on a window (None: the one that the settings ask for), with the rewards of the window's ruler.

    items: every item, if they were loaded already. Returns them, of the window's ruler. Raises ReferenceMissing.
    """
    items = items or load_items(engine, settings, as_of)
    window = window or find_window(items.frame, settings, _first_checkpoint(engine), as_of)
    ruler = revision_of(engine, settings, as_of, window.checkpoint, window.start_us, window.end_us)
    if ruler not in (None, items.revision):
        items = load_items(engine, settings, as_of, revision=ruler)  # the reference's ruler, not the newest
    return items, fit_baseline(items.frame, window, settings, items.revision)


def decide(engine: Engine, settings: Settings, as_of: dt.datetime, wanted: ReferenceSettings) -> Baseline:
    """The baseline of a window that somebody decided for, as far as it had matured; nothing later moves its end.

    Raises ReferenceMissing when it has too few units with an outcome, or ends after what has matured.
    """
    _, baseline = freeze(engine, settings.model_copy(update={"reference": wanted}), as_of)
    if wanted.until and not baseline.window.ended:
        horizon = settings.outcome.horizon / dt.timedelta(days=1)
        raise ReferenceMissing(f"answers up to {wanted.until:%Y-%m-%d} were not all mature yet (horizon {horizon:g} d)")
    if baseline.labelled < COHORT_UNITS:
        raise ReferenceMissing(f"{baseline.labelled} units with an outcome; a reference needs {COHORT_UNITS}")
    return replace(baseline, window=replace(baseline.window, chosen_by_default=False, ended=True))


def _first_checkpoint(engine: Engine) -> str | None:
    with engine.connect() as connection:
        named = connection.execute(text(FIRST_CHECKPOINT)).all()
        if named:
            return str(min((position is None, position or 0.0, time_us, name) for position, time_us, name in named)[-1])
        return min(connection.execute(text(FIRST_SERVED)).scalars(), default=None)
