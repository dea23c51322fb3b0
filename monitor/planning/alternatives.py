"""Which settings are one change away from those in a file?"""

from typing import Any

import yaml

from monitor.settings import Settings, SettingsError, parse_settings


def alternative(text: str, change: str) -> Settings:
    """The settings of a file's text with one key changed.

    change: KEY=VALUE, the key with dots as in the messages about settings, the value as YAML. Raises SettingsError.

    >>> alternative("outcome: {metric: solved, horizon: 14d}", "outcome.horizon=7d").outcome.horizon.days
    7
    """
    key, equals, value = change.partition("=")
    if not (key and equals and value):
        raise SettingsError(f"--alt {change}: write KEY=VALUE, for example --alt alerts.material_harm=0.01")
    try:
        changed = _changed(yaml.safe_load(text), key.split("."), yaml.safe_load(value))
    except (yaml.YAMLError, TypeError):
        raise SettingsError(
            f"--alt {change}: cannot be read: the key must lead to a value, the value be YAML"
        ) from None
    one_line = yaml.safe_dump(changed, default_flow_style=True, width=float("inf"))
    try:
        return parse_settings(one_line, f"--alt {change}")
    except SettingsError as fault:
        raise SettingsError(str(fault).replace(f"--alt {change}:1: ", f"--alt {change}: ")) from None


def _changed(tree: Any, path: list[str], value: Any) -> dict[str, Any]:
    """Nested mappings with the value at the end of the path. Raises TypeError where another value is in the way."""
    if not isinstance(tree, dict | None):
        raise TypeError
    head, *rest = path
    return {**(tree or {}), head: _changed((tree or {}).get(head), rest, value) if rest else value}
