"""Which images there are: `python -m infra.images` prints the pipeline's matrix, from the table of services.

`python -m infra.images FOLDER [--not-yet]` prints a name and a digest a line: what a stack runs, whose outputs come as
JSON on the standard input, and over that the NAME.digest files anywhere in the folder. With `--not-yet` an image that
neither has gets a digest of zeros, so that a preview can show a service that is new.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.systems import SYSTEMS

__all__ = ["IMAGE_DIGESTS", "NOT_YET", "digests", "matrix"]

IMAGE_DIGESTS = "imageDigests"
"""The stack's output that says which images it runs."""
NOT_YET = f"sha256:{'0' * 64}"


def matrix() -> dict[str, dict[str, str]]:
    """By a name that a job may have: the image's name and the program in it."""
    return {
        (each.local_name or each.name): {"image": each.image, "app": each.app}
        for system in SYSTEMS
        for each in system.services
    }


def digests(outputs: Mapping[str, Any], folder: Path, *, not_yet: bool = False) -> dict[str, str]:
    """By an image's name, of those that there are services for."""
    names = [each["image"] for each in matrix().values()]
    running: Mapping[str, str] = outputs.get(IMAGE_DIGESTS) or {}
    pushed = {file.stem: file.read_text().strip() for file in folder.rglob("*.digest")}
    found = dict.fromkeys(names, NOT_YET) if not_yet else {}
    return found | {name: digest for name, digest in {**running, **pushed}.items() if name in names}


if __name__ == "__main__":
    if len(sys.argv) == 1:
        print(json.dumps(matrix()))
    else:
        wanted = digests(json.load(sys.stdin), Path(sys.argv[1]), not_yet="--not-yet" in sys.argv)
        print(*(f"{name} {digest}" for name, digest in wanted.items()), sep="\n")
