"""Settings: each is validated, and a message says which one, what was found, what is allowed."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundlink_assets.settings import (
    AuthStyle,
    Settings,
    SettingsError,
    load_settings,
    unknown_variables,
    variable_of,
)

KEY = "sk_test_0123456789abcdef"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields:
        monkeypatch.delenv(variable_of(field), raising=False)


def test_the_defaults_are_those_of_the_documentation() -> None:
    settings = load_settings()

    assert settings.api_key is None
    assert settings.auth_style is AuthStyle.X_API_KEY
    assert settings.base_url == "https://api.getsoundlink.com"
    assert settings.campaign_ids == ()
    assert settings.start_date == date(2026, 1, 1)
    assert settings.warehouse == "data/warehouse.duckdb"
    assert settings.quarantine_dir == Path("data/quarantine")
    assert (settings.refresh_hours, settings.catch_up_days) == (6, 35)
    assert (settings.max_concurrency, settings.timeout_seconds) == (8, 60)
    assert settings.max_attempts == 6
    assert (settings.requests_per_minute, settings.requests_per_hour) == (60, 600)
    assert settings.automation


def test_every_variable_has_a_description() -> None:
    assert all(field.description for field in Settings.model_fields.values())


@pytest.mark.parametrize("typed", [KEY, f" {KEY}\n", f'"{KEY}"', f"'{KEY}' "])
def test_a_pasted_key_loses_its_quotes_and_white_space(
    typed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOUNDLINK_API_KEY", typed)

    assert load_settings().require_api_key().get_secret_value() == KEY


def test_campaign_ids_are_split_stripped_and_taken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDLINK_CAMPAIGN_IDS", " a, b,,a ,c")

    assert load_settings().campaign_ids == ("a", "b", "c")


def test_an_empty_variable_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDLINK_REFRESH_HOURS", "")

    assert load_settings().refresh_hours == 6


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8765",
        "http://localhost:1",
        "http://[::1]:8000",
        "https://x.example",
        "https://x.example:65535/path",
    ],
)
def test_plain_http_is_for_loopback_only(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDLINK_BASE_URL", f"{url}/")

    assert load_settings().base_url == url


WRONG = [
    ("SOUNDLINK_API_KEY", "pk_something", "begins with sk_"),
    ("SOUNDLINK_API_KEY", "sk_with space", "white space"),
    ("SOUNDLINK_AUTH_STYLE", "basic", "'x-api-key' or 'bearer'"),
    ("SOUNDLINK_BASE_URL", "http://api.getsoundlink.com", "use https"),
    ("SOUNDLINK_BASE_URL", "api.getsoundlink.com", "give a URL"),
    ("SOUNDLINK_BASE_URL", "https://user:secret@x.example", "no user"),
    ("SOUNDLINK_BASE_URL", "https://user:secret/more@x.example", "its port is not a number"),
    ("SOUNDLINK_BASE_URL", "https://user:secret@x\u2100.example", "give a URL"),
    ("SOUNDLINK_BASE_URL", "https://[::1", "give a URL"),
    ("SOUNDLINK_BASE_URL", "https://x.example:abc", "its port is not a number from 1 to 65535"),
    ("SOUNDLINK_BASE_URL", "https://x.example:0", "its port is not a number from 1 to 65535"),
    ("SOUNDLINK_BASE_URL", "https://x.example:99999", "its port is not a number from 1 to 65535"),
    ("SOUNDLINK_BASE_URL", "https://exa mple.com", "white space"),
    ("SOUNDLINK_BASE_URL", "https://999.1.1.1", "not a host name"),
    ("SOUNDLINK_BASE_URL", "https://☃.example", "not a host name"),
    ("SOUNDLINK_START_DATE", "2026-13-01", "YYYY-MM-DD"),
    ("SOUNDLINK_WAREHOUSE", "md:soundlink", "give a file path"),
    ("SOUNDLINK_REFRESH_HOURS", "often", "valid number"),
    ("SOUNDLINK_REFRESH_HOURS", "0", "greater than"),
    ("SOUNDLINK_CATCH_UP_DAYS", "7", "greater than"),
    ("SOUNDLINK_AUTOMATION", "perhaps", "boolean"),
    ("SOUNDLINK_MAX_CONCURRENCY", "0", "greater than"),
    ("SOUNDLINK_TIMEOUT_SECONDS", "-1", "greater than"),
    ("SOUNDLINK_MAX_ATTEMPTS", "many", "valid integer"),
    ("SOUNDLINK_REQUESTS_PER_MINUTE", "0", "greater than"),
    ("SOUNDLINK_REQUESTS_PER_HOUR", "1.5", "valid integer"),
]


@pytest.mark.parametrize(("variable", "value", "said"), WRONG)
def test_a_wrong_value_is_refused_with_its_variable_and_what_is_allowed(
    variable: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(SettingsError) as refused:
        load_settings()

    message = str(refused.value)
    assert message.startswith(variable)
    assert said in message
    assert "Allowed: " in message
    assert (value in message) == (variable != "SOUNDLINK_API_KEY" and "secret" not in value)


def test_every_wrong_variable_is_a_problem_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDLINK_MAX_ATTEMPTS", "many")
    monkeypatch.setenv("SOUNDLINK_API_KEY", "pk_secret")
    monkeypatch.setenv("soundlink_auth_style", "basic")

    with pytest.raises(SettingsError) as refused:
        load_settings()

    problems = {problem.variable: problem for problem in refused.value.problems}
    assert {variable: problem.found for variable, problem in problems.items()} == {
        "SOUNDLINK_MAX_ATTEMPTS": "'many'",
        "SOUNDLINK_API_KEY": None,
        "SOUNDLINK_AUTH_STYLE": "'basic'",
    }
    assert all(problem.problem and problem.allowed for problem in problems.values())
    assert len(str(refused.value).splitlines()) == 3
    assert "pk_secret" not in str(refused.value)


def test_a_missing_key_says_where_to_get_one() -> None:
    with pytest.raises(SettingsError, match=r"SOUNDLINK_API_KEY is not set.*developer settings"):
        load_settings().require_api_key()


def test_the_key_is_in_no_representation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDLINK_API_KEY", KEY)
    settings = load_settings()

    assert KEY not in repr(settings)
    assert KEY not in str(settings.model_dump())
    assert KEY not in settings.model_dump_json()


VARIABLES = sorted(map(variable_of, Settings.model_fields))


@given(st.sampled_from(VARIABLES), st.data())
def test_any_letter_left_out_doubled_or_swapped_is_noticed_with_the_variable_that_was_meant(
    variable: str, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(variable) - 2))
    misspelt = data.draw(
        st.sampled_from(
            [
                variable[:at] + variable[at + 1 :],
                variable[:at] + variable[at] + variable[at:],
                variable[:at] + variable[at + 1] + variable[at] + variable[at + 2 :],
            ]
        ).filter(lambda name: name not in VARIABLES)
    )

    (problem,) = unknown_variables({misspelt: "3", "SOUNDLINK_API_KEY": KEY, "HOME": "/root"})

    assert problem.variable == misspelt
    assert f"did you mean {variable}?" in str(problem)


def test_variables_of_other_programs_are_not_taken_for_settings() -> None:
    others = {"PATH", "LANG", "DAGSTER_HOME", "HTTPS_PROXY", "API_KEY", "WAREHOUSE", "BASE_URL"}

    assert unknown_variables(dict.fromkeys(others, "x")) == []


def test_a_variable_of_our_prefix_that_resembles_no_setting_is_named_all_the_same() -> None:
    (problem,) = unknown_variables({"SOUNDLINK_QQQ": "x"})

    assert str(problem) == "SOUNDLINK_QQQ is set: no setting has that name"
