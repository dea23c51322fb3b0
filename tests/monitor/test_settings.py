import datetime as dt
from pathlib import Path

import pytest

from monitor.settings import Settings, SettingsError, load_settings, parse_settings

WHOLE = """
loop: support-bot
reward: {signal: thumbs}
outcome: {metric: task_success, horizon: 14d, higher_is_better: true}
reference: {checkpoint: ckpt-00}
cohorts: [tier, locale]
unit: user-day
judges: {watched: [gpt-judge], teacher: gpt-4o, human: human}
gate: {required: [reward_outcome_decoupling, cohort_regression]}
checks: {capability_regression: {tolerance: 0.02}}
alerts: {ticket: 30d, warning: 365d, page: 3650d}
"""


def refusal(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse_settings(text, "s.yaml")
    return str(caught.value).splitlines()


def test_the_settings_of_the_contract_are_understood() -> None:
    settings = parse_settings(WHOLE)
    assert settings.outcome.horizon == dt.timedelta(days=14)
    assert settings.alerts.days() == {"ticket": 30, "warning": 365, "page": 3650}
    assert settings.cohorts == ("tier", "locale")
    assert settings.checks["capability_regression"] == {"tolerance": 0.02}


def test_every_key_has_a_default_but_the_metric() -> None:
    settings = parse_settings("outcome: {metric: m}")
    assert settings == Settings.model_validate({"outcome": {"metric": "m"}})
    assert refusal("loop: x") == ["s.yaml:1: outcome: Field required"]


def test_every_problem_is_told_at_once_with_line_and_key() -> None:
    told = refusal(
        "loop: ''\n"
        "rewards: {signal: thumbs}\n"
        "outcome:\n"
        "  metric: m\n"
        "  horizont: 3d\n"
        "  range: [1, 0]\n"
        "unit: session\n"
        "alerts:\n"
        "  ticket: soon\n"
        "  material_harm: 2\n"
    )
    places = {line.split(": ")[0] + " " + line.split(": ")[1] for line in told}
    assert places >= {
        "s.yaml:1 loop",
        "s.yaml:2 rewards",
        "s.yaml:5 outcome.horizont",
        "s.yaml:7 unit",
        "s.yaml:9 alerts.ticket",
        "s.yaml:10 alerts.material_harm",
    }


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("rewards: {}\noutcome: {metric: m}", "reward"),
        ("outcome: {metric: m, horizn: 3d}", "horizon"),
        ("outcome: {metric: m}\nreference: {form: 2026-01-01}", "from"),
        ("outcome: {metric: m}\nalerts: {pages: 3d}", "page"),
        ("outcome: {metric: m}\nkafka: {bootstrap: ['h:1'], topics: [t], grup: g}", "group"),
        ("outcome: {metric: m}\nkafka: {bootstrap: ['h:1'], topics: [t], limits: {rejected: 9}}", "rejected_run"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one(text: str, nearest: str) -> None:
    (line,) = refusal(text)
    assert f"did you mean `{nearest}`?" in line


def test_a_key_like_no_other_is_refused_with_all_known_ones() -> None:
    (line,) = refusal("outcome: {metric: m}\nzzz: 1")
    assert line.startswith("s.yaml:2: zzz: unknown key; known keys: loop, reward, outcome")


@pytest.mark.parametrize(
    ("section", "cause"),
    [
        ("reward: {signal: thumbs, scorer: rm}", "not both"),
        ("reward: {scorer: rm, range: [2, 1]}", "low < high"),
        ("reference: {checkpoint: c, from: 2026-01-01, until: 2026-02-01}", "not both"),
        ("reference: {from: 2026-01-01}", "come together"),
        ("reference: {from: 2026-02-01, until: 2026-01-01}", "before"),
        ("alerts: {ticket: 40d, warning: 30d}", "must not fall"),
        ("alerts: {ticket: 0d}", "greater than"),
        ("limits: {event_bytes: 1}", "greater than"),
    ],
)
def test_contradictions_are_refused(section: str, cause: str) -> None:
    (line,) = refusal(f"outcome: {{metric: m}}\n{section}")
    assert line.startswith("s.yaml:2:")
    assert cause in line


@pytest.mark.parametrize(
    ("written", "expected"),
    [("30m", dt.timedelta(minutes=30)), ("1.5h", dt.timedelta(hours=1.5)), ("2w", dt.timedelta(weeks=2))],
)
def test_durations_are_written_with_their_unit(written: str, expected: dt.timedelta) -> None:
    assert parse_settings(f"outcome: {{metric: m, horizon: {written}}}").outcome.horizon == expected


@pytest.mark.parametrize("written", ["14", "soon", "-3d", ".nan", "[1]", "9999999999999w", "1e9d"])
def test_other_durations_are_refused(written: str) -> None:
    (line,) = refusal(f"outcome: {{metric: m, horizon: {written}}}")
    assert "outcome.horizon" in line


def test_dates_are_midnights_in_utc() -> None:
    settings = parse_settings("outcome: {metric: m}\nreference: {from: 2026-01-01, until: 2026-03-01T12:00:00+02:00}")
    assert settings.reference.from_ == dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    assert settings.reference.until == dt.datetime(2026, 3, 1, 10, tzinfo=dt.UTC)


@pytest.mark.parametrize("value", [".nan", ".inf", "-.inf"])
def test_numbers_must_be_finite(value: str) -> None:
    assert "material_harm" in refusal(f"outcome: {{metric: m}}\nalerts: {{material_harm: {value}}}")[0]
    assert "range" in refusal(f"outcome: {{metric: m, range: [0, {value}]}}")[0]
    assert "range" in refusal(f"outcome: {{metric: m}}\nreward: {{scorer: rm, range: [{value}, 1]}}")[0]


def test_risk_weighs_slices_that_are_watched() -> None:
    given = "outcome: {{metric: m}}\ncohorts: [tier]\nalerts: {{risk: {}}}"
    risk = parse_settings(given.format("{tier=enterprise: 3, checkpoint=new: 0.5}")).alerts.risk
    assert risk == {"tier=enterprise": 3.0, "checkpoint=new": 0.5}
    for wrong in ("{tier=a: 0}", "{tier=a: -1}", "{tier=a: .inf}", "{tier: 2}", "{locale=de: 2}"):
        assert "risk" in refusal(given.format(wrong))[0]


def test_restart_mass_is_added_by_day_or_by_deployment() -> None:
    assert parse_settings("outcome: {metric: m}").alerts.restart == "day"
    assert "alerts.restart" in refusal("outcome: {metric: m}\nalerts: {restart: hourly}")[0]


@pytest.mark.parametrize("text", ["", "- a", "just words", "3"])
def test_settings_are_a_mapping(text: str) -> None:
    assert "must be a mapping" in refusal(text)[0]


@pytest.mark.parametrize("text", ["a: [", "a: b: c", "!!python/object/apply:os.getcwd []", "a: &x [*x, *y]"])
def test_what_is_no_plain_yaml_is_refused(text: str) -> None:
    assert "not YAML" in refusal(text)[0]


def test_a_key_written_twice_is_refused() -> None:
    assert "twice" in refusal("outcome: {metric: m}\nunit: response\nunit: user-day")[0]


def test_a_file_that_is_not_there_or_not_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such file"):
        load_settings(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(tmp_path / "bad.yaml")
    (tmp_path / "good.yaml").write_text(WHOLE)
    assert load_settings(tmp_path / "good.yaml").loop == "support-bot"
