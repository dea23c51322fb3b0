"""Of which tokens are the texts of a small world made?

Byte-level BPE learned from the texts, so that any text can be written, and whole sentences as tokens of their own: an
answer made of known sentences is a dozen tokens long, and a model can be trained on thousands of them in seconds.
"""

from collections.abc import Iterable, Sequence

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

PAD, END, ANSWER = "<pad>", "<end>", "<assistant>"
SPECIALS = (PAD, END, "<system>", "<user>", ANSWER)
VOCABULARY = 512  # of the BPE, sentences not counted: every byte, the special tokens, some 250 merges
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<' + message['role'] + '>' + message['content'] + '<end>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}"
)


def learn_tokenizer(
    texts: Iterable[str], *, openings: Sequence[str] = (), sentences: Sequence[str] = ()
) -> PreTrainedTokenizerFast:
    """A tokenizer with a chat template for the roles system, user and assistant.

    openings: one token each, wherever they stand. sentences: one token each, with the blank before it, where one is.
    The same texts, openings and sentences give the same tokenizer.
    Raises ValueError for an opening or sentence that is empty or that begins or ends with a blank.

    >>> tokenizer = learn_tokenizer(["How do I pay?"], openings=["Hello."], sentences=["Press Retry.", "I am sorry."])
    >>> tokenizer.tokenize("<assistant>Hello. I am sorry. Press Retry.<end>")
    ['<assistant>', 'Hello.', ' I am sorry.', ' Press Retry.', '<end>']
    >>> tokenizer.decode(tokenizer.encode("Naïve? Press Retry."))
    'Naïve? Press Retry.'
    """
    wrong = [text for text in (*openings, *sentences) if not text or text != text.strip()]
    if wrong:
        raise ValueError(f"a sentence begins and ends with something other than a blank, got {wrong[0]!r}")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    whole = dict.fromkeys([*openings, *(f" {sentence}" for sentence in sentences)])
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in whole])
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=END, padding_side="right"
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast
