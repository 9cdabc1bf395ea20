"""The `clinic` command, also as `python -m clinic_lib`: says what to install when its packages are missing."""

import sys

__all__ = ["main"]


def main() -> None:
    """Runs the command. Its packages come with the extra `local`; the library itself needs none of them."""
    try:
        from clinic_lib import cli  # noqa: PLC0415 - may be missing what it imports
    except ModuleNotFoundError as exc:
        if (exc.name or "clinic_lib").startswith("clinic_lib"):
            raise
        sys.exit(f"The clinic command needs {exc.name}, which is missing: pip install 'clinic-lib[local]'.")
    cli.main()


if __name__ == "__main__":
    main()
