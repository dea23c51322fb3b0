"""Is every item scored once, whole, and never half, whatever happens on the way?"""

import os
import resource
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from consumers.incidents import Incident
from consumers.store import EventStore
from judges.engine.canaries import ITEMS as CANARIES
from judges.engine.items import Encoded, Item, Message
from judges.engine.models import Packed
from judges.engine.packing import Pack
from judges.engine.scorer import How, Scorer, likelihood_scorer, reward_scorer
from judges.engine.verify import probe
from judges.scores import VIOLATION, Run, ScoreBoard, Value
from judges.scoring import PacksTooLarge, RulerMoved, Scored, score_items
from tests.judges.tiny_models import CHAT, chat_tokenizer, conversations, language_model, reward_model

ITEMS = conversations(6, 3, seed=4)
HOW = How(size=256)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """A forked process has no others, and the number of threads is part of the ruler."""
    kept = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(kept)


@pytest.fixture
def board(store_url: str) -> Iterator[ScoreBoard]:
    """Empty tables of scores, on each kind of database."""
    with EventStore.open(store_url) as store:
        yield ScoreBoard(store.engine)


@pytest.fixture
def other_board() -> Iterator[ScoreBoard]:
    """Tables for a run that nothing disturbs."""
    with EventStore.open(":memory:") as store:
        yield ScoreBoard(store.engine)


def ruler(how: How = HOW, digest: str = "0" * 64) -> Scorer:
    return reward_scorer(reward_model("llama"), chat_tokenizer(), digest, how)


def score(board: ScoreBoard, items: Sequence[Item] = ITEMS, by: Any = None, **how: Any) -> Scored:
    clock = iter(range(1_000_000, 10_000_000))
    return score_items(by or ruler(), items, board, subject="checkpoint-7", now_us=lambda: next(clock), **how)


def numbers(scored: Scored) -> dict[str, tuple[str, tuple[str, ...]]]:
    """What each item got, to the last bit."""
    return {name: (value.status, tuple(n.hex() for n in value.outputs)) for name, value in scored.values.items()}


def incidents(board: ScoreBoard) -> list[Incident]:
    return EventStore(board.engine).incidents(open_only=True)


class Forked:
    """A process that does something to the store and can be killed. It says what it did, a line at a time."""

    def __init__(self, url: str, work: Callable[[ScoreBoard, Callable[[str], None]], None]) -> None:
        reads, writes = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            code = 1
            try:
                with EventStore.open(url) as store:
                    work(ScoreBoard(store.engine), lambda said: os.write(writes, f"{said}\n".encode()) and None)
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        os.close(writes)
        self._says = os.fdopen(reads)

    def said(self) -> str:
        """The next line; empty at the end."""
        return self._says.readline().strip()

    def ended(self) -> int:
        """Its exit status, or minus the signal that killed it."""
        self._says.close()
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_every_item_asked_for_has_a_record(board: ScoreBoard) -> None:
    items = [*ITEMS, Item.of("long", "Hello?", "The agent opens. " * 300), Item.of("half", "Hello?", "\ud800")]
    items.append(Item.of("again", ITEMS[0].prompt[0].content, ITEMS[0].answer))
    seen = []
    scored = score(board, items, tell=seen.append)
    assert scored.values.keys() == {item.item_id for item in items}
    assert scored.values["long"].status == "too_long"
    assert scored.values["half"].status == "error"
    assert scored.values["half"].value is None
    assert scored.values["again"] == scored.values[ITEMS[0].item_id]
    assert {value.status for name, value in scored.values.items() if name not in ("long", "half")} == {"ok"}
    assert scored.run.items == len(items)
    assert scored.run.completed_us is not None
    assert sum(progress.hits for progress in seen) == 0
    assert seen[-1].done == seen[-1].planned == scored.progress.done


