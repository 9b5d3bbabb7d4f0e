"""The tool that follows the links of the documentation: what it lets pass and what it names."""

import subprocess
import sys
from pathlib import Path

import pytest

from soundlink_assets_tests.documents import REPOSITORY

OTHER = """\
# Other things

## What `stop` does, and when

## Twice
## Twice
"""


def check(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "docs" / "deep").mkdir(parents=True)
    (folder / "docs" / "other.md").write_text(OTHER, encoding="utf-8")
    (folder / "docs" / "deep" / "page.md").write_text(text, encoding="utf-8")
    return subprocess.run(
        [sys.executable, str(REPOSITORY / "tools" / "check_docs"), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "text",
    [
        "[a file](../other.md)",
        "[a folder](../)",
        "[a heading](../other.md#what-stop-does-and-when)",
        "[the second of two](../other.md#twice-1)",
        "# Here\n[itself](#here)",
        "[elsewhere](https://example.com/nothing) and [mail](mailto:x@example.com)",
        "```text\n[shown](nowhere.md)\n```",
        "`[shown](nowhere.md)`",
    ],
)
def test_links_that_lead_somewhere_pass(text: str, tmp_path: Path) -> None:
    result = check(tmp_path, text)

    assert (result.returncode, result.stdout) == (0, "")


@pytest.mark.parametrize(
    "target", ["nowhere.md", "other.md", "../other.md#twice-2", "#nothing", "../picture.png"]
)
def test_a_link_that_leads_nowhere_is_named(target: str, tmp_path: Path) -> None:
    result = check(tmp_path, f"[words]({target})")

    assert result.returncode == 1
    assert "page.md" in result.stdout
    assert target in result.stdout
