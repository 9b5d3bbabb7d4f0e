"""Every environment variable of the platform: typed, validated, explained.

The only module that reads the environment for `SOUNDLINK_*`. Nothing here touches the network, the
warehouse or Dagster; what a setting does is decided where it is used.
"""

import difflib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "SOUNDLINK_"
KEY_START = "sk_"

LONGEST_LABEL = 64
"""A part of a host name is shorter than this (RFC 1035)."""

DEFAULT_BASE_URL = "https://api.getsoundlink.com"

LAKE = "ducklake:postgres:"
"""What the setting of a lake begins with; the words that libpq connects with follow."""

MISSPELT_PREFIX = 0.92
"""How alike a variable without our prefix must be to a setting to be taken for a misspelt one."""

_URL_WANTED = f"give a URL such as {DEFAULT_BASE_URL}"


@dataclass(frozen=True, slots=True)
class SettingProblem:
    """What is wrong with one environment variable.

    `found` is how its value reads in a message, `'soon'` or `not set`; None if the value may hold a
    secret. `allowed` says which values are right, or how to get one; empty for an unknown variable.
    """

    variable: str
    problem: str
    found: str | None = None
    allowed: str = ""

    @property
    def what(self) -> str:
        """The variable, what was found and what is wrong with it, without what is allowed."""
        found = "" if self.found is None else f" is {self.found}"
        return f"{self.variable}{found}: {self.problem}"

    def __str__(self) -> str:
        return f"{self.what}. Allowed: {self.allowed}" if self.allowed else self.what


class SettingsError(Exception):
    """Settings are missing or wrong; `problems` has each of them, the message a line for each."""

    def __init__(self, *problems: SettingProblem) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class AuthStyle(StrEnum):
    """The one header that carries the API key."""

    X_API_KEY = "x-api-key"
    BEARER = "bearer"


