"""Is a plan complete, tight, and the same for an item whatever its company?"""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judges.engine.items import SPLIT_STEP, Encoded
from judges.engine.packing import Group, lay_out, plan_packs

SIZE = 96
FEW = settings(max_examples=30, deadline=None)


def item(tokens: list[int], prompt_end: int, reads: list[int]) -> Encoded:
    return Encoded(np.array(tokens, np.int32), prompt_end, np.array(reads, np.int32))


@st.composite
def encoded(draw: st.DrawFn) -> list[Encoded]:
    """Items over few prompts, some of them equal, some prompts the beginning of others."""
    prompts = draw(st.lists(st.lists(st.integers(1, 2), max_size=60), min_size=1, max_size=4))
    items = []
    for _ in range(draw(st.integers(0, 14))):
        prompt = draw(st.sampled_from(prompts))
        answer = draw(st.lists(st.integers(1, 9), min_size=0 if prompt else 1, max_size=SIZE - len(prompt)))
        tokens = prompt + answer
        reads = draw(st.sets(st.integers(0, len(tokens) - 1), min_size=1, max_size=5))
        items.append(item(tokens, len(prompt), sorted(reads)))
    return items


@FEW
@given(encoded(), st.booleans())
def test_every_item_is_in_one_pack_once_and_no_pack_is_overfull(items: list[Encoded], share: bool) -> None:
    packs = plan_packs(items, SIZE, share=share)
    assert Counter(at for pack in packs for at in pack.members) == Counter(range(len(items)))
    for pack in packs:
        own = sum(len(items[at].tokens) - group.prefix for group in pack.groups for at in group.members)
        assert pack.tokens == own + sum(group.prefix for group in pack.groups) <= pack.size == SIZE


@FEW
@given(encoded(), st.booleans())
def test_a_group_shares_exactly_the_canonical_prefix_of_each_of_its_members(items: list[Encoded], share: bool) -> None:
    for pack in plan_packs(items, SIZE, share=share):
        for group in pack.groups:
            assert share or len(group.members) == 1
            prefixes = {items[at].tokens[: group.prefix].tobytes() for at in group.members}
            assert len(prefixes) == 1
            assert {items[at].split for at in group.members} == {group.prefix}


@FEW
@given(encoded(), st.booleans())
def test_segments_cover_the_used_rows_once_and_read_back_as_the_items(items: list[Encoded], share: bool) -> None:
    for pack in plan_packs(items, SIZE, share=share):
        layout = lay_out(pack, items)
        rows = [row for segment in layout.segments for row in range(segment.start, segment.end)]
        assert rows == list(range(pack.tokens))
        assert not layout.tokens[pack.tokens :].any()
        for at, reads in zip(pack.members, layout.reads, strict=True):
            assert layout.tokens[reads].tolist() == items[at].tokens[items[at].reads].tolist()
            assert layout.positions[reads].tolist() == items[at].reads.tolist()


@FEW
@given(encoded(), st.booleans())
def test_what_a_member_attends_to_is_its_own_conversation_from_the_start(items: list[Encoded], share: bool) -> None:
    for pack in plan_packs(items, SIZE, share=share):
        layout = lay_out(pack, items)
        seen_by_end = {segment.end: segment for segment in layout.segments}
        row = 0
        for group in pack.groups:
            row += group.prefix
            for at in group.members:
                row += len(items[at].tokens) - group.prefix
                segment = seen_by_end[row]
                rows = [*range(segment.prefix_start, segment.prefix_end), *range(segment.start, segment.end)]
                assert layout.tokens[rows].tolist() == items[at].tokens.tolist()
                assert layout.positions[rows].tolist() == list(range(len(rows)))


@FEW
@given(encoded(), st.randoms(use_true_random=False))
def test_company_and_order_never_change_where_an_item_is_split(items: list[Encoded], random: object) -> None:
    alone = [plan_packs([one], SIZE)[0].groups[0].prefix for one in items]
    order = list(range(len(items)))
    random.shuffle(order)  # type: ignore[attr-defined]
    some = order[: len(order) // 2 + 1]
    for pack in plan_packs([items[at] for at in some], SIZE):
        for group in pack.groups:
            assert {alone[some[member]] for member in group.members} == {group.prefix}


def test_a_split_lies_on_the_grid_or_before_the_last_token() -> None:
    assert item([1] * 50, 47, [49]).split == 32
    assert item([1] * 32, 32, [31]).split == 31
    assert item([1], 0, [0]).split == 0
    assert item([1] * 20, SPLIT_STEP - 1, [19]).split == 0


def test_a_group_larger_than_a_pack_is_split_and_its_prefix_repeated() -> None:
    items = [item([7] * 32 + [1] * 20, 32, [51]) for _ in range(7)]
    packs = plan_packs(items, SIZE)
    assert [group.prefix for pack in packs for group in pack.groups] == [32, 32, 32]
    assert sorted(len(pack.members) for pack in packs) == [1, 3, 3]


def test_an_item_that_fills_a_pack_fits_and_a_longer_one_is_refused() -> None:
    assert plan_packs([item([1] * SIZE, 0, [SIZE - 1])], SIZE)[0].tokens == SIZE
    with pytest.raises(ValueError, match="97 tokens, a pack 96"):
        plan_packs([item([1] * (SIZE + 1), 0, [SIZE])], SIZE)


def test_nothing_to_plan_is_no_pack() -> None:
    assert plan_packs([], SIZE) == []


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_packs_are_few_beside_the_least_that_could_do(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lengths = np.clip(rng.lognormal(np.log(90), 0.7, size=200), 8, 512).astype(int)
    items = [item(rng.integers(1, 400, size=n).tolist(), int(n) // 2, [int(n) - 1]) for n in lengths]
    packs = plan_packs(items, 512)
    assert len(packs) <= 1.25 * np.ceil(sum(pack.tokens for pack in packs) / 512)


def test_a_hundred_thousand_items_are_planned() -> None:
    rng = np.random.default_rng(5)
    prompts = rng.integers(1, 400, size=(25_000, 48)).astype(np.int32)
    answers = rng.integers(1, 400, size=(100_000, 60)).astype(np.int32)
    lengths = rng.integers(1, 60, size=100_000)
    read = np.array([47], np.int32)
    items = [
        Encoded(np.concatenate([prompts[at // 4], answers[at, :length]]), 48, read)
        for at, length in enumerate(lengths.tolist())
    ]
    packs = plan_packs(items, 2048)
    assert sum(len(pack.members) for pack in packs) == 100_000
    assert sum(pack.tokens for pack in packs) <= 25_000 * 48 + int(lengths.sum()) + 48 * len(packs)


def test_a_prompt_that_ends_in_the_answers_first_token_still_groups() -> None:
    items = [item([3] * 32 + [answer], 32, [32]) for answer in (1, 2)]
    assert plan_packs(items, SIZE)[0].groups == (Group(32, (0, 1)),)