def test_what_is_known_is_not_computed_again(board: ScoreBoard) -> None:
    first = score(board, ITEMS[:10])
    again = score(board, ITEMS[:10])
    assert again.run.run_id == first.run.run_id
    assert again.progress.hits == 10
    assert again.progress.planned.tokens == 0
    more = score(board, ITEMS)
    assert more.progress.hits == 10
    assert numbers(first).items() <= numbers(more).items()
    other = score(board, ITEMS[:10], ruler(digest="1" * 64))
    assert other.progress.hits == 0
    assert numbers(other) == numbers(first)


def test_a_run_is_complete_only_at_its_end(board: ScoreBoard) -> None:
    states = []

    def look(_: Any) -> None:
        with board.engine.connect() as connection:
            states.append(connection.exec_driver_sql("SELECT completed_us FROM score_run").scalar())

    scored = score(board, tell=look)
    assert len(states) > 2
    assert set(states) == {None}
    assert scored.run.completed_us is not None


@pytest.mark.parametrize("items", [[], [Item.of("half", "Hello?", "\ud800")]])
def test_nothing_to_score_is_a_complete_run(items: list[Item], other_board: ScoreBoard) -> None:
    scored = score(other_board, items)
    assert scored.run.completed_us is not None
    assert scored.values.keys() == {item.item_id for item in items}


def test_a_template_that_refuses_even_the_canaries_leaves_errors(other_board: ScoreBoard) -> None:
    tokenizer = chat_tokenizer()
    tokenizer.chat_template = "{{ raise_exception('not today') }}" + CHAT
    scored = score(other_board, ITEMS, reward_scorer(reward_model("llama"), tokenizer, "0" * 64, HOW))
    assert {value.status for value in scored.values.values()} == {"error"}
    assert scored.run.completed_us is not None


def test_names_must_be_of_one_item_each_and_fit_into_a_database(other_board: ScoreBoard) -> None:
    with pytest.raises(ValueError, match="two different items are called 'a'"):
        score(other_board, [Item.of("a", "x", "y"), Item.of("a", "x", "z")])
    for name in ("a\0", "\ud800"):
        with pytest.raises(ValueError, match="holds a NUL or half a character"):
            score(other_board, [Item.of(name, "x", "y")])


@pytest.mark.parametrize("planted", [float("nan"), float("inf")])
def test_what_is_no_number_never_passes_as_one(planted: float, board: ScoreBoard) -> None:
    model = reward_model("llama", num_labels=2)
    with torch.no_grad():
        model.score.weight[1, 3] = planted
    scored = score(board, ITEMS, reward_scorer(model, chat_tokenizer(), "0" * 64, HOW))
    assert {(value.status, value.value, value.outputs) for value in scored.values.values()} == {("error", None, ())}
    assert "not finite" in scored.values[ITEMS[0].item_id].detail
    assert scored.run.completed_us is not None


def test_one_broken_item_spoils_no_other(other_board: ScoreBoard, tmp_path: Path) -> None:
    """An embedding that is no number, of a character that one item alone holds."""
    model, tokenizer = reward_model("llama"), chat_tokenizer()
    with torch.no_grad():
        model.model.embed_tokens.weight[tokenizer("~")["input_ids"][-1]] = float("nan")
    scorer = reward_scorer(model, tokenizer, "0" * 64, HOW)
    scored = score(other_board, [*ITEMS, Item.of("broken", ITEMS[0].prompt[0].content, "~")], scorer)
    assert [name for name, value in scored.values.items() if value.status != "ok"] == ["broken"]
    with EventStore.open(tmp_path / "whole.sqlite") as store:
        whole = score(ScoreBoard(store.engine), ITEMS)
    assert numbers(whole).items() <= numbers(scored).items()


