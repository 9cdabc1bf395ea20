"""Files that are written whole or not at all, and whether they can be."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

from clinic_lib.local.errors import StackError

__all__ = ["need_writable", "write"]

ROOM_BYTES = 2**20
"""More than all results and plots take."""


def write(path: Path, text: str) -> None:
    """In the place of an earlier one, which stays when `OSError` is raised."""
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_text(text)
        new.replace(path)
    except OSError:
        with suppress(OSError):
            new.unlink()
        raise


def need_writable(paths: Iterable[Path]) -> None:
    """Changes none of them. Raises `StackError` for one that `write` would fail on."""
    for path in paths:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=path.parent) as room:
                room.write(bytes(ROOM_BYTES))
            if path.exists():
                path.open("r+b").close()
        except OSError as exc:
            raise StackError(
                f"{path} can't be written ({exc.strerror}), and clinic bench ends with that."
            ) from None
