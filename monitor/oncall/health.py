"""How do receivers fare? When each took something last, since when it fails, and whether that was told."""

from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text

READ = "SELECT receiver, failing_since_us, failures, told_key, last_sent_us FROM receiver_health"
SAVE = """
    INSERT INTO receiver_health (receiver, failing_since_us, failures, told_key, last_sent_us)
    VALUES (:receiver, :failing_since_us, :failures, :told_key, :last_sent_us)
    ON CONFLICT (receiver) DO UPDATE SET failing_since_us = :failing_since_us, failures = :failures,
        told_key = :told_key, last_sent_us = :last_sent_us
"""


@dataclass(frozen=True)
class Health:
    """One receiver. Times are microseconds since 1970-01-01 UTC.

    failures: in a row, since `failing_since_us`. told_key: the alert that says so, as long as it is open.
    """

    receiver: str
    failing_since_us: int | None = None
    failures: int = 0
    told_key: str | None = None
    last_sent_us: int | None = None

    def after_success(self, now_us: int) -> "Health":
        """It took something."""
        return Health(self.receiver, last_sent_us=now_us)

    def after_failure(self, now_us: int) -> "Health":
        """It took nothing."""
        since = now_us if self.failing_since_us is None else self.failing_since_us
        return Health(self.receiver, since, self.failures + 1, self.told_key, self.last_sent_us)


def read_health(engine: Engine) -> dict[str, Health]:
    """Every receiver that was ever tried, by name."""
    with engine.connect() as connection:
        return {row["receiver"]: Health(**row) for row in connection.execute(text(READ)).mappings()}


def save_health(connection: Connection, health: Health) -> None:
    """Keep it, in the caller's transaction."""
    connection.execute(text(SAVE), vars(health))
