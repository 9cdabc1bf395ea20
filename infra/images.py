"""Which images there are: `python -m infra.images` prints the pipeline's matrix, from the table of services."""

import json

from infra.systems import SYSTEMS

__all__ = ["matrix"]


def matrix() -> dict[str, dict[str, str]]:
    """By a name that a job may have: the image's name and the program in it."""
    return {
        (each.local_name or each.name): {
            "image": (each.local_name or each.name).replace("_", "-"),
            "app": each.app,
        }
        for system in SYSTEMS
        for each in system.services
    }


if __name__ == "__main__":
    print(json.dumps(matrix()))
