"""What may a value in somebody else's settings be? Each rule is a question about one value."""

import re
from collections.abc import Callable, Mapping
from typing import Any

MAX_COUNT = 1 << 24  # sizes and counts of a model; no larger one is known
MAX_LABELS = 10_000
MAX_TEXT = 4_096  # characters
DTYPES = {"float32", "float16", "bfloat16"}
ACTIVATIONS = {"gelu", "gelu_new", "gelu_fast", "gelu_python", "gelu_pytorch_tanh", "quick_gelu"}
ACTIVATIONS |= {"silu", "swish", "relu", "relu2", "tanh"}
_WORD = re.compile(r"[A-Za-z0-9_.+-]{0,80}")

Rule = Callable[[Any], bool]


def is_flag(value: Any) -> bool:
    """True or false."""
    return isinstance(value, bool)


def is_count(value: Any) -> bool:
    """A whole number from -1 to MAX_COUNT."""
    return type(value) is int and -1 <= value <= MAX_COUNT


def is_number(value: Any) -> bool:
    """A number, not too large for a float32."""
    return type(value) in (int, float) and abs(value) < 1e38


def is_word(value: Any) -> bool:
    """A name without a slash, so that it can be no path, address or repository."""
    return isinstance(value, str) and _WORD.fullmatch(value) is not None and ".." not in value


def is_text(value: Any) -> bool:
    """A text of at most MAX_TEXT characters."""
    return isinstance(value, str) and len(value) <= MAX_TEXT


def is_dtype(value: Any) -> bool:
    """A type that weights may be computed in."""
    return value in DTYPES if isinstance(value, str) else False


def is_activation(value: Any) -> bool:
    """A known activation function."""
    return value in ACTIVATIONS if isinstance(value, str) else False


def is_template(limit: int) -> Rule:
    """A chat template of at most `limit` characters, or up to 16 named ones."""

    def keeps(value: Any) -> bool:
        if isinstance(value, list):
            named = all(isinstance(one, dict) and set(one) == {"name", "template"} for one in value)
            return named and len(value) <= 16 and all(is_text(one["name"]) and keeps(one["template"]) for one in value)
        return isinstance(value, str) and len(value) <= limit

    return keeps


def list_of(rule: Rule, limit: int = 1_000) -> Rule:
    """Lists of at most `limit` values that keep the rule."""
    return lambda value: isinstance(value, list) and len(value) <= limit and all(map(rule, value))


def either(*rules: Rule) -> Rule:
    """Values that keep one of the rules."""
    return lambda value: any(rule(value) for rule in rules)


def table_of(rule: Rule, limit: int = MAX_LABELS) -> Rule:
    """Objects of at most `limit` entries whose values keep the rule, whatever their keys."""
    return lambda value: isinstance(value, dict) and len(value) <= limit and all(map(rule, value.values()))


def fields(rules: Mapping[str, Rule]) -> Rule:
    """Objects with no key but these, each value null or kept by its rule."""
    return lambda value: (
        isinstance(value, dict)
        and all(key in rules and (item is None or rules[key](item)) for key, item in value.items())
    )
