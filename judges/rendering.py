"""Which tokens does a model see? The tokenizer's own chat template, once, whole, with one beginning-of-text token.

Nothing is ever truncated: a text that is too long has no score, and says so. Imports no torch.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from consumers.chunks import in_chunks
from judges.items import Encoded, Item, Unscoreable

CHUNK = 4096  # texts a call of the tokenizer: its cost per call is then nothing

Result = Encoded | Unscoreable


@dataclass(frozen=True)
class Rendered:
    """A text and how many of its leading characters are the prompt. pair: an encoder's second text, its answer."""

    text: str
    prompt_chars: int
    answer: str
    pair: str | None = None


@dataclass(frozen=True)
class Renderer:
    """Turns items into tokens. tokenizer: a fast one of transformers. longest: tokens a score may need at most."""

    tokenizer: Any
    longest: int
    pairs: bool = False  # an encoder without a template reads question and answer as two texts

    @property
    def template_sha256(self) -> str:
        """Hash of the chat template; of nothing where there is none."""
        return hashlib.sha256((self.tokenizer.chat_template or "").encode()).hexdigest()

    @property
    def adds_special_tokens(self) -> bool:
        """A chat template writes the special tokens itself; adding them again would double the first."""
        return not self.tokenizer.chat_template

    def conversations(self, items: Sequence[Item]) -> list[Result]:
        """The whole conversation, read at its last token: what a reward model scores."""
        return self._encode(items, self._conversation, lambda n, _: np.array([n - 1], np.int32))

    def answers(self, items: Sequence[Item]) -> list[Result]:
        """The prompt, ready for an answer, and the answer; read where each token of the answer is foretold."""
        return self._encode(items, self._answer, lambda n, first: np.arange(first - 1, n - 1, dtype=np.int32))

    def questions(self, items: Sequence[Item]) -> list[Result]:
        """All messages are the question; read where the first token of an answer is foretold."""
        return self._encode(items, self._question, lambda n, _: np.array([n - 1], np.int32))

    def prompt_text(self, item: Item) -> str:
        """The prompt as the model is given it to write on."""
        return self._template(item.prompt, opens_answer=True)

    def _conversation(self, item: Item) -> Rendered:
        if self.pairs and self.adds_special_tokens:
            return Rendered(self._plain(item.prompt).rstrip("\n"), 0, item.answer, pair=item.answer)
        whole, prompt = self._template(item.messages), self._template(item.prompt, opens_answer=True)
        return Rendered(whole, len(prompt) if whole.startswith(prompt) else 0, item.answer)

    def _answer(self, item: Item) -> Rendered:
        prompt = self.prompt_text(item)
        return Rendered(prompt + item.answer, len(prompt), item.answer)

    def _question(self, item: Item) -> Rendered:
        text = self._template(item.messages, opens_answer=True)
        return Rendered(text, len(text), "")

    def _template(self, messages: Sequence[Any], *, opens_answer: bool = False) -> str:
        if not self.tokenizer.chat_template:
            plain = self._plain(messages)
            return plain if opens_answer else plain.removesuffix("\n")
        turns = [message._asdict() for message in messages]
        text: str = self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=opens_answer)
        return text

    def _plain(self, messages: Sequence[Any]) -> str:
        """Without a template: one message a line."""
        return "".join(f"{message.content}\n" for message in messages)

    def _encode(
        self, items: Sequence[Item], render: Callable[[Item], Rendered], reads: Callable[[int, int], Any]
    ) -> list[Result]:
        return [result for chunk in in_chunks(items, CHUNK) for result in self._encode_chunk(chunk, render, reads)]

    def _encode_chunk(
        self, items: Sequence[Item], render: Callable[[Item], Rendered], reads: Callable[[int, int], Any]
    ) -> Iterator[Result]:
        rendered = [_rendered(render, item) for item in items]
        good = [r for r in rendered if isinstance(r, Rendered)]
        tokenized = self._tokenize(good) if good else None
        number = 0
        for result in rendered:
            if isinstance(result, Unscoreable):
                yield result
                continue
            yield self._encoded(tokenized, number, result, reads)
            number += 1

    def _tokenize(self, rendered: Sequence[Rendered]) -> Any:
        texts, pairs = [r.text for r in rendered], [r.pair for r in rendered]
        return self.tokenizer(
            texts,
            None if pairs[0] is None else pairs,
            add_special_tokens=self.adds_special_tokens,
            padding=False,
            truncation=False,
            return_attention_mask=False,
            return_token_type_ids=self.pairs,
            verbose=False,
        )

    def _encoded(self, tokenized: Any, number: int, rendered: Rendered, reads: Callable[[int, int], Any]) -> Result:
        tokens = np.array(tokenized["input_ids"][number], np.int32)
        if not len(tokens):
            return Unscoreable("error", "the text has no tokens")
        if len(tokens) > self.longest:
            return Unscoreable("too_long", f"{len(tokens)} tokens, {self.longest} at most; nothing is truncated")
        first = _first_answer_token(tokenized, number, rendered, len(tokens))
        types = np.array(tokenized["token_type_ids"][number], np.int32) if "token_type_ids" in tokenized else None
        where = reads(len(tokens), first)
        if not len(where) or where[0] < 0:
            return Unscoreable("error", "the answer has no token that something stands before")
        return Encoded(tokens, first, where, len(rendered.answer.encode()), types)


def _rendered(render: Callable[[Item], Rendered], item: Item) -> Rendered | Unscoreable:
    """A template may refuse a conversation, for instance one with a system message."""
    try:
        return render(item)
    except Exception as error:
        return Unscoreable("error", f"the chat template refuses this conversation: {error}"[:500])


def _first_answer_token(tokenized: Any, number: int, rendered: Rendered, length: int) -> int:
    """The token that holds the answer's first character; a token that begins in the prompt and ends in the answer is
    the answer's. Blanks may belong to no token, so the next character is asked then."""
    if rendered.pair is not None:
        return 0
    for at in range(rendered.prompt_chars, len(rendered.text)):
        token: int | None = tokenized.char_to_token(number, at)
        if token is not None:
            return token
    return length
