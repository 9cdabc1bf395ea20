"""Files to write and to change: all are worked out first, then written, so a refusal leaves nothing half done."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from clinic_lib.plural import counted
from clinic_lib.scaffold.errors import ScaffoldError

__all__ = ["Change"]


@dataclass
class Change:
    """What is to become of a folder: by path, relative to it, the new text."""

    folder: Path
    made: dict[str, str] = field(default_factory=dict)
    changed: dict[str, str] = field(default_factory=dict)

    def make(self, path: str, text: str) -> None:
        """Raises `ScaffoldError` when there is such a file."""
        if (self.folder / path).exists():
            raise ScaffoldError(f"{path} is there already: move it away, or choose another name.")
        self.made[path] = text

    def edit(self, path: str, text: str) -> None:
        if text != (self.folder / path).read_text():
            self.changed[path] = text

    def lines(self) -> Iterator[str]:
        """One for each file."""
        yield from (f"new      {path}" for path in self.made)
        for path, text in self.changed.items():
            more = len(text.splitlines()) - len((self.folder / path).read_text().splitlines())
            yield f"changed  {path}, {counted(more, 'line')} more"

    def write(self) -> None:
        for path, text in {**self.made, **self.changed}.items():
            file = self.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
