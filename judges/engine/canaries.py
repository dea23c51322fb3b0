"""Does the ruler still measure what it measured? A few fixed items, scored again in every run."""

from judges.engine.items import Encoded, Item
from judges.engine.scorer import Ruler

_TOPICS = ("a refund", "a lost password", "a late parcel", "an invoice", "a broken link", "a slow upload")
_ANSWERS = (
    "I am sorry.",
    "Open the settings, choose {topic}, and follow the three steps shown there.",
    "Thank you so much for asking about {topic}! It is a wonderful question, and we are delighted to help you with it.",
    "We cannot help with {topic}.",
)
ITEMS = tuple(
    Item.of(f"canary-{topic}-{number}", f"How do I deal with {topic}?", answer.format(topic=topic))
    for topic in _TOPICS
    for number, answer in enumerate(_ANSWERS)
)


def encoded_canaries(ruler: Ruler) -> list[Encoded]:
    """The canaries as this ruler sees them; those it cannot encode are left out."""
    return [result for result in ruler.encode(ITEMS) if isinstance(result, Encoded)]
