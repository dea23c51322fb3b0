"""What did the judges' cards say when they were last made? Kept whole, so that no page reads judgments again."""

from typing import Any

import msgspec
import numpy as np
from sqlalchemy import Engine, text

from consumers.database import migrate, reading, writing
from monitor.judging.judge_card import Cards
from monitor.telling.page_migrations import CHAIN, MIGRATIONS

SAVE = """
    INSERT INTO judge_cards (loop, content) VALUES (:loop, :content)
    ON CONFLICT (loop) DO UPDATE SET content = :content
"""
READ = "SELECT content FROM judge_cards WHERE loop = :loop"


def save_cards(engine: Engine, cards: Cards) -> None:
    """Keep the cards of a loop in the place of those before."""
    migrate(engine, CHAIN, MIGRATIONS)
    content = msgspec.json.encode(cards, enc_hook=_plain).decode()
    with writing(engine) as connection:
        connection.execute(text(SAVE), {"loop": cards.loop, "content": content})


def read_cards(engine: Engine, loop: str) -> Cards | None:
    """The cards as last made; None before the first, and where another release made them in a shape of its own."""
    with reading(engine) as connection:
        if not engine.dialect.has_table(connection, "judge_cards"):
            return None
        content = connection.execute(text(READ), {"loop": loop}).scalar()
    try:
        return None if content is None else msgspec.json.decode(content, type=Cards)
    except msgspec.ValidationError:
        return None


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise NotImplementedError(f"a {type(value).__name__} stands on no card")
