"""What does a script read? The output contract of a replay as JSON."""

import json

from monitor.result import Report


def render_json(report: Report) -> str:
    """The report as one JSON object.

    Keys keep the order of `Report`'s fields; mappings keep their own. Numbers that are not finite become null, and
    everything outside ASCII is escaped, so that any console can carry it.
    """
    return json.dumps(report.to_dict(), allow_nan=False, indent=2)
