"""Faults that a person can mend: what is told of them is their message, never a traceback."""


class Mendable(Exception):  # noqa: N818 - a noun of the domain
    """Something was asked, given or set that cannot be used; the message says what, where and what to do next."""
