"""Past one machine: two workers, a daemon, a code server and a webserver on one PostgreSQL.

Everything is as `init --cluster` says; each process has HOME, TMPDIR and DAGSTER_HOME of its own,
each worker a name, as on hosts of their own. Only the folder of the lake's files is shared.
"""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import dagster as dg
import httpx
import psycopg2
import pytest
from dotenv import dotenv_values
from pydantic import SecretStr
from typer.testing import CliRunner

from soundlink_assets.cli import app, cluster
from soundlink_assets.sandbox import SandboxConfig, serving
from soundlink_assets.sandbox.config import PROVIDER_LIMITS
from soundlink_assets.schema import CAMPAIGN_EXPORTS
from soundlink_assets.schema.window import Window
from soundlink_assets.settings import Settings
from soundlink_assets.warehouse.lake import LOCK_KEY
from soundlink_assets_tests.cli.commands import environment
from soundlink_assets_tests.documents import REPOSITORY
from soundlink_assets_tests.ports import free_port
from soundlink_assets_tests.postgres import Postgres, postgres
from soundlink_assets_tests.test_end_to_end import YESTERDAY, Platform, stored_and_served
from soundlink_assets_tests.waiting import wait_for

__all__ = ["postgres"]

pytestmark = pytest.mark.slow

SECONDS = 900
"""A test gives up after so long; never reached when all is well."""

DAYS = Window(YESTERDAY - timedelta(days=3), YESTERDAY)

LAUNCH = """
mutation($tags: [ExecutionTag!]) {
  launchRun(executionParams: {
    selector: {
      repositoryLocationName: "soundlink_assets", repositoryName: "__repository__",
      jobName: "daily_exports"
    },
    runConfigData: {}, executionMetadata: {tags: $tags}
  }) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}"""

STATUSES = "{ runsOrError { ... on Runs { results { runId status } } } }"


@dataclass
class Cluster:
    """Processes of one cluster, each in a home of its own below `folder`."""

    folder: Path
    words: dict[str, str]
    variables: dict[str, str]
    port: int
    platform: Platform
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, command: str, host: str) -> subprocess.Popen[bytes]:
        """Run one of the commands that `init` prints, on a host that nothing else is on."""
        home = self.folder / host
        made = CliRunner().invoke(
            app, ["init", str(home), "--cluster", "--shared", str(self.folder / "shared")]
        )
        assert made.exit_code == 0, made.output
        (home / "tmp").mkdir()
        with (home / ".env").open("a") as file:
            file.writelines(f"\n{name}='{value}'" for name, value in self.variables.items())
        given = {name: value or "" for name, value in dotenv_values(home / ".env").items()}
        own = {"HOME": str(home), "TMPDIR": str(home / "tmp"), "PYTHONPATH": str(REPOSITORY)}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        with (home / "log").open("w") as log:
            process = subprocess.Popen(
                shlex.split(command),
                cwd=home,
                env=environment(given | own | {"PATH": path}),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def start_worker(self, host: str) -> subprocess.Popen[bytes]:
        return self.start(f"{cluster.WORKER} --hostname {host}@{host}", host)

    def ask(self, query: str, **variables: Any) -> Any:
        answer = httpx.post(
            f"http://127.0.0.1:{self.port}/graphql",
            json={"query": query, "variables": variables},
            timeout=SECONDS,
        ).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def is_up(self) -> bool:
        with suppress(httpx.TransportError):
            return bool(self.ask("{ version }"))
        return False

    def launch(self, window: Window) -> str:
        """Ask for the days of the window as in the UI; the id of the run."""
        tags = {
            "dagster/asset_partition_range_start": window.first.isoformat(),
            "dagster/asset_partition_range_end": window.last.isoformat(),
        }
        given = [{"key": name, "value": value} for name, value in tags.items()]
        answer = self.ask(LAUNCH, tags=given)["launchRun"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def ended(self, runs: list[str]) -> list[str]:
        """The statuses of these runs, once all have ended."""

        def statuses() -> list[str] | None:
            found = {
                run["runId"]: run["status"] for run in self.ask(STATUSES)["runsOrError"]["results"]
            }
            of_these = [found[run] for run in runs]
            done = {"SUCCESS", "FAILURE", "CANCELED"}
            return of_these if done.issuperset(of_these) else None

        return cast("list[str]", wait_for(statuses, SECONDS, "the runs have ended", every=1))

    def is_committing(self) -> bool:
        """Whether somebody waits for a lock of a table while a writer has the lake's lock."""
        with closing(psycopg2.connect(**self.words)) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT bool_or(NOT granted AND locktype = 'relation') "
                "AND bool_or(granted AND locktype = 'advisory' AND objid = %s) FROM pg_locks",
                (LOCK_KEY,),
            )
            return bool(cursor.fetchone()[0])

    def stop(self) -> None:
        for process in self.started:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="module")
