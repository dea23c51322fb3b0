"""Which tables does the dashboard keep? Steps of the chain "web": appended, never edited."""

from sqlalchemy import BigInteger, Column, Connection, ForeignKey, Integer, MetaData, String, Table

CHAIN = "web"


def _create_tables(connection: Connection) -> None:
    metadata = MetaData()
    Table(
        "web_token",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("name", String, nullable=False),
        Column("digest", String, nullable=False, unique=True),
        Column("scope", String, nullable=False),
        Column("created_us", BigInteger, nullable=False),
        Column("expires_us", BigInteger),
        Column("revoked_us", BigInteger),
    )
    Table(
        "web_session",
        metadata,
        Column("digest", String, primary_key=True),
        Column("token", Integer, ForeignKey("web_token.id"), nullable=False),
        Column("expires_us", BigInteger, nullable=False),
    )
    metadata.create_all(connection, checkfirst=False)


MIGRATIONS = (_create_tables,)
