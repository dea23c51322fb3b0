"""Every fault of the Kafka settings is named before anything connects, and no password is ever written down."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from consumers.kafka_settings import PASSWORD_VARIABLE, KafkaSettings, SecuritySettings

LEAST: dict[str, Any] = {"bootstrap": ["kafka:9092"], "topics": ["events"]}
SIGNED: dict[str, Any] = {"protocol": "SASL_SSL", "mechanism": "PLAIN", "username": "monitor"}


def settings(**changes: Any) -> KafkaSettings:
    return KafkaSettings.model_validate({**LEAST, **changes})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"bootstrap": []}, ["bootstrap"]),
        ({"bootstrap": ["kafka"]}, ["bootstrap.0"]),
        ({"topics": ["a b"]}, ["topics.0"]),
        ({"password": "x"}, ["password", "not permitted"]),
        ({"topics": ["a", "a"], "routed": {"reward": "a"}}, ["a is named twice", "routed: a is among the topics"]),
        ({"routed": {"reward": "x", "curation": "x"}}, ["x stands for two purposes"]),
        ({"security": {"protocol": "SASL_SSL"}}, ["SASL_SSL needs mechanism", "SASL_SSL needs username"]),
        ({"security": {"ca_file": "ca.pem", "username": "u"}}, ["ca_file has no effect", "username has no effect"]),
        ({"security": {"protocol": "SSL", "key_file": "key.pem"}}, ["key_file needs cert_file"]),
        ({"limits": {"rejected_ratio": 0}, "batch_records": 0}, ["limits.rejected_ratio", "batch_records"]),
    ],
)
def test_every_fault_is_named(changes: dict[str, Any], said: list[str]) -> None:
    with pytest.raises(ValidationError) as fault:
        settings(**changes)
    assert all(part in str(fault.value) for part in said)


def test_the_password_comes_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    secret = tmp_path / "password"
    secret.write_text("from a file\r\n")
    with pytest.raises(ValueError, match=PASSWORD_VARIABLE):
        SecuritySettings(**SIGNED).password()
    monkeypatch.setenv(PASSWORD_VARIABLE, "from the environment")
    assert SecuritySettings(**SIGNED).options()["sasl_plain_password"] == "from the environment"
    from_file = SecuritySettings(**SIGNED, password_file=secret)
    assert from_file.options()["sasl_plain_password"] == "from a file"
    assert "from" not in repr(from_file.password())
    assert SecuritySettings().options()["sasl_plain_password"] is None
