"""Which jobs are there, in which lane, and what does each do?

intake  canary     an event of our own, appended as any other
look    tick       the look at the store: alerts and what is to be sent, in one transaction
        rules      alerts between two looks: freshness, holds, acks, silences, reminders; the canary on its way
send    deliver    what waits to be sent; the canary, last
work    score      checkpoints that wait for scores
        cards      may the judges be trusted?
        gate       may the newest candidate ship?
        retention  words that are kept no longer
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from consumers.canary import send_canary
from judges.preference import read_preferences
from monitor.judging.judge_card import judge_cards
from monitor.keeping import erase_requested, expire_words, wipe_words
from monitor.oncall.deliver import Courier
from monitor.oncall.lifecycle import keep_alerts
from monitor.oncall.receivers.configured import configured_receivers
from monitor.oncall.receivers.port import Route
from monitor.production.items import microseconds
from monitor.report.judges_html import judges_html
from monitor.report.judges_json import cards_json
from monitor.report.page import open_incidents
from monitor.report.wording import plural
from monitor.service import tick_store
from monitor.serving.deadman import canary_arrives, pass_canary, watcher
from monitor.serving.figures import save_figures
from monitor.serving.gating import gate_candidate, write_file, write_text
from monitor.serving.pulses import Pulses
from monitor.serving.scoring import score_waiting
from monitor.serving.slots import slots_of
from monitor.serving.turns import Job, Work
from monitor.settings import Settings
from monitor.telling.kept_cards import save_cards
from monitor.telling.purpose_days import keep_purpose_days

log = logging.getLogger(__name__)

LANES = ("intake", "look", "send", "work")
PATIENCE_SECONDS = 5.0  # for receivers, in one round


def jobs_of(settings: Settings, place: Path, pulses: Pulses) -> list[Job]:
    """The jobs that the settings ask for, each lane's in the order in which it does them. place: of the settings file.

    Raises ReceiverUnusable.
    """
    routes = configured_receivers(settings.receivers)
    names = tuple(routes)
    all_jobs: Mapping[str, tuple[str, Callable[[Work], str]]] = {
        "canary": ("intake", partial(_canary, settings)),
        "tick": ("look", partial(_tick, settings, names)),
        "alerts": ("look", partial(_alerts, settings, names)),
        "rules": ("look", partial(_rules, settings, pulses)),
        "deliver": ("send", Sending(settings, routes).deliver),
        "score": ("work", partial(_score, settings)),
        "cards": ("work", partial(_cards, settings)),
        "gate": ("work", partial(_gate, settings, place)),
        "retention": ("work", partial(_retention, settings)),
    }
    times, zone = settings.serve.times(), settings.alerts.timezone
    return [Job(name, lane, slots_of(times[name], zone), do) for name, (lane, do) in all_jobs.items() if name in times]


def _canary(settings: Settings, work: Work) -> str:
    send_canary(work.store, settings.loop, work.now)
    return ""


def _tick(settings: Settings, receivers: Sequence[str], work: Work) -> str:
    keep_alerts(work.store.engine, settings, work.now, work.now, receivers)  # bad data withhold what is built on them
    report = tick_store(work.store, settings, work.now, work.now, receivers)
    save_figures(work.store.engine, settings.loop, report, work.now)
    keep_purpose_days(work.store.engine)
    return plural(len(open_incidents(report)), "open alert")


def _alerts(settings: Settings, receivers: Sequence[str], work: Work) -> str:
    keep_alerts(work.store.engine, settings, work.now, work.now, receivers)
    return ""


def _rules(settings: Settings, pulses: Pulses, work: Work) -> str:
    """A thread that is silent holds the canary back: what it is to prove would not be true."""
    if silent := pulses.silent():
        log.error("the canary is held back: %s", "; ".join(silent))
    else:
        pass_canary(work.store.engine, settings.loop, work.now)
    return ""


class Sending:
    """Delivery that goes on from round to round: a receiver that is slow in one is waited for in the next."""

    def __init__(self, settings: Settings, routes: Mapping[str, Route]) -> None:
        self._settings, self._routes = settings, routes
        self._courier: tuple[int, Courier] | None = None

    def deliver(self, work: Work) -> str:
        """One round; the canary comes last, so that it arrives only where messages leave."""
        if self._courier is None or self._courier[0] != work.epoch:
            self._courier = (work.epoch, Courier(work.store.engine, self._routes, log.warning))
        chosen = self._settings.serve
        done = self._courier[1].round(work.now, chosen.deliver.total_seconds() / 2)
        work.going_on()
        outside = watcher(chosen.deadman)
        canary_arrives(work.store.engine, self._settings.loop, work.now, outside, chosen.canary * 2)
        return f"{done.sent} sent, {done.failed} failed" if done.sent or done.failed else ""


def _score(settings: Settings, work: Work) -> str:
    assert settings.serve.scoring is not None
    return score_waiting(work, settings.loop, settings.serve.scoring)


def _cards(settings: Settings, work: Work) -> str:
    names = settings.judges
    preferences = read_preferences(work.store.engine, names, microseconds(work.now))
    cards = judge_cards(
        preferences,
        work.now,
        loop=settings.loop,
        cohorts=settings.cohorts,
        teacher=names.teacher,
        human=names.human,
    )
    work.going_on()
    save_cards(work.store.engine, cards)
    write_file(settings.serve.reports / "judges.json", cards_json(cards))
    write_text(settings.serve.reports / "judges.html", judges_html(cards))
    return ""


def _gate(settings: Settings, place: Path, work: Work) -> str:
    return gate_candidate(work, settings, place)


def _retention(settings: Settings, work: Work) -> str:
    erased = erase_requested(work.store)
    work.going_on()
    gone, quotes = expire_words(work.store, settings.retention, work.now)
    is_wiped = wipe_words(work.store) if erased else True
    told = f"{len(erased)} erased, {gone.texts + gone.rejected + gone.conflicts + quotes} words too old"
    return told if is_wiped else f"{told}; the log still holds words that were erased: `reward-drift erase --requested`"
