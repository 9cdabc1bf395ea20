"""Which images there are, from the table of services.

`python -m infra.images` prints the pipeline's matrix, `python -m infra.images list` a name and a program a line.

`python -m infra.images digests [FOLDER] [--not-yet]` prints a name and a digest a line: what a stack runs, whose
outputs come as JSON on the standard input, and over that the NAME.digest files anywhere in the folder. With
`--not-yet` an image that neither has gets a digest of zeros, so that a preview can show a service that is new.
"""

import argparse
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.systems import SYSTEMS

__all__ = ["IMAGE_DIGESTS", "NOT_YET", "ImagesError", "digests", "matrix"]

IMAGE_DIGESTS = "imageDigests"
"""The stack's output that says which images it runs."""
NOT_YET = f"sha256:{'0' * 64}"


class ImagesError(Exception):
    """Digests are not where they were said to be, or none; the message is one sentence that names what."""


def matrix() -> dict[str, dict[str, str]]:
    """By a name that a job may have: the image's name and the program in it."""
    return {
        (each.local_name or each.name): {"image": each.image, "app": each.app}
        for system in SYSTEMS
        for each in system.services
    }


def digests(
    outputs: Mapping[str, Any], folder: Path | None = None, *, not_yet: bool = False
) -> dict[str, str]:
    """By an image's name, of those that there are services for. Raises `ImagesError`."""
    names = [each["image"] for each in matrix().values()]
    running: Mapping[str, str] = outputs.get(IMAGE_DIGESTS) or {}
    pushed = _pushed(folder) if folder else {}
    found = dict.fromkeys(names, NOT_YET) if not_yet else {}
    return found | {name: digest for name, digest in {**running, **pushed}.items() if name in names}


def _pushed(folder: Path) -> dict[str, str]:
    if not folder.is_dir():
        raise ImagesError(f"There is no folder {folder}: name the one that has the NAME.digest files.")
    found = {file.stem: file.read_text().strip() for file in sorted(folder.rglob("*.digest"))}
    if not found:
        raise ImagesError(f"There is no NAME.digest in {folder}: pipelines/image writes one for each image.")
    for name, digest in found.items():
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
            raise ImagesError(
                f"{name}.digest says {digest!r}: a digest is sha256: and 64 hexadecimal digits."
            )
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.images", description="Which images there are.")
    what = parser.add_subparsers(dest="what", metavar="list | digests")
    what.add_parser("list")
    wanted = what.add_parser("digests")
    wanted.add_argument("folder", nargs="?", type=Path, metavar="FOLDER")
    wanted.add_argument("--not-yet", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    arguments = _arguments()
    match arguments.what:
        case "list":
            print(*(f"{each['image']} {each['app']}" for each in matrix().values()), sep="\n")
        case "digests":
            try:
                wanted = digests(json.load(sys.stdin), arguments.folder, not_yet=arguments.not_yet)
            except json.JSONDecodeError:
                sys.exit("The stack's outputs are no JSON: where pulumi made them, it says why.")
            except ImagesError as exc:
                sys.exit(str(exc))
            print(*(f"{name} {digest}" for name, digest in wanted.items()), sep="\n")
        case _:
            print(json.dumps(matrix()))
