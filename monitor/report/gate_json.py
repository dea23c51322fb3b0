"""What does a script read of a gate? The output contract as JSON."""

import json

from monitor.gate.result import GateReport
from monitor.result import plain_json


def gate_json(report: GateReport) -> str:
    """The report as one JSON object.

    Keys keep the order of the contract. Numbers that are not finite become null, and everything outside ASCII is
    escaped, so that any console can carry it.
    """
    return json.dumps(plain_json(report.to_dict()), allow_nan=False, indent=2)
