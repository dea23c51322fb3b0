"""May a stranger's text stand in a cell of a file that people open as a spreadsheet?"""

import re

# What is taken for a formula at the beginning of a cell, in full width too, or behind what may be taken for the end of
# one: which character parts cells depends on where the reader lives.
RISKY = re.compile(r"(^|[;|\t\r\n])(?=[\s\"\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20])|^(?=[\t\r\n])")


def inert(text: str) -> str:
    """The text, with an apostrophe before whatever a spreadsheet could run.

    >>> inert("=cmd()"), inert("a; =cmd()"), inert("2026-11-21")
    ("'=cmd()", "a;' =cmd()", '2026-11-21')
    """
    return RISKY.sub(r"\1'", text)
