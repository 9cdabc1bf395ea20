"""Why `clinic new` wrote nothing."""

from pathlib import Path

from clinic_lib.errors import ClinicError

__all__ = ["ScaffoldError", "UnexpectedFileError"]


class ScaffoldError(ClinicError):
    """Nothing was written; the message is one sentence that says what to do."""


class UnexpectedFileError(ScaffoldError):
    """A file is not written as expected, so nothing is put into it: `row` is what to put there by hand."""

    def __init__(self, path: Path, expected: str, row: str) -> None:
        super().__init__(
            f"{path.name} does not look as expected ({expected}), and nothing was written: "
            f"put this into it yourself, then run the command again.\n\n{row}"
        )
