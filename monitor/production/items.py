"""Which production answers count, with what reward and outcome, and on which day did each mature?

An item is what one outcome speaks of: a response, a conversation (under its last response) or a user's horizon. It
matures a fixed horizon after its last response and sees only what had happened by then, so that its reward, outcome
and day never depend on when events arrived; where a user's week is the unit, it waits for the end of that week. Ties in
time are broken by content, never by order of arrival.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Engine, text

from consumers.users import LOTS, user_lot
from monitor.settings import Settings

DAY_US = 86_400_000_000
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

RESPONSES = """
    SELECT response_id, checkpoint, time_us, conversation_id, user_id, cohort FROM response
    WHERE environment = 'production' AND time_us < :until AND {since}
"""
SINCE = {
    "response_id": "time_us >= :since",
    "conversation_id": "(time_us >= :since OR conversation_id IN"
    " (SELECT conversation_id FROM response WHERE time_us >= :since))",
    "user_id": "time_us >= :since - :horizon",
}
OF_THOSE = "response_id IN (SELECT response_id FROM response WHERE time_us >= :early)"
# Of two checkpoints alone; of answers without an outcome those whose lot, a hash of their number, is below a bound.
OF_BOTH = """
    checkpoint IN (:one, :other) AND ((seq * 2654435761) % 4294967296 < :below OR response_id IN (
        SELECT response_id FROM outcome WHERE metric = :metric AND response_id IS NOT NULL))
"""
OUTCOMES_OF_BOTH = """
    EXISTS (SELECT 1 FROM response AS r WHERE r.response_id = outcome.response_id AND r.checkpoint IN (:one, :other))
"""
COUNTS = """
    SELECT (SELECT COUNT(*) FROM response WHERE environment = 'production' AND checkpoint IN (:one, :other)) AS answers,
           COUNT(*) AS labelled, COUNT(propensity) AS asked FROM outcome WHERE metric = :metric
"""
UNLABELLED = 4  # answers without an outcome for each with one: more would narrow a bound by a fifteenth at most
FEEDBACK = """
    SELECT response_id, actor_id, time_us, value, scale_low, scale_high FROM feedback
    WHERE purpose = 'reward' AND signal = :name AND value IS NOT NULL AND time_us < :until AND {since}
"""
SCORES = """
    SELECT response_id, revision, time_us, value FROM score
    WHERE scorer = :name AND time_us < :until AND {since} AND response_id NOT IN (
        SELECT response_id FROM response WHERE environment = 'evaluation')
"""
OUTCOMES = """
    SELECT {key} AS subject, time_us, value, propensity, seq FROM outcome
    WHERE metric = :metric AND {key} IS NOT NULL AND COALESCE(method, '') <> 'model' AND time_us < :until AND {since}
      AND (response_id IS NULL OR response_id NOT IN (
        SELECT response_id FROM response WHERE environment = 'evaluation'))
"""
SOURCES = """
    SELECT o.seq, e.source FROM outcome AS o JOIN event AS e ON e.seq = o.seq
    WHERE o.metric = :metric AND o.{key} IN (
        SELECT {key} FROM outcome WHERE metric = :metric AND {key} IS NOT NULL GROUP BY {key} HAVING COUNT(*) > 1)
"""
KEYS = """
    SELECT COUNT(response_id) AS response_id, COUNT(conversation_id) AS conversation_id, COUNT(user_id) AS user_id,
           SUM(CASE WHEN method = 'model' THEN 1 ELSE 0 END) AS by_model
    FROM outcome WHERE metric = :metric AND time_us < :until AND (response_id IS NULL OR response_id NOT IN (
        SELECT response_id FROM response WHERE environment = 'evaluation'))
"""
# CROSS JOIN: SQLite then looks up the scores of a few answers, and not the answer of every score.
REVISIONS = """
    SELECT COALESCE(s.revision, '') AS revision, COUNT(*) FROM response AS r CROSS JOIN score AS s
    WHERE s.response_id = r.response_id AND s.scorer = :name AND s.time_us < :until AND r.environment = 'production'
      AND r.time_us >= :start AND r.time_us < :end
      AND (CAST(:checkpoint AS VARCHAR) IS NULL OR r.checkpoint = :checkpoint)
    GROUP BY 1
