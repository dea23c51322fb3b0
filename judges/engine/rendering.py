"""Which tokens does a model see? The tokenizer's own chat template, once, whole, with one beginning-of-text token.

Nothing is ever truncated: a text that is too long has no score, and says so. Imports no torch.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np

from consumers.chunks import in_chunks
from judges.engine.items import Encoded, IntArray, Item, Unscoreable

CHUNK = 4096  # texts a call of the tokenizer: its cost per call is then nothing
TODAY = datetime(2024, 7, 26, tzinfo=UTC)  # what a template that writes the date is told: a score hangs on no calendar
_CODES = ["%-d", "%d", "%m", "%b", "%B", "%y", "%Y", "%H", "%I", "%M", "%S", "%p", "%j", "%a", "%A"]
_ALWAYS_TODAY = (
    "{% macro strftime_now(format) %}{{ format"
    + "".join(f" | replace('{code}', '{TODAY.strftime(code)}')" for code in _CODES)
    + " }}{% endmacro %}\n"
)

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
        return hashlib.sha256(self._chat.encode()).hexdigest()

    @property
    def adds_special_tokens(self) -> bool:
        """A chat template writes the special tokens itself; adding them again would double the first."""
        return not self._chat

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
        if not self._chat:
            plain = self._plain(messages)
            return plain if opens_answer else plain.removesuffix("\n")
        turns = [message._asdict() for message in messages]
        text: str = self.tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=opens_answer, chat_template=self._dated_chat
        )
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
            return_token_type_ids=self.pairs and "token_type_ids" in self.tokenizer.model_input_names,
            verbose=False,
        )

    def _encoded(self, tokenized: Any, number: int, rendered: Rendered, reads: Callable[[int, int], Any]) -> Result:
        tokens = np.array(tokenized["input_ids"][number], np.int32)
        if not len(tokens):
            return Unscoreable("error", "the text has no tokens")
        if len(tokens) > self.longest:
            return Unscoreable("too_long", f"{len(tokens)} tokens, {self.longest} at most; nothing is truncated")
        first = _token_at(tokenized, number, rendered, rendered.prompt_chars, len(tokens))
        types = np.array(tokenized["token_type_ids"][number], np.int32) if "token_type_ids" in tokenized else None
        where = reads(len(tokens), first)
        if not len(where) or where[0] < 0:
            return Unscoreable("error", "the answer has no token that something stands before")
        prompt_end = self._prompt_end(tokenized, number, rendered, tokens, first)
        return Encoded(tokens, prompt_end, where, len(rendered.answer.encode()), types)

    def _prompt_end(self, tokenized: Any, number: int, rendered: Rendered, tokens: IntArray, first: int) -> int:
        """How many tokens no answer can change. A special token ends what comes before it; elsewhere the prompt's last
        word may be cut into tokens according to what the answer begins with, so it does not count."""
        if first == 0 or int(tokens[first - 1]) in self._special:
            return first
        words = rendered.text[: rendered.prompt_chars].rsplit(None, 1)
        return min(first, _token_at(tokenized, number, rendered, len(words[0]), first)) if len(words) == 2 else 0

    @cached_property
    def _chat(self) -> str:
        return str(self.tokenizer.get_chat_template()) if self.tokenizer.chat_template else ""

    @cached_property
    def _dated_chat(self) -> str:
        return _ALWAYS_TODAY + self._chat if "strftime_now" in self._chat else self._chat

    @cached_property
    def _special(self) -> frozenset[int]:
        return frozenset(self.tokenizer.added_tokens_decoder)


def _rendered(render: Callable[[Item], Rendered], item: Item) -> Rendered | Unscoreable:
    """A template may refuse a conversation, say one with a system message, and a tokenizer half a character."""
    try:
        rendered = render(item)
        for text in (rendered.text, rendered.answer):
            text.encode()
    except UnicodeEncodeError as error:
        return Unscoreable("error", f"the text is not Unicode: {error.reason}")
    except Exception as error:
        return Unscoreable("error", f"the chat template refuses this conversation: {error!r}"[:500])
    return rendered


def _token_at(tokenized: Any, number: int, rendered: Rendered, char: int, length: int) -> int:
    """The token that holds a character of the text. One that begins in the prompt and ends in the answer is thus the
    answer's. Blanks may belong to no token, so the next character is asked then; `length` where none is left."""
    if rendered.pair is not None:
        return 0
    for at in range(char, len(rendered.text)):
        token: int | None = tokenized.char_to_token(number, at)
        if token is not None:
            return token
    return length