def test_killed_mid_pack_and_started_again_it_repeats_that_pack_alone(store_url: str, other_board: ScoreBoard) -> None:
    whole = score(other_board)

    def until_the_third_pack(board: ScoreBoard, say: Callable[[str], None]) -> None:
        scorer, computed = ruler(), Packed.hidden

        def slow(self: Packed, pack: Pack, encoded: Any) -> Any:
            states = computed(self, pack, encoded)
            if len(told) == 2:
                say("in the third pack")
                signal.pause()
            return states

        told: list[Any] = []
        Packed.hidden = slow  # type: ignore[method-assign]
        score(board, by=scorer, tell=told.append)

    process = Forked(store_url, until_the_third_pack)
    assert process.said() == "in the third pack"
    os.kill(process.pid, signal.SIGKILL)
    assert process.ended() == -signal.SIGKILL
    with EventStore.open(store_url) as store:
        board = ScoreBoard(store.engine)
        assert not board.run(whole.run.run_id).completed_us
        resumed = score(board)
    encoded = [result for result in ruler().encode(ITEMS) if isinstance(result, Encoded)]
    tried = {id(item) for item in probe(encoded)}
    first, second, *_ = ruler().plan([item for item in encoded if id(item) not in tried])
    assert resumed.run.run_id == whole.run.run_id
    assert resumed.progress.hits == len(tried) + len(first.members) + len(second.members)
    assert numbers(resumed) == numbers(whole)


def test_two_processes_on_one_run_end_with_one_value_a_key(store_url: str, other_board: ScoreBoard) -> None:
    whole = score(other_board)

    def all_of_it(board: ScoreBoard, say: Callable[[str], None]) -> None:
        say("here")
        assert numbers(score(board)) == numbers(whole)

    EventStore.open(store_url).close()
    both = [Forked(store_url, all_of_it) for _ in range(2)]
    assert [process.said() for process in both] == ["here", "here"]
    assert [process.ended() for process in both] == [0, 0]
    with EventStore.open(store_url) as store:
        board = ScoreBoard(store.engine)
        assert board.run(whole.run.run_id).completed_us is not None
        assert incidents(board) == []
        assert board.results(whole.run).keys() == whole.values.keys()


def test_canaries_that_moved_stop_the_run_and_are_on_record(board: ScoreBoard) -> None:
    scorer = ruler()
    first = score(board, ITEMS[:5], scorer)
    with torch.no_grad():
        scorer.model.score.weight.mul_(1.0001)
    moved = reward_scorer(scorer.model, chat_tokenizer(), "0" * 64, HOW)
    assert moved.spec == scorer.spec
    with pytest.raises(RulerMoved, match=f"{len(CANARIES)} of {len(CANARIES)} canaries moved"):
        score(board, ITEMS[:9], moved)
    [incident] = incidents(board)
    assert incident.kind == VIOLATION
    assert incident.source == f"scores:{scorer.spec.spec_id}"
    with board.engine.connect() as connection:
        scored = connection.exec_driver_sql("SELECT count(*) FROM score_value").scalar()
        open_runs = connection.exec_driver_sql("SELECT count(*) FROM score_run WHERE completed_us IS NULL").scalar()
    assert scored == len(CANARIES) + len(first.values)
    assert open_runs == 1


def test_another_score_for_a_known_key_is_kept_beside_it_as_an_incident(board: ScoreBoard) -> None:
    scored = score(board, ITEMS[:3])
    value = scored.values[ITEMS[0].item_id]
    board.write(scored.run, [value], 7)
    assert incidents(board) == []
    board.write(scored.run, [replace(value, value=1.5, outputs=(1.5,))], 8)
    assert board.results(scored.run)[ITEMS[0].item_id] == value
    [incident] = incidents(board)
    assert incident.kind == VIOLATION
    assert "now (1.5,)" in incident.detail
    assert str(value.outputs) in incident.detail


def test_padded_scores_may_differ_with_their_company_and_are_no_incident(other_board: ScoreBoard) -> None:
    scored = score(other_board, ITEMS[:3], ruler(How(size=256, pack=False)))
    value = scored.values[ITEMS[0].item_id]
    other_board.write(scored.run, [replace(value, value=1.5, outputs=(1.5,))], 8)
    assert other_board.results(scored.run)[ITEMS[0].item_id] == value
    assert incidents(other_board) == []


