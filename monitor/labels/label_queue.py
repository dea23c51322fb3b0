"""What do we label next? A queue file for annotation tools, and the mapping by which its labels come back as events."""

import csv
import datetime as dt
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from sqlalchemy import Engine

from monitor.labels.label_worth import RECENT_DAYS, unlabelled_pairs, unlabelled_responses, words_of
from monitor.production.items import DAY_US, microseconds
from monitor.settings import Settings
from monitor.spreadsheet import inert
from monitor.statistics.label_draw import draw_chances, systematic_draw

FLOOR = 0.5  # share of the labels spread evenly, so that no item is out of reach
CHOICES = {"a": "a", "b": "b", "tie": "tie"}
SUCCESS = {"1": True, "0": False, "yes": True, "no": False}
WORDS = ("prompt", "answer", "a", "b", "why")  # columns that a stranger wrote, cohorts in the last


def next_labels(
    engine: Engine, settings: Settings, as_of: dt.datetime, what: str, count: int, seed: int
) -> list[dict[str, Any]]:
    """The rows of a queue: at most `count` items without a label, in the order of a lot.

    what: "pairs" or "responses". The same store, moment and seed give the same rows.
    """
    find = unlabelled_pairs if what == "pairs" else unlabelled_responses
    items = find(engine, settings, as_of)
    if items.empty:
        return []
    chances = draw_chances(items["worth"].to_numpy(float), count, FLOOR)
    lots = np.array([_lot(seed, name) for name in items["item_id"]])
    order = np.lexsort((lots, items["day"], items["cohort"].astype(str), items["kind"]))
    drawn = systematic_draw(chances, order.astype(np.int64), _lot(seed, "start"))
    chosen = items.iloc[drawn].assign(propensity=chances[drawn])
    words = words_of(engine, what, list(map(str, chosen["item_id"])))
    records: list[Any] = chosen.to_dict("records")
    rows = [_row(what, item, words, items, as_of) for item in records]
    return sorted(rows, key=lambda row: _lot(seed, row["item_id"]))


def write_queue(rows: list[dict[str, Any]], path: Path) -> None:
    """Write a queue as CSV or JSONL, by the file's name. Raises ValueError for another name.

    What people and models wrote cannot be run by the spreadsheet that opens the CSV; names of items stay as they are.
    """
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".csv":
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, **{name: inert(row[name]) for name in WORDS if name in row}} for row in rows)
        path.write_text(text.getvalue(), encoding="utf-8", newline="")
    else:
        raise ValueError(f"{path}: end the name with .csv or .jsonl")


def mapping_of(what: str, settings: Settings) -> str:
    """The mapping for `import`: rows with a label become events, with the propensity where events have one."""
    if what == "pairs":
        judge = {
            "name": {"const": settings.judges.human or "human"},
            "kind": {"const": "human"},
            "annotator": "annotator",
        }
        fields: dict[str, Any] = {"pair_id": "item_id", "judge": judge, "choice": {"column": "label", "map": CHOICES}}
    else:
        fields = {
            "response_id": "item_id",
            "metric": {"const": settings.outcome.metric},
            "value": {"column": "label", "map": SUCCESS},
            "method": {"const": "human"},
            "propensity": "propensity",
        }
    event = {"type": "preference" if what == "pairs" else "outcome", "when": "label", "fields": fields}
    told = {"source": "/label-queue", "time": {"column": "labelled_at"}, "events": [event]}
    return yaml.safe_dump(told, sort_keys=False)


def _row(
    what: str, item: dict[str, Any], words: pd.DataFrame, items: pd.DataFrame, as_of: dt.datetime
) -> dict[str, Any]:
    said = words.loc[item["item_id"]].dropna() if item["item_id"] in words.index else {}
    texts = ("prompt", "a", "b") if what == "pairs" else ("prompt", "answer")
    return {
        "item_id": item["item_id"],
        **{name: said.get(name, "") for name in texts},
        "label": "",
        "annotator": "",
        "labelled_at": as_of.isoformat(),
        "propensity": float(item["propensity"]),
        "why": _why(item, items, as_of),
    }


def _why(item: dict[str, Any], items: pd.DataFrame, as_of: dt.datetime) -> str:
    alike = int(((items["kind"] == item["kind"]) & (items["cohort"] == item["cohort"])).sum())
    lately = f"last {RECENT_DAYS} days" if item["day"] >= microseconds(as_of) // DAY_US - RECENT_DAYS else "older"
    cohort = f", {item['cohort']}" if item["cohort"] else ""
    return f"{item['kind']}{cohort}, {lately}; one of {alike:,} such items, drawn with chance {item['propensity']:.3g}"


def _lot(seed: int, name: str) -> float:
    """A number in [0, 1) for each item, from seed and name alone."""
    return int.from_bytes(hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()[:6], "big") / 2**48
