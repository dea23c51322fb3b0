"""Where do alerts go? Receivers by name; what is secret of them stands in the environment or in a file."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, FiniteFloat, model_validator

from monitor.oncall.alerts import SEVERITIES
from monitor.section import Name, Section

Severity = Literal["ticket", "warning", "page"]
Variable = Annotated[str, Field(pattern=r"^REWARD_DRIFT_[A-Z0-9_]+$")]
ReceiverName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
SECRET_URL = ("slack", "apprise")  # the URL itself lets anybody send
NEEDS_SECRET = ("pagerduty",)
TOKEN = re.compile(r"(?=[^/]*\d)[A-Za-z0-9_-]{20,}")


class ReceiverSettings(Section):
    """One place that alerts go to.

    url, url_env, url_file: where it is; in this file only if nothing in it is secret. secret_env, secret_file: the
    routing key of pagerduty, the signing secret of a webhook, the bearer token of an alertmanager. severities: what it
    is told. fallback: the receiver that gets what this one does not take. allow_private: addresses inside may be
    dialled. timeout_seconds: for one message, from the first step to the answer.
    """

    name: ReceiverName
    kind: Literal["alertmanager", "apprise", "pagerduty", "slack", "stdout", "webhook"]
    url: Name | None = None
    url_env: Variable | None = None
    url_file: Path | None = None
    secret_env: Variable | None = None
    secret_file: Path | None = None
    severities: tuple[Severity, ...] = Field(("ticket", "warning", "page"), min_length=1)
    fallback: ReceiverName | None = None
    allow_private: bool = False
    timeout_seconds: Annotated[FiniteFloat, Field(gt=0, le=60)] = 10.0

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        places = [key for key in ("url", "url_env", "url_file") if getattr(self, key)]
        if len(places) > 1 or (self.secret_env and self.secret_file):
            raise ValueError("name one of url, url_env and url_file, and one of secret_env and secret_file")
        if not places and self.kind not in ("stdout", "pagerduty"):
            raise ValueError(f"a receiver of kind {self.kind} needs url, url_env or url_file")
        if self.kind in NEEDS_SECRET and not (self.secret_env or self.secret_file):
            raise ValueError(f"a receiver of kind {self.kind} needs secret_env or secret_file")
        if self.url and (why := _why_secret(self.kind, self.url)):
            raise ValueError(f"url: {why}; put it in a variable and name that: url_env: REWARD_DRIFT_...")
        return self

    @model_validator(mode="after")
    def _falls_back_on_another(self) -> Self:
        if self.fallback == self.name:
            raise ValueError("fallback names the receiver itself")
        return self

    def __str__(self) -> str:
        """Without secrets: what it is, where its secrets are, what it is told."""
        where = self.url or self.url_env or self.url_file or ""
        only = "" if len(self.severities) == len(SEVERITIES) else f", {' and '.join(self.severities)} only"
        spare = f", then {self.fallback}" if self.fallback else ""
        return f"{self.name}: {self.kind}{f' at {where}' if where else ''}{only}{spare}"


def check_receivers(receivers: tuple[ReceiverSettings, ...]) -> tuple[ReceiverSettings, ...]:
    """Raises ValueError unless names differ and every fallback is one of them."""
    names = [one.name for one in receivers]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two receivers are named {', '.join(twice)}")
    if unknown := sorted({one.fallback for one in receivers if one.fallback and one.fallback not in names}):
        raise ValueError(f"fallback {', '.join(unknown)} is none of the receivers {', '.join(names)}")
    return receivers


def _why_secret(kind: str, url: str) -> str | None:
    """Why a URL does not belong into a settings file, None if it does."""
    parts = urlsplit(url)
    if kind in SECRET_URL:
        return f"whoever reads a URL of kind {kind} can send there"
    if "@" in parts.netloc:
        return "it holds a password"
    if parts.query or parts.fragment:
        return "what follows ? or # is often a token"
    return "it holds what looks like a token" if TOKEN.search(parts.path) else None