def test_packs_that_do_not_fit_are_halved_under_another_ruler(
    board: ScoreBoard, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    computed = Packed.hidden

    def small(self: Packed, pack: Pack, encoded: Any) -> Any:
        if pack.size > 256:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return computed(self, pack, encoded)

    monkeypatch.setattr(Packed, "hidden", small)
    large = ruler(How(size=1024))
    scored = score(board, by=large)
    assert [record.args for record in caplog.records] == [(1024, 512), (512, 256)]
    assert {value.status for value in scored.values.values()} == {"ok"}
    assert scored.run.spec_id == ruler(How(size=256)).spec.spec_id != large.spec.spec_id
    assert scored.run.completed_us is not None


def test_packs_that_fit_in_no_size_are_told_of(other_board: ScoreBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(Packed, "hidden", never)
    with pytest.raises(
        PacksTooLarge, match="packs of 64 tokens do not fit into memory, and there are no smaller ones: CUDA"
    ):
        score(other_board)


def test_other_faults_of_a_model_are_not_taken_for_a_lack_of_memory(
    other_board: ScoreBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(Packed, "hidden", broken)
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        score(other_board)


def test_a_machine_that_runs_out_of_memory_goes_on_with_smaller_packs(tmp_path: Path) -> None:
    """Really out of it: the process may take 120 MB more, and a pack of this size needs several times that."""
    url = f"sqlite:///{tmp_path}/store.sqlite"

    def limited(board: ScoreBoard, say: Callable[[str], None]) -> None:
        model = reward_model("llama", intermediate_size=1024, max_position_embeddings=1 << 18)
        scorer = reward_scorer(model, chat_tokenizer(), "0" * 64, How(size=1 << 16))
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + 120_000_000, -1))
        scored = score(board, ITEMS[:4], scorer)
        say(f"{scored.spec.size} {sorted({value.status for value in scored.values.values()})}")

    process = Forked(url, limited)
    size, statuses = process.said().split(" ", 1)
    assert process.ended() == 0
    assert 64 <= int(size) < 1 << 16
    assert statuses == "['ok']"


def test_likelihoods_of_options_are_kept_with_all_their_numbers(board: ScoreBoard) -> None:
    asked = (Message("user", "Who opens the invoice?"),)
    items = [Item(option, (*asked, Message("assistant", option))) for option in ("The agent", "Nobody", "A customer")]
    scored = score(board, items, likelihood_scorer(language_model("qwen2"), chat_tokenizer(), "0" * 64, HOW))
    for item in items:
        total, per_token, per_byte = scored.values[item.item_id].outputs
        assert total == scored.values[item.item_id].value < 0
        assert per_byte == total / len(item.answer)
        assert total <= per_token < 0


def test_a_hundred_thousand_items_are_begun_looked_up_and_found_again(board: ScoreBoard) -> None:
    many = 100_000 if board.engine.dialect.name == "sqlite" else 20_000  # its inserts are slower; no limit lies between
    keys = {f"item-{n}": n.to_bytes(16, "big") for n in range(many)}
    run: Run = board.begin("f" * 32, ruler().spec, "checkpoint-7", keys, {}, 1)
    assert run.items == many
    board.write(run, [Value(keys["item-5"], "ok", 1.0, (1.0,), "", 9, 0, 0)], 2)
    assert board.values(keys.values()).keys() == {keys["item-5"]}
    assert not board.complete(run, 3)
    assert board.results(run).keys() == {"item-5"}


def test_what_was_scored_before_is_found_without_being_tokenised(
    board: ScoreBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, encode = score(board), Scorer.encode
    encoded: list[str] = []

    def noting(self: Scorer, items: Sequence[Item]) -> Any:
        encoded.extend(item.item_id for item in items)
        return encode(self, items)

    monkeypatch.setattr(Scorer, "encode", noting)
    assert numbers(score(board)) == numbers(first)
    assert encoded
    assert set(encoded) <= {item.item_id for item in CANARIES}
