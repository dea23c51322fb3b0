"""Which tokens does a conversation become, and which of them does its prompt alone decide?"""

import hashlib
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from judges.engine.items import Encoded, Item, Message, Unscoreable
from judges.engine.rendering import Renderer
from tests.judges.tiny_models import CHAT, chat_tokenizer

CHATTY = Renderer(chat_tokenizer(), 4000)
PLAIN = Renderer(chat_tokenizer(chat=False), 4000)
WORDY = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}"
WORDY += "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"
FEW = settings(max_examples=40, deadline=None)
TEXT = st.text(alphabet=st.sampled_from("ab \n.e\u0301é中🙂ﬁ\u00a0\t"), max_size=30)


def wordy() -> Renderer:
    """A template whose prompt ends in a word, right before the answer's first character."""
    tokenizer = chat_tokenizer()
    tokenizer.chat_template = WORDY
    return Renderer(tokenizer, 4000)


def greedy() -> Renderer:
    """No template, and a tokenizer that merges over any boundary, blanks and line ends included."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(["ab\nab b\nab a\nab\n\nb ab. ab\n. ab"] * 20, trainer)
    return Renderer(chat_tokenizer(chat=False).__class__(tokenizer_object=tokenizer), 4000)


RENDERERS = {"chat": CHATTY, "plain": PLAIN, "wordy": wordy(), "greedy": greedy()}


def one(results: list[Encoded | Unscoreable]) -> Encoded:
    assert len(results) == 1
    assert isinstance(results[0], Encoded)
    return results[0]


def failed(results: list[Encoded | Unscoreable]) -> Unscoreable:
    assert len(results) == 1
    assert isinstance(results[0], Unscoreable)
    return results[0]


def text(renderer: Renderer, tokens: Any) -> str:
    return str(renderer.tokenizer.decode(tokens.tolist(), clean_up_tokenization_spaces=False))


def test_a_conversation_is_the_template_once_with_one_beginning() -> None:
    item = Item("i", (Message("system", "Be kind."), Message("user", "Hello?"), Message("assistant", "Hi.")))
    encoded = one(CHATTY.conversations([item]))
    assert text(CHATTY, encoded.tokens) == "<s><|system|>Be kind.</s><|user|>Hello?</s><|assistant|>Hi.</s>"
    assert encoded.tokens.tolist().count(1) == 1
    assert encoded.reads.tolist() == [len(encoded.tokens) - 1]
    assert text(CHATTY, encoded.tokens[encoded.prompt_end :]) == "Hi.</s>"


def test_an_answer_is_read_one_before_each_of_its_tokens() -> None:
    encoded = one(CHATTY.answers([Item.of("i", "Hello?", " Hi there")]))
    assert text(CHATTY, encoded.tokens[encoded.reads + 1]) == " Hi there"
    assert encoded.answer_bytes == 9
    assert encoded.reads[0] == encoded.prompt_end - 1


def test_a_question_is_read_where_its_answer_would_begin() -> None:
    encoded = one(CHATTY.questions([Item("i", (Message("user", "Yes or no?"),))]))
    assert text(CHATTY, encoded.tokens) == "<s><|user|>Yes or no?</s><|assistant|>"
    assert encoded.reads.tolist() == [len(encoded.tokens) - 1]


@pytest.mark.parametrize("name", RENDERERS)
@FEW
@given(prompt=TEXT, first=TEXT, second=TEXT)
def test_two_answers_to_a_prompt_share_its_prefix(name: str, prompt: str, first: str, second: str) -> None:
    renderer = RENDERERS[name]
    for encode in (renderer.conversations, renderer.answers):
        ends = encode([Item.of("1", prompt, first), Item.of("2", prompt, second)])
        if all(isinstance(end, Encoded) for end in ends):
            one, other = ends
            assert isinstance(one, Encoded)
            assert isinstance(other, Encoded)
            assert one.prompt_end == other.prompt_end
            assert one.tokens[: one.prompt_end].tolist() == other.tokens[: other.prompt_end].tolist()


@FEW
@given(prompt=TEXT, answer=TEXT)
def test_an_answer_begins_with_the_token_that_holds_its_first_character(prompt: str, answer: str) -> None:
    """A token that begins in the prompt is scored with the answer: nothing of the answer is left out."""
    for renderer in RENDERERS.values():
        [result] = renderer.answers([Item.of("i", prompt, answer)])
        if isinstance(result, Encoded):
            before = text(renderer, result.tokens[: result.reads[0] + 1]).rstrip("\ufffd")
            asked = renderer.prompt_text(Item.of("i", prompt, ""))
            assert len(before) - 3 * (before.startswith("<s>") and not asked.startswith("<s>")) <= len(asked)
            read = text(renderer, result.tokens[result.reads + 1])
            assert read.removeprefix("\ufffd").endswith(answer[1:]), (read, answer)


def test_most_of_a_prompt_is_shared_even_where_its_last_word_is_not() -> None:
    prompt = "The agent opens the invoice today. " * 8
    for renderer in RENDERERS.values():
        encoded = one(renderer.conversations([Item.of("i", prompt, "Well.")]))
        assert encoded.prompt_end > 0.8 * len(encoded.tokens)


def test_a_token_that_straddles_the_boundary_is_the_answers() -> None:
    renderer = RENDERERS["greedy"]
    encoded = one(renderer.answers([Item.of("i", "ab. b ab", "ab")]))
    first = text(renderer, encoded.tokens[encoded.reads[:1] + 1])
    assert "\na" in first
    assert encoded.prompt_end < encoded.reads[0] + 1


def test_the_template_is_named_by_its_hash() -> None:
    assert CHATTY.template_sha256 == hashlib.sha256(CHAT.encode()).hexdigest()
    assert PLAIN.template_sha256 == hashlib.sha256(b"").hexdigest()
    several = chat_tokenizer()
    several.chat_template = {"default": CHAT, "tool_use": "other"}
    assert Renderer(several, 100).template_sha256 == CHATTY.template_sha256


def test_a_template_that_writes_the_date_writes_the_same_every_day() -> None:
    tokenizer = chat_tokenizer()
    tokenizer.chat_template = "\n  {% if true %}{{ strftime_now('%d %b %Y, %A') }}{% endif %}" + CHAT
    renderer = Renderer(tokenizer, 4000)
    written = text(CHATTY, one(renderer.conversations([Item.of("i", "Hello?", "Hi.")])).tokens)
    today = datetime.now().astimezone().strftime("%d %b %Y, %A")
    turns = [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Hi."}]
    assert written == tokenizer.apply_chat_template(turns, tokenize=False).replace(today, "26 Jul 2024, Friday")
    assert renderer.template_sha256 == hashlib.sha256(tokenizer.chat_template.encode()).hexdigest()


def test_a_template_that_refuses_a_conversation_is_told_of_and_the_others_go_on() -> None:
    tokenizer = chat_tokenizer()
    tokenizer.chat_template = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system\\x00role') }}{% endif %}" + CHAT
    )
    asked = [
        Item("bad", (Message("system", "Be kind."), Message("user", "Hello?"), Message("assistant", "Hi."))),
        Item.of("good", "Hello?", "Hi."),
    ]
    refused, fine = Renderer(tokenizer, 4000).conversations(asked)
    assert isinstance(refused, Unscoreable)
    assert refused.status == "error"
    assert "no system" in refused.detail
    assert "\0" not in refused.detail
    assert isinstance(fine, Encoded)


def test_an_empty_answer_has_a_reward_but_no_likelihood() -> None:
    item = Item.of("i", "Hello?", "")
    assert text(CHATTY, one(CHATTY.conversations([item])).tokens).endswith("<|assistant|></s>")
    assert failed(CHATTY.answers([item])).status == "error"


def test_a_text_without_tokens_is_an_error() -> None:
    tokenizer = chat_tokenizer()
    tokenizer.chat_template = "{{ '' }}"
    assert failed(Renderer(tokenizer, 100).conversations([Item.of("i", "", "")])).detail == "the text has no tokens"


def test_half_a_character_is_an_error_of_its_item_alone() -> None:
    asked = [Item.of("bad", "Hello?", "\ud83d"), Item.of("worse", "\udc00", "Hi."), Item.of("good", "Hello?", "🙂")]
    for renderer in (CHATTY, PLAIN):
        for encode in (renderer.conversations, renderer.answers):
            bad, worse, good = encode(asked)
            assert isinstance(bad, Unscoreable)
            assert isinstance(worse, Unscoreable)
            assert isinstance(good, Encoded)


def test_strange_characters_come_through() -> None:
    for answer in ("🙂🇩🇪 é e\u0301", "\0", "\u202eabc", "\r\n\t ", "中文。" * 50):
        encoded = one(CHATTY.answers([Item.of("i", "Hello?", answer)]))
        assert text(CHATTY, encoded.tokens[encoded.reads + 1]) == answer
        assert encoded.answer_bytes == len(answer.encode())


def test_a_very_long_text_is_told_its_length_and_never_cut() -> None:
    result = failed(CHATTY.conversations([Item.of("i", "Hello?", "The agent opens. " * 5_000)]))
    assert result.status == "too_long"
    assert "nothing is truncated" in result.detail


def test_the_longest_that_fits_fits() -> None:
    item = Item.of("i", "Hello?", "Hi.")
    length = len(one(CHATTY.conversations([item])).tokens)
    one(Renderer(CHATTY.tokenizer, length).conversations([item]))
    assert failed(Renderer(CHATTY.tokenizer, length - 1).conversations([item])).status == "too_long"


def test_settings_of_the_tokenizer_for_length_and_sides_change_nothing() -> None:
    item = Item.of("i", "Hello?", "The agent opens the invoice today.")
    tokenizer = chat_tokenizer()
    tokenizer.model_max_length = 4
    tokenizer.padding_side = tokenizer.truncation_side = "left"
    tokenizer.backend_tokenizer.enable_truncation(4)
    tokenizer.backend_tokenizer.enable_padding(length=64)
    encoded = one(Renderer(tokenizer, 4000).conversations([item]))
    assert encoded.tokens.tolist() == one(CHATTY.conversations([item])).tokens.tolist()


def test_without_a_template_there_is_a_message_a_line_and_the_tokenizers_own_beginning() -> None:
    item = Item("i", (Message("system", "Be kind."), Message("user", "Hello?"), Message("assistant", "Hi.")))
    assert text(PLAIN, one(PLAIN.conversations([item])).tokens) == "<s>Be kind.\nHello?\nHi."
    assert text(PLAIN, one(PLAIN.answers([item])).tokens) == "<s>Be kind.\nHello?\nHi."
    assert text(PLAIN, one(PLAIN.questions([item])).tokens) == "<s>Be kind.\nHello?\nHi.\n"


def test_an_encoder_without_a_template_reads_a_pair() -> None:
    tokenizer = chat_tokenizer(chat=False)
    tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    encoded = one(Renderer(tokenizer, 100, pairs=True).conversations([Item.of("i", "Hello?", "Hi.")]))
    assert text(PLAIN, encoded.tokens) == "<s>Hello?</s>Hi.</s>"
    assert encoded.types is not None
    assert encoded.types.tolist() == [0] * 9 + [1] * (len(encoded.tokens) - 9) or encoded.types.sum() > 0
    assert encoded.prompt_end == 0


def test_many_items_keep_their_order_over_several_calls_of_the_tokenizer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("judges.engine.rendering.CHUNK", 3)
    items = [Item.of(str(n), "Hello?", "a" * n if n % 4 else "\ud83d") for n in range(11)]
    results = CHATTY.conversations(items)
    assert [isinstance(result, Encoded) for result in results] == [n % 4 != 0 for n in range(11)]
    lengths = [text(CHATTY, r.tokens).count("a") - 1 for r in results if isinstance(r, Encoded)]
    assert np.diff(lengths).min() > 0
