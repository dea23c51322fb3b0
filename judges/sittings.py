"""When did a judge first say what of a pair, and what did it say when it was asked again?

A sitting is the first, second, third ... time that one revision of a judge was asked about a pair: its n-th verdict in
each order it was asked in, merged. A question that failed and was asked again belongs to one sitting. The result is a
function of the set of events, never of their arrival.
"""

from collections.abc import Collection

import pandas as pd
from sqlalchemy import Engine, bindparam, text

from consumers.database import reading
from judges.preference_votes import latest, majority, merged_orders

DAY_US = 86_400_000_000
SAID = text("""
    SELECT pair_id, judge, kind, annotator, family, revision, shown_order, choice, status, probability_a, time_us
    FROM preference WHERE time_us < :until AND judge IN :judges AND status = 'ok' AND choice IS NOT NULL
""").bindparams(bindparam("judges", expanding=True))
NAMES = ["kind", "annotator", "family", "revision", "shown_order"]
ASKED = ["pair_id", "judge", "annotator", "revision", "shown_order"]
COLUMNS = ["pair_id", "judge", "revision", "family", "sitting", "verdict", "ab", "ba", "time_us"]


def read_sittings(engine: Engine, judges: Collection[str], until_us: int) -> pd.DataFrame:
    """Every verdict of these judges before `until_us`, one row a pair, judge, revision and sitting, in order of time.

    Columns: pair_id, judge, revision, family ("" for unknown), sitting (0 is the first), verdict (+1 answer a, 0 tie,
    -1 answer b; both orders merged), ab and ba (the verdict by answer in each order, NaN if not asked), time_us (of the
    later order), day.
    """
    with reading(engine) as connection:
        rows = pd.read_sql_query(SAID, connection, params={"until": until_us, "judges": sorted(judges)})
    if rows.empty:
        return pd.DataFrame({name: pd.Series(dtype=object) for name in [*COLUMNS, "day"]})
    rows = rows.astype(dict.fromkeys(["pair_id", "judge", *NAMES, "choice", "status"], "string[pyarrow]"))
    rows[NAMES] = rows[NAMES].fillna("")
    rows = rows.sort_values([*ASKED, "time_us", "choice", "probability_a", "kind", "family"], ignore_index=True)
    rows["sitting"] = rows.groupby(ASKED).cumcount()
    found = pd.concat([_merged(mine).assign(sitting=number) for number, mine in rows.groupby("sitting")])
    found["day"] = found["time_us"] // DAY_US
    return found.sort_values(["judge", "pair_id", "time_us", "revision", "sitting"], ignore_index=True)[
        [*COLUMNS, "day"]
    ]


def _merged(rows: pd.DataFrame) -> pd.DataFrame:
    return majority(merged_orders(latest(rows)), ["pair_id", "judge", "revision"])