"""


@dataclass(frozen=True)
class Items:
    """Matured items and what a reader must know about those that are not here.

    frame columns: response_id (the item's last response), unit (what counts as one independent unit), user,
    checkpoint, cohort (JSON object or null),
    time_us (last response), day (of maturity, since 1970-01-01), reward (raw, NaN if none in time), outcome (0..1 and
    plus is better, NaN if missing), unscoreable (a scorer answered without a number), propensity (chance with which the
    outcome was asked for; NaN: not told), second (the outcome as somebody else told it, another source of events; NaN
    if nobody did).
    counts: pending, outside_range, other_keys, by_model, other_revisions. subject: the field by which outcomes name
    what they speak of.
    """

    frame: pd.DataFrame
    counts: Mapping[str, int]
    revision: str | None = None
    since: int = 0
    subject: str = "response_id"


def day_of(moment: dt.datetime) -> int:
    """Days from 1970-01-01 to the UTC day of a moment."""
    return (moment - EPOCH) // dt.timedelta(days=1)


def date_of(day: int) -> dt.date:
    """The calendar date of a day number."""
    return (EPOCH + dt.timedelta(days=int(day))).date()


def microseconds(moment: dt.datetime) -> int:
    """Microseconds from 1970-01-01 UTC."""
    return (moment - EPOCH) // dt.timedelta(microseconds=1)


def load_items(
    engine: Engine,
    settings: Settings,
    as_of: dt.datetime,
    since: int = 0,
    revision: str | None = None,
    of: tuple[str, str] | None = None,
) -> Items:
    """Read every item that matured on day `since` or later and before the day of `as_of`.

    revision: the scorer revision to use; None takes the one that scored most. of: two checkpoints that alone are asked
    about. Where outcomes speak of single answers no others are then read, and where an audit asked for all of them a
    sample of the answers without one.
    """
    horizon, wait = (length // dt.timedelta(microseconds=1) for length in (settings.outcome.horizon, settings.wait))
    close = day_of(as_of)
    query = _Query(engine, {"until": close * DAY_US, "since": max(since * DAY_US - wait, 0), "horizon": horizon})
    query.parameters["metric"] = settings.outcome.metric
    key, counts = _subject_key(query)
    if of is not None and key == "response_id":
        query.keep(of, settings)
    responses, subjects = _numbered(_responses(query, key), key)
    items = _subjects(responses, key, settings.unit, horizon)
    counts["pending"] = int((items["day"] >= close).sum())
    items = items[items["day"] < close]
    rewards, revision = _rewards(query, responses, settings, revision, counts)
    items = _with_rewards(items, responses, rewards, key, horizon)
    items = _with_outcomes(items, query, key, subjects, settings, counts)
    items = items[items["day"] >= since]
    columns = [
        "response_id",
        "unit",
        "user",
        "checkpoint",
        "cohort",
        "time_us",
        "day",
        "reward",
        "outcome",
        "unscoreable",
        "propensity",
        "second",
    ]
    ordered = items[columns].sort_values(["day", "time_us", "response_id"], ignore_index=True, kind="stable")
    return Items(ordered, counts, revision, since, key)


def revision_of(
    engine: Engine, settings: Settings, as_of: dt.datetime, checkpoint: str | None, start_us: int, end_us: int
) -> str | None:
    """The scorer revision that scored most answers of a stretch of time; None if none did or the reward is no score."""
    given = {"name": settings.reward.scorer, "until": day_of(as_of) * DAY_US}
    given |= {"checkpoint": checkpoint, "start": start_us, "end": end_us}
    with engine.connect() as connection:
        scored = connection.execute(text(REVISIONS), given).all()
    return min(scored, key=lambda row: (-row[1], row[0]), default=(None,))[0]


class _Query:
    """A read-only look at the store with the window's bounds at hand."""

    def __init__(self, engine: Engine, parameters: dict[str, Any]) -> None:
        self.engine, self.parameters = engine, parameters
        self.of_both = False

    def keep(self, of: tuple[str, str], settings: Settings) -> None:
        """Read nothing but answers of two checkpoints from now on; of unlabelled ones a sample, if an audit asked."""
        self.of_both = True
        self.parameters |= {"one": of[0], "other": of[1], "below": 1 << 32}
        count = self.read(COUNTS).iloc[0]
        if count["labelled"] and count["asked"] == count["labelled"] and settings.outcome.missing == "exclude":
            unlabelled = max(int(count["answers"] - count["labelled"]), 1)
            share = min(1.0, UNLABELLED * int(count["labelled"]) / unlabelled)
            self.parameters["below"] = int(share * (1 << 32))

    def read(self, statement: str, **more: Any) -> pd.DataFrame:
        """A frame of the driver's own rows: there may be millions."""
        with self.engine.connect() as connection:
            found = connection.execute(text(statement), {**self.parameters, **more})
            rows = found.cursor.fetchall() if found.cursor else []
            return pd.DataFrame.from_records(rows, columns=list(found.keys()), coerce_float=True)

    @property
    def whole(self) -> bool:
        return bool(self.parameters["since"] <= 0)

    def of_those(self) -> str:
        """Condition that keeps rows of the window's responses; conversations and users reach back further."""
        if self.of_both:
            return f"response_id IN (SELECT response_id FROM response WHERE {OF_BOTH})"  # noqa: S608
        return "1 = 1" if self.whole else OF_THOSE

    def outcomes_of_those(self) -> str:
        """The same of outcomes: of two checkpoints all are read, however the answers without one were sampled."""
        return OUTCOMES_OF_BOTH if self.of_both else self.of_those()

    def responses(self, key: str) -> str:
        """Condition that keeps the window's responses themselves."""
        if self.of_both:
            return OF_BOTH
        return "1 = 1" if self.whole else SINCE[key]


def _subject_key(query: _Query) -> tuple[str, dict[str, int]]:
    row = query.read(KEYS).iloc[0]
    known = {key: int(row[key]) for key in ("response_id", "conversation_id", "user_id")}
    key = max(known, key=lambda name: known[name])
    by_model = int(row["by_model"] or 0)
    return key, {"other_keys": sum(known.values()) - known[key], "by_model": by_model, "outside_range": 0}


def _responses(query: _Query, key: str) -> pd.DataFrame:
    frame = query.read(RESPONSES.format(since=query.responses(key)))
    query.parameters["early"] = int(frame["time_us"].min()) if len(frame) else query.parameters["until"]
    frame = frame.sort_values(["time_us", "checkpoint", "user_id", "conversation_id", "cohort"], kind="stable")
    return frame.drop_duplicates("response_id", ignore_index=True)


def _numbered(responses: pd.DataFrame, key: str) -> "tuple[pd.DataFrame, pd.Index[Any]]":
    """Responses with the number of their `subject`, what an outcome names; -1 for none. Numbers join far faster."""
    codes, subjects = pd.factorize(responses[key])
    return responses.assign(subject=codes), pd.Index(subjects)


def _subjects(responses: pd.DataFrame, key: str, unit: str, horizon: int) -> pd.DataFrame:
    """One row an item, with the time by which everything must have happened."""
    frame = responses[responses["subject"] >= 0].copy()
    if key == "user_id":
        frame = _last_of_each(frame.assign(window=_user_window(frame["user_id"], frame["time_us"], horizon)), horizon)
        frame["due"] = (frame["window"] + 1) * horizon - _user_offset(frame["user_id"], horizon)
    else:
        frame = frame.sort_values(["time_us", "response_id"], kind="stable")
        frame = frame.drop_duplicates("subject", keep="last")
        frame["window"] = 0
        frame["due"] = frame["time_us"] + horizon
    frame["day"] = frame["due"] // DAY_US
    if unit == "user-week":
        frame["day"] = _week_ends(frame)
    frame["user"] = frame["user_id"].astype(object).where(frame["user_id"].notna(), None)
    frame["unit"] = _unit(frame, unit)
    return frame


def _user_offset(users: pd.Series, horizon: int) -> "pd.Series[int]":
    """Each user's windows start on a day of their own, so that not all mature at once."""
    codes, distinct = pd.factorize(users.astype(object))
    lots = np.fromiter((user_lot(user) for user in distinct), np.int64, len(distinct))
    days = max(horizon // DAY_US, 1)
    return pd.Series((lots * days // LOTS)[codes] * DAY_US, index=users.index)


def _week_ends(frame: pd.DataFrame) -> "pd.Series[int]":
    """The last day of the week of the item's user in which it matures; weeks start on a day of each user's own."""
    known = frame[frame["user_id"].notna()]
    offset = _user_offset(known["user_id"], 7 * DAY_US) // DAY_US
    ends = (known["day"] + offset) // 7 * 7 + 6 - offset
    return ends.reindex(frame.index).fillna(frame["day"]).astype(np.int64)


def _user_window(users: pd.Series, times: pd.Series, horizon: int) -> "pd.Series[int]":
    return (times + _user_offset(users, horizon)) // horizon


def _last_of_each(frame: pd.DataFrame, horizon: int) -> pd.DataFrame:
    """One row per user and window, under the checkpoint that served most of the user's responses in it."""
    served = frame.groupby(["subject", "window", "checkpoint"], sort=True).size().reset_index(name="served")
    served = served.sort_values(["served", "checkpoint"], ascending=[False, True], kind="stable")
    most = served.drop_duplicates(["subject", "window"])[["subject", "window", "checkpoint"]]
    last = frame.sort_values(["time_us", "response_id"], kind="stable").drop_duplicates(
        ["subject", "window"], keep="last"
    )
    return last.drop(columns="checkpoint").merge(most, on=["subject", "window"])


def _unit(frame: pd.DataFrame, unit: str) -> "pd.Series[Any]":
    """A unit is named within its day: an answer that matures later never reopens a day already decided."""
    alone = "r:" + frame["response_id"].astype(object)
    users = dict.fromkeys(("user-day", "user-week"), ("user_id", "u:"))
    column, prefix = {"conversation": ("conversation_id", "c:"), **users}.get(unit, ("", ""))
    if not column:
        return alone
    named = prefix + frame[column].astype(object) + "@" + frame["day"].astype(str).astype(object)
    return named.where(frame[column].notna(), alone)


def _rewards(
    query: _Query, responses: pd.DataFrame, settings: Settings, revision: str | None, counts: dict[str, int]
) -> tuple[pd.DataFrame, str | None]:
    """One row per response and reaction: response_id, by (who), time_us, reward (raw; NaN when unscoreable)."""
    if settings.reward.scorer is None:
        frame = query.read(FEEDBACK.format(since=query.of_those()), name=settings.reward.signal or "thumbs")
        frame["reward"] = frame["value"].astype(float) if settings.reward.range else _on_scale(frame)
        return frame.rename(columns={"actor_id": "by"})[["response_id", "by", "time_us", "reward"]], None
    frame = query.read(SCORES.format(since=query.of_those()), name=settings.reward.scorer)
    known = frame["revision"].fillna("")
    if revision is None and len(frame):
        revision = str(known.value_counts(sort=True).sort_index().idxmax())
    counts["other_revisions"] = int((known != revision).sum())
    frame = frame[known == revision].assign(by="")
    return frame.rename(columns={"value": "reward"})[["response_id", "by", "time_us", "reward"]], revision


def _on_scale(ratings: pd.DataFrame) -> "pd.Series[float]":
    """Ratings given on different scales, made comparable: 0 at the low end, 1 at the high end."""
    low = ratings["scale_low"].astype(float)
    share = (ratings["value"].astype(float) - low) / (ratings["scale_high"].astype(float) - low)
    return share.where(share.notna(), ratings["value"].astype(float))


def _with_rewards(
    items: pd.DataFrame, responses: pd.DataFrame, rewards: pd.DataFrame, key: str, horizon: int
) -> pd.DataFrame:
    """Latest reaction of each actor by the item's due time, averaged over actors, then over the item's responses."""
    names = pd.Index(responses["response_id"])
    members = responses[["subject"]].assign(answer=np.arange(len(names)), answered_us=responses["time_us"])
    members = members.merge(items[["subject", "window", "due"]], on="subject")
    joined = rewards.assign(answer=names.get_indexer(pd.Index(rewards["response_id"]))).merge(members, on="answer")
    joined = joined[joined["time_us"] <= joined["due"]]
    if key == "user_id":
        joined = joined[joined["answered_us"].between(joined["due"] - horizon, joined["due"], inclusive="left")]
    joined = joined.sort_values(["time_us", "reward"], kind="stable")
    joined = joined.drop_duplicates(["subject", "window", "answer", "by"], keep="last")
    per_response = joined.groupby(["subject", "window", "answer"], sort=False)["reward"].mean()
    grouped = per_response.groupby(level=["subject", "window"], sort=False)
    result = pd.DataFrame({"reward": grouped.mean(), "answers": grouped.size()}).reset_index()
    items = items.merge(result, on=["subject", "window"], how="left")
    items["unscoreable"] = items["answers"].notna() & items["reward"].isna()
    return items


def _with_outcomes(
    items: pd.DataFrame, query: _Query, key: str, subjects: "pd.Index[Any]", settings: Settings, counts: dict[str, int]
) -> pd.DataFrame:
    """The latest outcome in time, the chance with which it was asked for, and what another source told of the same.

    subjects: their names, in the order of their numbers.
    """
    since = "1 = 1" if key != "response_id" else query.outcomes_of_those()
    found = query.read(OUTCOMES.format(key=key, since=since))
    found["subject"] = subjects.get_indexer(pd.Index(found["subject"]))
    low, high = settings.outcome.range
    inside = found["value"].between(low, high)
    counts["outside_range"] = int((~inside).sum())
    found = found[inside].merge(items[["subject", "window", "due"]], on="subject")
    found = found[found["time_us"] <= found["due"]]
    if key == "user_id":
        found = found[found["time_us"] > found["due"] - query.parameters["horizon"]]
    found = found.sort_values(["time_us", "value", "propensity"], kind="stable")
    told = found.drop_duplicates(["subject", "window"], keep="last")[["subject", "window", "value", "propensity"]]
    items = items.merge(told, on=["subject", "window"], how="left")
    items = items.merge(_told_by_others(found, query, key), on=["subject", "window"], how="left")
    sent_either_way = settings.outcome.missing == "exclude"
    items["propensity"] = items["propensity"].astype(float) if sent_either_way else np.nan
    items["outcome"] = _mapped(items["value"], settings)
    items["second"] = _mapped(items["other"], settings).where(items["other"].notna())
    return items


def _mapped(values: "pd.Series[float]", settings: Settings) -> "pd.Series[float]":
    """Values of the metric to 0..1, plus is better."""
    low, high = settings.outcome.range
    share = (values.astype(float) - low) / (high - low)
    if settings.outcome.missing is False:
        share = share.fillna(min(max(-low / (high - low), 0.0), 1.0))
    return share if settings.outcome.higher_is_better else 1 - share


def _told_by_others(found: pd.DataFrame, query: _Query, key: str) -> pd.DataFrame:
    """The latest word of another source than the one that had the last; a source that speaks again corrects itself."""
    again = found[found.duplicated(["subject", "window"], keep=False)]
    if again.empty:
        return pd.DataFrame({"subject": again["subject"], "window": again["window"], "other": again["value"]})
    again = again.merge(query.read(SOURCES.format(key=key)), on="seq")
    again = again.sort_values(["time_us", "value", "propensity", "source"], kind="stable")
    of_each = again.drop_duplicates(["subject", "window", "source"], keep="last")
    others = of_each[of_each.duplicated(["subject", "window"], keep="last")]
    others = others.drop_duplicates(["subject", "window"], keep="last")
    return others[["subject", "window", "value"]].rename(columns={"value": "other"})
