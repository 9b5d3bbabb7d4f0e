"""What `init --cluster` writes: Dagster's instance in PostgreSQL, runs on Celery workers.

PostgreSQL holds everything that hosts share but files: history, the queue of runs, the catalog of
the warehouse, the request budget. It is reached by libpq's own variables (`PGHOST`, ...), so that
no file but `.env` names a host or a password.
"""

import shlex
from collections.abc import Mapping
from pathlib import Path

from soundlink_assets.cli.home import CODE_LOCATION, COMMON_YAML

BROKER = "sqla+postgresql+psycopg2://"
RESULTS = "db+postgresql+psycopg2://"

DAGSTER_YAML = f"""\
{COMMON_YAML}
# The URL is complete: libpq takes what it leaves out from PGHOST, PGUSER and so on.
storage:
  postgres:
    postgres_url: postgresql+psycopg2://

# Runs wait in PostgreSQL until a worker takes them; the worker executes the whole run.
run_launcher:
  module: dagster_celery.launcher
  class: CeleryRunLauncher
  config:
    broker: {BROKER}
    backend: {RESULTS}

# A run whose process died is marked as failed at once; one whose host died, after the four hours
# that no run should take. A run may wait for a worker for an hour.
run_monitoring:
  enabled: true
  poll_interval_seconds: 60
  start_timeout_seconds: 3600
  max_runtime_seconds: 14400

# As many as the workers together execute.
concurrency:
  runs:
    max_concurrent_runs: 4

# What processes print; the log of a run is in PostgreSQL.
compute_logs:
  module: dagster.core.storage.local_compute_log_manager
  class: LocalComputeLogManager
  config:
    base_dir:
      env: DAGSTER_COMPUTE_LOGS_DIR
"""

WORKSPACE_YAML = f"""\
# The code server, from which webserver and daemon take the definitions.
load_from:
  - grpc_server:
      host:
        env: CODE_SERVER_HOST
      port:
        env: CODE_SERVER_PORT
      location_name: {CODE_LOCATION}
"""

MIGRATE = "dagster instance migrate"
CODE_SERVER = (
    "dagster api grpc --module-name soundlink_assets.definitions --host 127.0.0.1 --port 4000"
)
DAEMON = "dagster-daemon run --workspace workspace.yaml"
WEBSERVER = "dagster-webserver --host 127.0.0.1 --port 3000 --workspace workspace.yaml"
WORKER = (
    f"celery --app dagster_celery.app --broker {BROKER} --result-backend {RESULTS} "
    "worker --concurrency 2 --prefetch-multiplier 1"
)


def settings_of(shared: Path) -> Mapping[str, str]:
    """The settings of `SOUNDLINK_*` that differ; `shared` is a folder that every host sees."""
    return {
        "warehouse": "ducklake:postgres:dbname=soundlink",
        "lake_data": f"{shared}/lake",
        "report_dir": str(shared),
        "quarantine_dir": f"{shared}/quarantine",
        "statements_dir": f"{shared}/statements",
    }


def variables_of(shared: Path) -> Mapping[str, tuple[str, str]]:
    """Further variables of the `.env` file: the value of each, and what it is."""
    return {
        "PGHOST": (
            "localhost",
            "The PostgreSQL server, as libpq finds it.",
        ),
        "PGUSER": ("soundlink", "Its user, who may create tables in the database."),
        "PGPASSWORD": ("", "The user's password. A secret."),
        "PGDATABASE": ("soundlink", "The database of Dagster's history and of the queue of runs."),
        "DAGSTER_COMPUTE_LOGS_DIR": (f"{shared}/logs", "Folder of what runs print."),
        "CODE_SERVER_HOST": ("127.0.0.1", "Where webserver and daemon find the code server."),
        "CODE_SERVER_PORT": ("4000", "Its port."),
    }


def what_next(folder: Path) -> str:
    """What to do in the folder that was made."""
    return f"""Made {folder}. What next, on every host:

  cd {shlex.quote(str(folder))}
  put your key and the PostgreSQL server into .env
  set -a; . ./.env; set +a

Once, to create Dagster's tables:

  {MIGRATE}

Then, each as a service (deploy/ has units and containers), the first three on one host:

  {CODE_SERVER}
  {DAEMON}
  {WEBSERVER}
  {WORKER}

The webserver has no log-in: let only a proxy with authentication reach it.
"""