def running(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster without workers, on a sandbox that keeps the provider's limits."""
    folder = tmp_path_factory.mktemp("cluster")
    found = psycopg2.extensions.parse_dsn(postgres.new_database())
    warehouse = f"ducklake:postgres:dbname={found['dbname']} host={found['host']} user=postgres"
    with (
        serving(SandboxConfig(campaign_count=3, limits=PROVIDER_LIMITS)) as sandbox,
        dg.DagsterInstance.ephemeral(str(folder)) as unused,
    ):
        settings = Settings(
            api_key=SecretStr(sandbox.api_key), base_url=sandbox.base_url, warehouse=warehouse
        )
        code, port = free_port(), free_port()
        variables = {
            "PGHOST": found["host"],
            "PGUSER": found["user"],
            "PGDATABASE": found["dbname"],
            "CODE_SERVER_PORT": str(code),
            "SOUNDLINK_API_KEY": sandbox.api_key,
            "SOUNDLINK_BASE_URL": sandbox.base_url,
            "SOUNDLINK_WAREHOUSE": f"ducklake:postgres:dbname={found['dbname']}",
            "SOUNDLINK_AUTOMATION": "off",
            "SOUNDLINK_SOUNDLINKS": "off",
        }
        made = Cluster(folder, found, variables, port, Platform(sandbox, settings, unused))
        try:
            assert made.start(cluster.MIGRATE, "first").wait(SECONDS) == 0
            made.start(cluster.CODE_SERVER.replace("4000", str(code)), "code")
            made.start(cluster.DAEMON, "daemon")
            made.start(cluster.WEBSERVER.replace("3000", str(port)), "webserver")
            wait_for(made.is_up, SECONDS, "the webserver is up")
            yield made
        finally:
            made.stop()


def keys_twice(platform: Platform) -> int:
    return sum(
        platform.read(
            f"select count(*) - count(distinct ({', '.join(export.table.key)})) "
            f"from {export.table.qualified_name}"
        ).item()
        for export in CAMPAIGN_EXPORTS
    )


def most_requests_in_a_minute(platform: Platform) -> int:
    moments = sorted(request.moment for request in platform.sandbox.requests)
    return max(sum(1 for moment in moments if start <= moment < start + 60) for start in moments)


@pytest.fixture(scope="module")
def eight_runs(running: Cluster) -> list[str]:
    """The statuses of eight runs at once, over days that overlap, on two workers that then end."""
    workers = [running.start_worker("a"), running.start_worker("b")]
    firsts = [DAYS.first + timedelta(days=n % 3) for n in range(8)]
    windows = [Window(first, first + timedelta(days=1)) for first in firsts]
    statuses = running.ended([running.launch(window) for window in windows])
    for worker in workers:
        worker.terminate()
    assert [worker.wait(SECONDS) for worker in workers] == [0, 0]
    return statuses


def test_eight_runs_on_two_workers_store_the_truth(running: Cluster, eight_runs: list[str]) -> None:
    assert eight_runs == ["SUCCESS"] * 8
    for export in CAMPAIGN_EXPORTS:
        stored_and_served(running.platform, export, DAYS)
    assert keys_twice(running.platform) == 0


@pytest.mark.usefixtures("eight_runs")
def test_they_keep_the_request_budget_together(running: Cluster) -> None:
    assert most_requests_in_a_minute(running.platform) <= 60
    assert {request.status for request in running.platform.sandbox.requests} == {200}


@pytest.mark.usefixtures("eight_runs")
def test_after_a_worker_was_killed_while_it_committed_the_next_run_repairs(
    running: Cluster,
) -> None:
    platform = running.platform
    doomed = running.start_worker("doomed")
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    platform.sandbox.set_clock(
        tomorrow, ticking=True
    )  # the provider revises the figures of these days
    with closing(psycopg2.connect(**running.words)) as connection, connection.cursor() as cursor:
        # A transaction of the lake reads this table at its beginning, and adds to it to commit.
        cursor.execute("LOCK TABLE ducklake_snapshot IN SHARE MODE")
        running.launch(DAYS)
        wait_for(running.is_committing, SECONDS, "a commit waits for the lock", every=0.1)
        os.killpg(doomed.pid, signal.SIGKILL)
        doomed.wait()

    running.start_worker("next")
    statuses = running.ended([running.launch(DAYS)])

    assert statuses == ["SUCCESS"]
    for export in CAMPAIGN_EXPORTS:
        stored_and_served(platform, export, DAYS)
    assert keys_twice(platform) == 0