class Settings(BaseSettings):
    """The settings, from the environment or from keyword arguments in the fields' own names."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    api_key: SecretStr | None = Field(
        default=None,
        description="Your Soundlink API key, `sk_...`. A secret: it is never logged or stored.",
    )
    auth_style: AuthStyle = Field(
        default=AuthStyle.X_API_KEY,
        description="Header that carries the key: `x-api-key`, or `bearer` for later revisions of "
        "the API. Exactly one is sent.",
    )
    base_url: str = Field(
        default=DEFAULT_BASE_URL,
        description="Where the API is. Plain http is refused except on loopback.",
    )
    campaign_ids: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Comma-separated campaign ids, instead of listing campaigns; for keys without "
        "the scope `campaigns:read`. Empty means all campaigns.",
    )
    soundlinks: Literal["auto", "off"] = Field(
        default="auto",
        description="`auto` loads soundlinks if the key has the scope `soundlinks:read`, and says "
        "so if it has not; `off` leaves them out.",
    )
    start_date: date = Field(
        default=date(2026, 1, 1), description="The first daily partition, YYYY-MM-DD (UTC)."
    )
    warehouse: str = Field(
        default="data/warehouse.duckdb",
        repr=False,
        description="The DuckDB file of the warehouse, or `ducklake:postgres:` and the words that "
        "libpq connects with.",
    )
    read_copy: bool = Field(
        default=True,
        description="`off` publishes no read copy of the warehouse file at the end of a run; who "
        "reads then reads the file, and delays runs.",
    )
    lake_data: str | None = Field(
        default=None,
        description="Folder or bucket of a lake's files; its catalog remembers it.",
    )
    snapshot_days: int = Field(
        default=7,
        ge=1,
        le=3660,
        description="How long a past state of a lake stays readable, in days; older ones are "
        "removed by maintenance.",
    )
    quarantine_dir: Path = Field(
        default=Path("data/quarantine"),
        description="Folder for refused bodies, with the reason beside each.",
    )
    report_dir: Path | None = Field(
        default=None,
        description="Folder of the report; without one, beside the file of the warehouse, or "
        "`data` on a lake.",
    )
    statements_dir: Path = Field(
        default=Path("data/statements"),
        description="Folder of distributors' statements, CSV or Parquet; see docs/statements.md.",
    )
    refresh_hours: float = Field(
        default=6,
        ge=0.05,
        le=168,
        description="The days that may still change are refreshed at most this often, in hours.",
    )
    catch_up_days: int = Field(
        default=35,
        ge=8,
        le=3660,
        description="How far back the sensor looks for days that an outage left open or missing.",
    )
    automation: bool = Field(
        default=True,
        description="`off` starts the schedule and the sensors stopped; `on` starts them running.",
    )
    max_concurrency: int = Field(default=8, ge=1, le=64, description="Requests in flight at once.")
    timeout_seconds: float = Field(
        default=60, gt=0, le=3600, description="Longest silence within one request, in seconds."
    )
    max_attempts: int = Field(
        default=6, ge=1, le=20, description="Attempts at one request before it counts as failed."
    )
    requests_per_minute: int = Field(
        default=60, ge=1, le=100_000, description="Request budget of the key in any 60 seconds."
    )
    requests_per_hour: int = Field(
        default=600,
        ge=1,
        le=1_000_000,
        description="Request budget of the key in any 3600 seconds.",
    )
    budget_dir: Path = Field(
        default=Path("~/.cache/soundlink_assets"),
        description="Folder where all processes of this machine count the requests of a key; on a "
        "lake they are counted in its database.",
    )
    alert_url: SecretStr | None = Field(
        default=None,
        description="Where to post when something breaks, when it is well again, and once a week: "
        "an incoming webhook of Slack, or one that takes the same. A secret.",
    )
    allow_several_organisations: bool = Field(
        default=False,
        description="`on` lets a run store figures of another organisation than the warehouse "
        "holds; every sum then mixes them.",
    )

    @field_validator("api_key", mode="before")
    @classmethod
    def _clean_key(cls, value: object) -> object:
        return clean_key(value) if isinstance(value, str) else value

    @field_validator("campaign_ids", mode="before")
    @classmethod
    def _split_ids(cls, value: object) -> object:
        if isinstance(value, str):
            ids = (part.strip() for part in value.split(","))
            return tuple(dict.fromkeys(part for part in ids if part))
        return value

    @field_validator("base_url")
    @classmethod
    def _check_base_url(cls, value: str) -> str:
        return clean_base_url(value)

    @field_validator("alert_url")
    @classmethod
    def _check_alert_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parts = _split_url(value.get_secret_value())
            if parts.scheme != "https" and not (
                parts.scheme == "http" and is_loopback(parts.hostname or "")
            ):
                raise ValueError("give the https URL of a webhook")
        return value

    @field_validator("warehouse")
    @classmethod
    def _check_warehouse(cls, value: str) -> str:
        scheme = value.partition(":")[0]
        if scheme in {"md", "ducklake"} and not value.startswith(LAKE):
            raise ValueError("give a file path, or ducklake:postgres: and libpq's words")
        return value

    @field_validator("quarantine_dir", "report_dir", "statements_dir", "budget_dir")
    @classmethod
    def _expand_home(cls, value: Path | None) -> Path | None:
        return value and value.expanduser()

    def require_api_key(self) -> SecretStr:
        """The API key; SettingsError that says where to get one if it is not set."""
        if self.api_key is None:
            raise SettingsError(
                SettingProblem(
                    variable_of("api_key"),
                    "nothing can be fetched without a key",
                    found="not set",
                    allowed="a key with the scopes campaigns:read and metrics:read, made in "
                    "Soundlink's developer settings, in the environment or in the .env file beside "
                    "workspace.yaml. To try without a key: soundlink-assets demo",
                )
            )
        return self.api_key


def clean_key(text: str) -> str:
    """The API key without white space and quotes around it.

    Raises ValueError, which does not repeat the text, if it cannot be a key.
    """
    key = text.strip().strip("'\"").strip()
    if not key.startswith(KEY_START) or key == KEY_START:
        raise ValueError(f"a Soundlink API key begins with {KEY_START}")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError("the key contains white space or characters that no key has")
    return key


def clean_base_url(text: str) -> str:
    """The URL of the API without a slash at its end.

    Raises ValueError, which does not repeat the text, if no request can go there, or if the key
    must not.
    """
    url = text.strip().rstrip("/")
    if not url.isprintable() or " " in url:
        raise ValueError("it contains white space")
    parts = _split_url(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(_URL_WANTED)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("give scheme, host and path only: no user, query or fragment")
    if any(not 0 < len(label) < LONGEST_LABEL for label in parts.hostname.split(".")):
        raise ValueError("its host is not a host name")
    _check_port(parts)
    if url != DEFAULT_BASE_URL:
        _check_usable(url)
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("plain http would send the key unencrypted; use https")
    return url


def _split_url(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise ValueError(_URL_WANTED) from None


def _check_port(parts: SplitResult) -> None:
    try:
        is_port = parts.port != 0
    except ValueError:
        is_port = False
    if not is_port:
        raise ValueError("its port is not a number from 1 to 65535")


def _check_usable(url: str) -> None:
    """ValueError if the HTTP library, whose rules are its own, does not take the URL."""
    from httpx import URL, InvalidURL  # noqa: PLC0415 - definitions load without it

    try:
        URL(url)
    except InvalidURL:
        raise ValueError("its host is not a host name") from None


def is_loopback(host: str) -> bool:
    """Whether the host is this machine itself."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def variable_of(field: str) -> str:
    """The environment variable of a field of `Settings`."""
    return f"{PREFIX}{field.upper()}"


