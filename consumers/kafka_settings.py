"""Which topics are read, from which brokers, as whom? Checked whole before anything connects; it imports no Kafka."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

PASSWORD_VARIABLE = "REWARD_DRIFT_KAFKA_PASSWORD"  # noqa: S105 - its name

Address = Annotated[str, Field(pattern=r"^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]  # what Kafka allows for topics and instances
Text = Annotated[str, Field(min_length=1, max_length=255)]


def _refuse(problems: Iterator[str]) -> None:
    if found := list(problems):
        raise ValueError("; ".join(found))


def _twice(names: tuple[str, ...] | list[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SecuritySettings(_Section):
    """How we prove who we are, and how the broker does. The password is in a file or in REWARD_DRIFT_KAFKA_PASSWORD."""

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    username: Text | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    @property
    def signs_in(self) -> bool:
        """True if a user name and a password are sent."""
        return self.protocol.startswith("SASL")

    @property
    def is_encrypted(self) -> bool:
        return self.protocol.endswith("SSL")

    def password(self) -> SecretStr | None:
        """The first line of the file, or the environment variable, or None where none is needed.

        Raises OSError if the file cannot be read, ValueError if there is no password.
        """
        if not self.signs_in:
            return None
        if self.password_file is not None:
            word = self.password_file.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
        else:
            word = os.environ.get(PASSWORD_VARIABLE, "")
        if not word:
            raise ValueError(f"no password: set {PASSWORD_VARIABLE}, or write it to the file named by password_file")
        return SecretStr(word)

    def options(self) -> dict[str, Any]:
        """What a client of kafka-python is told. Raises what `password` raises."""
        password = self.password()
        return {
            "security_protocol": self.protocol,
            "sasl_mechanism": self.mechanism,
            "sasl_plain_username": self.username,
            "sasl_plain_password": None if password is None else password.get_secret_value(),
            "ssl_cafile": None if self.ca_file is None else str(self.ca_file),
            "ssl_certfile": None if self.cert_file is None else str(self.cert_file),
            "ssl_keyfile": None if self.key_file is None else str(self.key_file),
        }

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        _refuse(self._misfits())
        return self

    def _misfits(self) -> Iterator[str]:
        for name in ("mechanism", "username"):
            if self.signs_in and getattr(self, name) is None:
                yield f"{self.protocol} needs {name}"
        for name in ("mechanism", "username", "password_file"):
            if not self.signs_in and getattr(self, name) is not None:
                yield f"{name} has no effect with {self.protocol}: use SASL_SSL"
        for name in ("ca_file", "cert_file", "key_file"):
            if not self.is_encrypted and getattr(self, name) is not None:
                yield f"{name} has no effect with {self.protocol}: use SSL or SASL_SSL"
        if self.key_file is not None and self.cert_file is None:
            yield "key_file needs cert_file"


class FloodSettings(_Section):
    """When reading stops because too much is rejected: so many in a row, or such a share of the latest events."""

    rejected_run: int = Field(500, ge=1)
    rejected_ratio: float = Field(0.5, gt=0, le=1)


class RoutedSettings(_Section):
    """Topics to which `reward-drift route` passes feedback on by purpose; None: not passed on."""

    curation: Name | None = "feedback.curation"
    reward: Name | None = "feedback.reward"
    debugging: Name | None = "feedback.debugging"

    @property
    def topics(self) -> list[str]:
        return [topic for topic in (self.curation, self.reward, self.debugging) if topic is not None]


class KafkaSettings(_Section):
    """What is read from Kafka.

    instance: name of this reader for static membership, one of its own for each process; None: dynamic membership.
    batch_records: most records stored in one transaction. start: where a partition is begun that was never read.
    batch_bytes: most bytes that one compressed batch of a producer may have uncompressed.
    """

    bootstrap: tuple[Address, ...] = Field(min_length=1)
    topics: tuple[Name, ...] = Field(min_length=1)
    group: Text = "reward-drift"
    instance: Name | None = None
    batch_records: int = Field(2000, ge=1, le=100_000)
    start: Literal["earliest", "latest"] = "earliest"
    security: SecuritySettings = SecuritySettings()
    session_timeout_seconds: int = Field(45, ge=6, le=1800)
    batch_bytes: int = Field(64 << 20, ge=1 << 20, le=1 << 30)
    limits: FloodSettings = FloodSettings()
    routed: RoutedSettings = RoutedSettings()

    def connection(self) -> dict[str, Any]:
        """How any client of kafka-python reaches the brokers. Raises OSError or ValueError if there is no password."""
        return {"bootstrap_servers": list(self.bootstrap), **self.security.options()}

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        _refuse(self._clashes())
        return self

    def _clashes(self) -> Iterator[str]:
        for topic in _twice(self.topics):
            yield f"topics: {topic} is named twice"
        for topic in sorted({*self.topics} & {*self.routed.topics}):
            yield f"routed: {topic} is among the topics that are read, so its events would go round in circles"
        for topic in _twice(self.routed.topics):
            yield f"routed: {topic} stands for two purposes, which would mix them again"
