"""What `deploy/` says, without containers: it runs what the tests of a cluster run."""

import configparser
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values

from soundlink_assets.cli import cluster
from soundlink_assets.settings import load_settings, unknown_variables
from soundlink_assets_tests.documents import REPOSITORY

DEPLOY = REPOSITORY / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
UNITS = sorted((DEPLOY / "systemd").iterdir())

RUN_BY_TEST_CLUSTER = {
    cluster.MIGRATE,
    cluster.CODE_SERVER,
    cluster.DAEMON,
    cluster.WEBSERVER,
    cluster.WORKER,
}


def compose() -> dict[str, Any]:
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text)["services"])


def unit(path: Path) -> configparser.ConfigParser:
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's names have capitals
    parsed.read_string(path.read_text(encoding="utf-8"))
    return parsed


def locked(lock: str) -> dict[str, str]:
    text = (REPOSITORY / lock).read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))


def test_every_command_of_the_containers_is_run_by_the_tests_of_a_cluster() -> None:
    commands = [found["command"] for found in compose().values() if "command" in found]

    for command in commands:
        assert command.replace("0.0.0.0", "127.0.0.1") in RUN_BY_TEST_CLUSTER  # noqa: S104 - in a container
    assert len(commands) == len(RUN_BY_TEST_CLUSTER)


def test_the_units_run_the_four_services_from_one_folder() -> None:
    services = [unit(path)["Service"] for path in UNITS]

    commands = {each["ExecStart"].removeprefix("/srv/soundlink/.venv/bin/") for each in services}
    assert commands == RUN_BY_TEST_CLUSTER - {cluster.MIGRATE}
    assert {each["EnvironmentFile"] for each in services} == {"/srv/soundlink/.env"}
    assert {each["WorkingDirectory"] for each in services} == {"/srv/soundlink"}
    assert {each["User"] for each in services} == {"soundlink"}


def test_only_the_proxy_with_its_log_in_is_reachable_and_on_loopback_only() -> None:
    services = compose()

    published = {name: found["ports"] for name, found in services.items() if "ports" in found}
    assert published == {"webserver": ["127.0.0.1:8080:8080"]}
    assert "--host 127.0.0.1" in services["webserver"]["command"]
    assert services["proxy"]["network_mode"] == "service:webserver"
    caddyfile = (DEPLOY / "Caddyfile").read_text(encoding="utf-8")
    assert caddyfile.index("basic_auth") < caddyfile.index("reverse_proxy 127.0.0.1:3000")


def test_two_workers_take_as_many_runs_as_may_be_under_way() -> None:
    queue = yaml.safe_load(cluster.DAGSTER_YAML)["concurrency"]["runs"]["max_concurrent_runs"]
    words = shlex.split(cluster.WORKER)

    replicas = compose()["worker"]["deploy"]["replicas"]
    assert replicas * int(words[words.index("--concurrency") + 1]) == queue


def test_what_compose_refers_to_exists() -> None:
    services = compose()

    for found in services.values():
        assert set(found.get("depends_on", ())) <= set(services)
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    for name in " ".join(copied).split():
        assert (REPOSITORY / name).exists()
        assert f"!{name}" in ignored


def test_the_image_does_not_run_as_root_and_is_installed_from_the_lock() -> None:
    users = re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)

    assert users == ["soundlink"]
    assert "--require-hashes -r requirements-cluster.lock" in DOCKERFILE


def test_the_containers_have_every_variable_of_the_instance(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    in_the_image = set(re.findall(r"([A-Z_]+)=\S+", DOCKERFILE))
    given = {name: value or "" for name, value in dotenv_values(DEPLOY / "env.example").items()}

    needed = set(re.findall(r"env: (\w+)", cluster.DAGSTER_YAML + cluster.WORKSPACE_YAML))
    assert needed <= in_the_image | set(given)
    assert cluster.variables_of(tmp_path).keys() <= in_the_image | set(given)
    assert unknown_variables(dict.fromkeys(in_the_image | set(given), "")) == []
    for name, value in given.items():
        if name.startswith("SOUNDLINK_"):
            monkeypatch.setenv(name, value)
    assert load_settings().warehouse == cluster.settings_of(tmp_path)["warehouse"]


def test_versions_are_those_of_the_locks() -> None:
    of_cluster, of_tests = locked("requirements-cluster.lock"), locked("requirements-dev.lock")
    chart = (DEPLOY / "helm-values.yaml").read_text(encoding="utf-8")
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert of_cluster.items() <= of_tests.items()
    assert set(re.findall(r"version:? (\d[\d.]+\d)", chart)) == {of_cluster["dagster"]}
    assert f"dagster-k8s=={of_cluster['dagster-celery']} " in chart
    pythons = {name.rpartition(" ")[2] for name in project["classifiers"]}
    assert set(re.findall(r"^FROM python:([\d.]+)", DOCKERFILE, re.MULTILINE)) <= pythons
    assert yaml.safe_load(chart)["postgresql"]["postgresqlScheme"] in cluster.DAGSTER_YAML
