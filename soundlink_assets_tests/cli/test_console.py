"""Long commands show progress: on a terminal all the time, in a log file now and then."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import dagster as dg
from rich.console import Console

from soundlink_assets.cli.console import QUIET_SECONDS, NowAndThen, showing_progress
from soundlink_assets.cli.runs import Listener, run_days
from soundlink_assets.cli.sandbox import sandbox_settings
from soundlink_assets.sandbox import RunningSandbox
from soundlink_assets.schema.window import Window


class SteadyClock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def console(*, terminal: bool) -> tuple[Console, StringIO]:
    written = StringIO()
    return Console(file=written, force_terminal=terminal, width=80), written


class TestNowAndThen:
    def test_work_that_ends_soon_shows_nothing(self) -> None:
        clock, shown = SteadyClock(), list[str]()
        progress = NowAndThen(shown.append, clock)
        for second in range(int(QUIET_SECONDS)):
            clock.seconds = 1000.0 + second
            progress(f"second {second}")
        assert shown == []

    def test_work_that_lasts_shows_one_message_in_each_while(self) -> None:
        clock, shown = SteadyClock(), list[str]()
        progress = NowAndThen(shown.append, clock)
        for second in range(60):
            clock.seconds = 1000.0 + second
            progress(f"second {second}")
        assert shown == ["second 15", "second 30", "second 45"]


class TestShowingProgress:
    def test_a_terminal_shows_each_message_at_once(self) -> None:
        shown, written = console(terminal=True)
        with showing_progress(shown) as progress:
            progress("day 1 of 2")
        assert "day 1 of 2" in written.getvalue()

    def test_a_log_file_gets_no_cursor_movements(self) -> None:
        shown, written = console(terminal=False)
        with showing_progress(shown) as progress:
            progress("day 1 of 2")
        assert written.getvalue() == ""

    def test_a_message_in_a_log_file_is_one_line_as_it_was_given(self) -> None:
        shown, written = console(terminal=False)
        text = f"[bold]{'a long name ' * 10}[/bold]"
        with showing_progress(shown) as progress:
            assert isinstance(progress, NowAndThen)
            progress.shown_at -= QUIET_SECONDS
            progress(text)
        assert written.getvalue() == f"...  {text}\n"


def test_a_run_shows_what_it_works_on_and_nothing_of_the_framework(
    sandbox: RunningSandbox, tmp_path: Path
) -> None:
    settings = sandbox_settings(sandbox.base_url, sandbox.api_key, tmp_path)
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    heard, warned = list[str](), list[str]()
    with dg.DagsterInstance.ephemeral() as instance:
        runs = run_days(
            settings,
            Window(yesterday, yesterday),
            instance,
            Listener(heard.append, warned.append),
            select='key:"soundlink/campaigns" or key:"soundlink/campaign_country_daily"',
        )
        assert all(outcome.is_clean for outcome in runs)
    assert heard[:2] == [
        "working on soundlink/campaigns",
        "working on soundlink/campaign_country_daily",
    ]
    assert heard[2].startswith(f"campaign_country_daily {yesterday}: 2 of 2 requests, ")
    assert all(text.startswith("working on ") for text in heard[3:])
    assert warned == []
