"""What is a person called in the store, before and after an erasure?

A user is counted, never looked at: every statistic needs only which rows are of the same person, and in which of a few
lots this person falls. A stand-in name keeps both, so that no number changes when the person is erased.
"""

import re
import secrets
import zlib

LOTS = 64  # few, so that a stand-in's lot says next to nothing about who it was
_STAND_IN = re.compile(r"erased-[0-9a-f]{32}")


def user_lot(user: str) -> int:
    """The user's lot, 0 to LOTS - 1: spreads people over the days of a window, the same for ever.

    >>> user_lot("u-9")
    14
    """
    return zlib.crc32(user.encode()) % LOTS


def stand_in(user: str) -> str:
    """A random name in place of a user's, of the same lot; nothing leads back from it."""
    while True:
        name = f"erased-{secrets.token_hex(16)}"
        if user_lot(name) == user_lot(user):
            return name


def is_stand_in(user: str) -> bool:
    """Is this the name of somebody who was erased?"""
    return _STAND_IN.fullmatch(user) is not None
