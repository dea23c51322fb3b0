"""How is what is held out kept from becoming training data? Its fingerprints go into the store, which exports obey.

Sets of anchors import nothing that exports, and exports nothing of judges: an import contract holds both to it.
"""

from sqlalchemy import Engine

from consumers.anchored import hold_out
from consumers.fingerprints import SHORTEST, words_of
from judges.anchors import AnchorSet
from judges.held_out.anchor_items import AnchorItem, texts_of


def register_anchors(engine: Engine, anchors: AnchorSet, now_us: int) -> None:
    """Have the store withhold from exports and topics whatever has a prompt of this set, or says a text of it.

    Do so before the set is used for the first time. Again: no effect. now_us: microseconds since 1970-01-01 UTC.
    """
    texts = {anchors.prompt_id(item): telling_texts(item).values() for item in anchors.items}
    hold_out(engine, anchors.digest, texts, now_us)


def telling_texts(item: AnchorItem) -> dict[str, str]:
    """The texts by which an item is known elsewhere, by place: its prompt, and others unless they are short.

    Half the world answers "Paris" or "Yes".
    """
    texts = texts_of(item)
    return {place: one for place, one in texts.items() if place == "prompt" or len(words_of(one)) >= SHORTEST}