def load_settings(**given: Any) -> Settings:
    """Settings from the environment; what is `given` in the fields' own names comes first.

    Raises SettingsError with a problem for each wrong variable.
    """
    try:
        return Settings(**given)
    except ValidationError as error:
        raise SettingsError(*_problems(error, given)) from None


def _problems(error: ValidationError, given: Mapping[str, Any]) -> Iterator[SettingProblem]:
    environment = {name.upper(): value for name, value in os.environ.items()}
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        field = str(problem["loc"][0]).lower().removeprefix(PREFIX.lower())
        message = problem["msg"].removeprefix("Value error, ")
        if field not in Settings.model_fields:
            yield SettingProblem(variable_of(field), f"no setting has that name. {message}")
            continue
        found = str(given.get(field, environment.get(variable_of(field), "")))
        yield SettingProblem(
            variable_of(field),
            message,
            found=None if _may_hold_a_secret(field, found) else repr(found),
            allowed=Settings.model_fields[field].description or "",
        )


def _may_hold_a_secret(field: str, found: str) -> bool:
    return field in {"api_key", "alert_url"} or any(
        sign in found for sign in (KEY_START, "@", "password")
    )


def unknown_variables(environment: Mapping[str, str]) -> list[SettingProblem]:
    """A problem for each variable that looks like a setting and is not one, with the nearest.

    Never an error: other programs may have variables that begin with `SOUNDLINK_` too, as
    Kubernetes makes them for a service of that name.
    """
    known = [variable_of(field) for field in Settings.model_fields]
    problems = []
    for name in sorted(environment):
        if name.upper() in known:
            continue
        near = difflib.get_close_matches(
            name.upper(), known, n=1, cutoff=0.8 if name.startswith(PREFIX) else MISSPELT_PREFIX
        )
        if near or name.startswith(PREFIX):
            hint = f"; did you mean {near[0]}?" if near else ""
            problems.append(SettingProblem(name, f"no setting has that name{hint}", found="set"))
    return problems
