"""The command line as a user meets it: in this process where that is enough, in one of its own where it matters."""

import contextlib
import io
import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from monitor import cli

PROGRAM = [sys.executable, "-c", "from monitor.cli import main; main()"]


@dataclass(frozen=True)
class Ran:
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as the one JSON document that it must be."""
        return json.loads(self.out)


def reward_drift(*arguments: object) -> Ran:
    """Run the command inside this process."""
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["reward-drift", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            cli.main()
    except SystemExit as left:
        code = left.code
    finally:
        sys.argv = before
    assert isinstance(code, int)
    return Ran(code, out.getvalue(), err.getvalue())


def reward_drift_process(*arguments: object) -> Ran:
    """Run the command in a process of its own."""
    done = subprocess.run([*PROGRAM, *map(str, arguments)], capture_output=True, text=True, check=False)
    return Ran(done.returncode, done.stdout, done.stderr)
