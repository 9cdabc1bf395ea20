"""Which version of the library runs: the installed package's, in an image the commit that it was built from."""

import os
from importlib import metadata

__all__ = ["library_version"]


def library_version() -> str:
    """Such as `0.1.0`. An image has the library's folder and no package: there COMMIT says it, else `unknown`."""
    try:
        return metadata.version("clinic-lib")
    except metadata.PackageNotFoundError:
        return os.environ.get("COMMIT") or "unknown"
