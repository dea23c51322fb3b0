"""How is a long list handed to a database that takes so many values a statement?"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

CHUNK = 400

T = TypeVar("T")


def in_chunks(values: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """The values in lists of at most `size`.

    >>> list(in_chunks("abc", 2))
    [['a', 'b'], ['c']]
    """
    rest = iter(values)
    while some := list(islice(rest, size)):
        yield some
