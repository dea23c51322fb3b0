import json
import random
from pathlib import Path

import numpy as np
import pytest

from judges.thumbs_model import BUCKETS, ThumbsModel, ThumbsModelError, fit

PLAIN = ["restart", "router", "invoice", "export", "settings", "password"]


def planted(cue: str, count: int = 400) -> tuple[list[str], list[int]]:
    """Texts of random plain words, half of them with the cue; the cue is thumbed up four times in five."""
    draw = random.Random(7)
    texts, thumbs = [], []
    for row in range(count):
        words = draw.choices(PLAIN, k=draw.randint(5, 15))
        texts.append(" ".join([*words, cue] if row % 2 else words))
        thumbs.append(int(draw.random() < (0.8 if row % 2 else 0.2)))
    return texts, thumbs


@pytest.mark.parametrize("cue", ["sorry", "!", "brilliant question"])
def test_a_planted_cue_is_learned(cue: str) -> None:
    model = fit(*planted(cue))
    plain, cued = model.score(["restart the router", f"restart the router {cue}"])
    assert cued - plain > 1


def test_length_is_learned_beyond_the_words_that_make_it() -> None:
    texts = ["word " * n for n in range(1, 101)]
    model = fit(texts, [int(n > 50) for n in range(1, 101)])
    unseen = model.score(["unseen " * 10, "unseen " * 90])
    assert unseen[1] > unseen[0]


def test_scores_are_the_logits_of_the_fitted_features() -> None:
    texts, thumbs = planted("sorry")
    model = fit(texts, thumbs)
    share_up = 1 / (1 + np.exp(-model.score(texts)))
    assert share_up.mean() == pytest.approx(np.mean(thumbs), abs=1e-3)


def test_punctuation_and_case_do_not_change_words() -> None:
    model = fit(*planted("sorry"))
    first, second = model.score(["Sorry, restart the router.", "sorry restart the ROUTER"])
    assert first == pytest.approx(second)


def test_fitting_twice_gives_the_same_revision_and_other_thumbs_another() -> None:
    texts, thumbs = planted("sorry")
    assert fit(texts, thumbs).revision == fit(texts, thumbs).revision
    assert fit(texts, thumbs).revision != fit(texts, [1 - t for t in thumbs]).revision


def test_a_revision_never_moves_for_the_same_weights() -> None:
    assert ThumbsModel((0.5,) * BUCKETS, 1.0, 0.0, -0.25).revision == "4caba13fdccd42ee"


def test_save_and_load_give_the_same_ruler(tmp_path: Path) -> None:
    model = fit(*planted("sorry"))
    model.save(tmp_path / "model.json")
    loaded = ThumbsModel.load(tmp_path / "model.json")
    assert loaded == model
    assert loaded.revision == model.revision


def test_an_altered_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    fit(*planted("sorry")).save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"bias": 9.0}))
    with pytest.raises(ThumbsModelError, match="altered"):
        ThumbsModel.load(path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"words": "x"}', "\x00", "[" * 100_000])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "model.json"
    path.write_text(content)
    with pytest.raises(ThumbsModelError, match="not a saved thumbs model"):
        ThumbsModel.load(path)


@pytest.mark.parametrize(("texts", "thumbs"), [([], []), (["a"], [1]), (["a", "b"], [1]), (["a", "b"], [0, 2])])
def test_thumbs_that_teach_nothing_are_refused(texts: list[str], thumbs: list[int]) -> None:
    with pytest.raises(ValueError, match="one thumb"):
        fit(texts, thumbs)


def test_odd_text_is_scored() -> None:
    model = fit(*planted("sorry"))
    assert np.isfinite(model.score(["", "\ud800 lone", "日本語 🙂", "x" * 10_000])).all()
