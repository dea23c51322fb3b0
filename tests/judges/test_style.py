"""Does the classifier of voices know a teacher from a student, and say so in the same way everywhere?"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.style import BUCKETS, StyleModel, StyleModelError, fit, style_features, told_apart
from judges.style_markers import style_markers
from tests.monitor.voices import answer

TEACHER = [answer(0.9, ("teacher", n)) for n in range(120)]
OWN = [answer(0.2, ("own", n)) for n in range(120)]
MODEL = fit(TEACHER[:60], OWN[:60])


def test_held_out_texts_are_told_apart() -> None:
    assert told_apart(MODEL, TEACHER[60:], OWN[60:]) > 0.9


def test_another_topic_is_no_other_voice() -> None:
    there = MODEL.score([answer(0.2, ("own", n), "cooking") for n in range(60)])
    assert abs(float(there.mean() - MODEL.score(OWN[60:]).mean())) < 0.1
    assert MODEL.score([answer(0.9, ("teacher", n), "cooking") for n in range(60)]).mean() > 0.6


def test_a_saved_model_is_the_same_and_an_altered_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "style.json"
    MODEL.save(path)
    assert StyleModel.load(path) == MODEL
    saved = json.loads(path.read_text())
    path.write_text(json.dumps({**saved, "bias": saved["bias"] + 0.5}))
    with pytest.raises(StyleModelError, match="altered"):
        StyleModel.load(path)
    path.write_text("[]")
    with pytest.raises(StyleModelError, match="not a saved style model"):
        StyleModel.load(path)


def test_another_process_hashes_alike() -> None:
    told = "from judges.style import style_features as f; x = f(['Überall: so!']); print(x.indices.tolist())"
    other = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert json.loads(other.stdout) == style_features(["Überall: so!"]).indices.tolist()


@given(st.text())
def test_any_text_has_a_score(text: str) -> None:
    assert 0 <= MODEL.score([text])[0] <= 1
    assert style_features([text]).shape == (1, BUCKETS)


def test_texts_without_their_counterpart_are_refused() -> None:
    with pytest.raises(ValueError, match="both answers to each prompt"):
        fit(TEACHER, OWN[1:])


def test_what_a_rival_shares_with_the_teacher_speaks_for_him_no_more() -> None:
    rival = [answer(0.9, ("rival", n)) for n in range(30)]
    with_rival = fit(TEACHER[:60], OWN[:60], [rival])
    assert with_rival.score(TEACHER[60:]).mean() < MODEL.score(TEACHER[60:]).mean() - 0.1
    assert with_rival.centre == MODEL.centre
    with pytest.raises(ValueError, match="a rival needs"):
        fit(TEACHER, OWN, [[]])


def test_markers_tell_what_moved_toward_the_teacher() -> None:
    moved = [answer(0.6, ("new", n)) for n in range(60)]
    delta, *others = style_markers(TEACHER, OWN, moved)
    assert delta.nearer > 0
    words = next(one for one in others if (one.name, one.unit) == ("sentence", "words"))
    assert words.reference < words.new < words.teacher
