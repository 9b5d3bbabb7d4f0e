"""Every command and query in the documentation, run as a reader would, against the sandbox."""

import configparser
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from soundlink_assets.sandbox import RunningSandbox, SandboxConfig, serving
from soundlink_assets.warehouse.lock import Deadline, locked
from soundlink_assets.warehouse.read_copy import read_copy_of
from soundlink_assets_tests.cli.commands import environment
from soundlink_assets_tests.documents import DOCUMENTS, REPOSITORY, Block, blocks

SANDBOX_PORT = "8765"
"""In the documents; the test's sandbox has another one."""

BASH = shutil.which("bash") or "bash"
FLOCK = shutil.which("flock") or "flock"

RUN = ("sh", "python", "sql")
SHOWN = {
    "text": "a drawing or what a command prints",
    "json": "what a command prints",
    "ini": "a file for systemd, parsed below",
    "toml": "a mapping of statements, read in statements/test_document.py",
    "nginx": "a file for nginx, which is not installed here",
}

NOT_RUN = {
    "make demo": "the same command is run in cli/test_demo.py",
    "make test": "would run itself",
    "make check": "run by CI beside the tests",
    "make quick": "would run itself",
    "soundlink-assets dev": "serves until stopped; driven in test_ui.py",
    "pip install": "changes the environment",
    "soundlink-assets start": "opens a browser; run in cli/test_start.py",
    "soundlink-assets move": "needs PostgreSQL; run in cli/test_maintain.py",
    "soundlink-assets sandbox": "serves until stopped; the test's own sandbox runs instead",
    ". .venv/bin/activate": "the tests run inside the environment",
    "sudo systemctl": "changes the machine",
    "ssh ": "another machine",
    "psql": "needs PostgreSQL",
    "pg_dump": "needs PostgreSQL",
    "rsync": "copies what was made with PostgreSQL",
    ".venv/bin/python -m pytest": "would run itself",
}
"""The beginnings of commands that are not run here, and why."""

OF_OTHERS = {"Ambiguous reference to catalog or schema"}
"""Messages in the troubleshooting that DuckDB says itself."""

TUTORIALS = ("adding-a-derived-asset.md", "adding-an-export.md")
"""Followed on a copy of the code, in test_tutorial.py."""

LOADED = ("notebooks.md", "tables.md")
"""They begin where a warehouse is already full."""

MAY_BE_EMPTY = ("nowcast.md",)
"""The loaded warehouse has too little history for expectations; its queries only have to run."""

PRELUDE = {
    "README.md": "soundlink-assets backfill",
    "operating.md": "soundlink-assets init my-soundlink && cd my-soundlink && "
    "soundlink-assets backfill",
    "nowcast.md": "soundlink-assets init my-soundlink && cd my-soundlink && "
    "soundlink-assets backfill",
}
"""What a document takes for granted."""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    """A small world of today, as a reader's key opens."""
    with serving(SandboxConfig(campaign_count=3)) as running:
        yield running


@pytest.fixture(scope="module")
def read_copy(loaded_warehouse: str) -> Path:
    """What a reader of the documents queries."""
    return read_copy_of(Path(loaded_warehouse))


def commands_of(block: Block) -> str:
    """The commands of a block that are run."""
    lines = []
    for line in block.text.splitlines():
        command = line.partition(" #")[0].strip()
        if not any(command.startswith(beginning) for beginning in NOT_RUN):
            lines.append(line)
    return "\n".join(lines)


def script(document: Path, folder: Path, base_url: str) -> str:
    """All that a document has a reader run in a shell, in its order."""
    parts = [PRELUDE.get(document.name, "true")]
    for block in blocks(document, "sh", "python"):
        parts.append(f"echo '--- {block}' >&2")
        if block.language == "sh":
            parts.append(commands_of(block).replace(SANDBOX_PORT, base_url.rpartition(":")[2]))
        else:
            program = folder / f"block_{block.line}.py"
            program.write_text(block.text, encoding="utf-8")
            parts.append(f"'{sys.executable}' '{program}'")
    return "\n".join(parts)


def documents_with(*languages: str) -> list[Path]:
    return [
        document
        for document in DOCUMENTS
        if document.name not in TUTORIALS and any(blocks(document, *languages))
    ]


@pytest.mark.parametrize(
    "document", documents_with("sh", "python"), ids=lambda document: document.name
)
def test_what_a_document_has_a_reader_run_works(
    document: Path, tmp_path: Path, sandbox: RunningSandbox, read_copy: Path
) -> None:
    bin_folder = Path(sys.executable).parent
    settings = {
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "SOUNDLINK_BASE_URL": sandbox.base_url,
        "SOUNDLINK_API_KEY": sandbox.api_key,
        "SOUNDLINK_BUDGET_DIR": str(tmp_path / "budget"),
    }
    folder = tmp_path / "reader"
    folder.mkdir()
    if document.name in LOADED:
        (folder / "data").mkdir()
        shutil.copy(read_copy, folder / "data" / "warehouse.read.duckdb")

    result = subprocess.run(
        [BASH, "-euo", "pipefail", "-c", script(document, tmp_path, sandbox.base_url)],
        cwd=folder,
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )

    assert result.returncode == 0, result.stdout + result.stderr


def queries() -> list[Block]:
    return [block for document in documents_with("sql") for block in blocks(document, "sql")]


@pytest.mark.parametrize("block", queries(), ids=str)
def test_a_query_in_the_documentation_answers(block: Block, read_copy: Path) -> None:
    with duckdb.connect(read_copy, read_only=True) as warehouse:
        for statement in duckdb.extract_statements(block.text):
            rows = warehouse.execute(statement).fetchall()

    assert rows or block.document.name in MAY_BE_EMPTY


def test_every_fence_says_what_is_in_it() -> None:
    found = {str(block): block.language for document in DOCUMENTS for block in blocks(document)}

    assert set(found.values()) <= {*RUN, *SHOWN}, found


def test_every_command_that_is_not_run_stands_in_a_document() -> None:
    text = "\n".join(block.text for document in DOCUMENTS for block in blocks(document, "sh"))

    assert [beginning for beginning in NOT_RUN if beginning not in text] == []


def test_the_unit_starts_a_command_that_exists() -> None:
    (unit,) = blocks(REPOSITORY / "docs/operating.md", "ini")
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keep the case of keys
    parser.read_string(unit.text)

    command, subcommand = parser["Service"]["ExecStart"].split()
    assert Path(command).name == "soundlink-assets"
    assert shutil.which("soundlink-assets", path=str(Path(sys.executable).parent))
    assert subcommand == "dev"


def test_the_lock_of_the_shell_is_that_of_the_platform(tmp_path: Path) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    attempt = [FLOCK, "--shared", "--nonblock", f"{warehouse}.lock", "true"]
    deadline = Deadline(10, logging.getLogger(__name__))
    with locked(warehouse, exclusive=True, purpose="a test", deadline=deadline):
        assert subprocess.run(attempt, check=False).returncode != 0
    assert subprocess.run(attempt, check=False).returncode == 0


def test_every_message_under_troubleshooting_is_one_that_is_said() -> None:
    text = (REPOSITORY / "docs/troubleshooting.md").read_text(encoding="utf-8")
    sources = [
        path.read_text(encoding="utf-8") for path in (REPOSITORY / "soundlink_assets").rglob("*.py")
    ]
    said = "\n".join(re.sub(r'"\s*f?"', "", source) for source in sources)
    quoted = re.findall(r'\*\*"([^"]+)"', text)

    assert len(quoted) > 10
    assert [words for words in quoted if words not in said and words not in OF_OTHERS] == []
