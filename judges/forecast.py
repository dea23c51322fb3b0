"""What will an evaluation cost? Tokens, operations, memory, before a single weight is loaded.

What is not known yet, the length of answers still to be written, is taken at its limit; words that one model writes may
be more tokens to another, so that even this is no bound.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from judges.answering import choices_of, option_id, question_of
from judges.artefacts.contents import weight_files
from judges.artefacts.loading import load_config, load_tokenizer
from judges.artefacts.tensor_header import read_header
from judges.checkpoints import Checkpoint
from judges.engine.costs import Cost, peak_bytes, shape_of, total_cost
from judges.engine.items import Encoded, Item, Unscoreable
from judges.engine.models import Packed, Padded, is_packable
from judges.engine.rendering import Renderer
from judges.engine.scorer import default_size, longest_of
from judges.evaluation import Ask
from judges.evaluation_events import rated_items
from judges.held_out.anchor_items import ChoiceItem


@dataclass(frozen=True)
class Forecast:
    """One stage. items: to be written or scored; left_out: of those, too long or refused. packs: forward passes of
    scoring, 0 of writing. bytes: of the device's memory."""

    stage: str
    items: int
    left_out: int
    packs: int
    cost: Cost
    bytes: int


def forecast(ask: Ask) -> list[Forecast]:
    """The stages of an evaluation in order. Only headers, configurations and tokenizers are read."""
    stages: list[Forecast] = []
    subject = _Model(ask.checkpoint, ask)
    for anchors in ask.sets:
        stage = f"{ask.name} answers {anchors.name}"
        if anchors.kind == "exact":
            stages.append(subject.writing(stage, [question_of(item) for item in anchors.items]))
        elif anchors.kind == "choice":
            options = [
                Item.of(option_id(item, at), item.prompt, text)
                for item in choices_of(anchors)
                for at, text in enumerate(item.options)
            ]
            stages.append(subject.scoring(stage, subject.renderer.answers(options)))
    ruler = _Model(ask.reward, ask)
    return [*stages, ruler.scoring(f"{ask.reward_name} scores {ask.name}", list(ruler.rated()))]


class _Model:
    """What of a model is known without loading it."""

    def __init__(self, checkpoint: Checkpoint, ask: Ask) -> None:
        whole = checkpoint.base or checkpoint
        headers = [read_header(whole.folder / name) for name in weight_files(whole.folder, whole.manifest)]
        tensors = {tensor.name: tensor.shape for header in headers for tensor in header}
        self._ask, self._config = ask, load_config(checkpoint)
        self._shape = shape_of(self._config.to_dict(), tensors)
        self._size = ask.how.size or default_size(ask.place.device.type, self._shape.parameters)
        self._width = ask.place.dtype.itemsize
        longest = min(self._size, longest_of(self._config))
        pairs = any("classifier" in name for name in tensors)  # an encoder's head; a decoder's is called score
        self.renderer = Renderer(load_tokenizer(checkpoint), longest, pairs=pairs)

    def scoring(self, stage: str, results: Sequence[Encoded | Unscoreable]) -> Forecast:
        encoded = [result for result in results if isinstance(result, Encoded)]
        runs = Packed(None, self._size, share=self._ask.how.share) if is_packable(self._config) else None
        packs = (runs or Padded(None, self._size)).plan(encoded)
        memory = peak_bytes(self._shape, self._size, self._width)
        cost = total_cost(packs, encoded, self._shape)
        return Forecast(stage, len(results), len(results) - len(encoded), len(packs), cost, memory)

    def writing(self, stage: str, questions: Sequence[Item]) -> Forecast:
        renderer = replace(self.renderer, longest=longest_of(self._config) - self._ask.max_new_tokens)
        lengths = [len(r.tokens) for r in renderer.questions(questions) if isinstance(r, Encoded)]
        tokens = sum(lengths) + len(lengths) * self._ask.max_new_tokens
        memory = peak_bytes(self._shape, max(lengths, default=0) * 32, self._width)
        cost = Cost(2.0 * self._shape.body * tokens, tokens, tokens, tokens)
        return Forecast(stage, len(questions), len(questions) - len(lengths), 0, cost, memory)

    def rated(self) -> Iterator[Encoded | Unscoreable]:
        """What the reward model will have to score: an unwritten answer at its limit, a choice at its longest."""
        yield from self.renderer.conversations(rated_items(self._ask.sets, []))
        for anchors in self._ask.sets:
            if anchors.kind == "choice":
                longest = [Item.of(item.item_id, item.prompt, _longest(item)) for item in choices_of(anchors)]
                yield from self.renderer.conversations(longest)
            elif anchors.kind == "exact":
                questions = self.renderer.questions([question_of(item) for item in anchors.items])
                yield from (self._answered(r) if isinstance(r, Encoded) else r for r in questions)

    def _answered(self, question: Encoded) -> Encoded:
        room = min(self._ask.max_new_tokens, self.renderer.longest - len(question.tokens))
        return replace(question, tokens=np.append(question.tokens, np.zeros(room, np.int32)))


def _longest(item: ChoiceItem) -> str:
    return max(item.options, key=len)
