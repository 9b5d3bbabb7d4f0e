"""The Markdown documents of the repository, and the code blocks in them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]

DOCUMENTS = (
    REPOSITORY / "README.md",
    REPOSITORY / "CHANGELOG.md",
    *sorted((REPOSITORY / "docs").rglob("*.md")),
)

_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block: what its fence says it is, its text, and the line where it begins."""

    document: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document.relative_to(REPOSITORY)}:{self.line}"


def blocks(document: Path, *languages: str) -> Iterator[Block]:
    """The fenced blocks of a document in these languages, all of them by default."""
    text = document.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        language = found[2]
        if not languages or language in languages:
            line = text.count("\n", 0, found.start()) + 1
            yield Block(document, line, language, found[3])
