"""Prometheus: the one on the PATH, otherwise Debian's package, unpacked once per machine into the user's cache.

It is not installed, so nothing of the machine changes and root is not needed.
Run as a module (`python -m clinic_lib.local.prometheus_package`) it fetches and tells what it does.
"""

import os
import shutil
import subprocess
from pathlib import Path

from clinic_lib.local.errors import StackError
from clinic_lib.local.once import COMPLETE, kept, made, main

__all__ = ["fetch", "find"]

PACKAGE = "prometheus"
TOOLS = ("apt-get", "dpkg-deb")
# as root apt would hand the download to a user that can't write here
DOWNLOAD = ("apt-get", "--option", "APT::Sandbox::User=root", "download", PACKAGE)
WAYS_OUT = (
    "put `prometheus` on the PATH, or set PROMETHEUS_URL to one that runs "
    "(`docker compose -f .clinic/observe/compose.yaml up prometheus` starts one)"
)


def find(program: str = "prometheus") -> Path | None:
    """Where `prometheus` or `promtool` is; None when it has to be fetched first."""
    if on_path := shutil.which(program):
        return Path(on_path)
    unpacked = _folder() / "usr" / "bin" / program
    return unpacked if unpacked.exists() else None


def fetch() -> None:
    """Fetches the package unless it is there.

    Raises `StackError` on a machine without apt, and when the package can't be had.
    """
    target = _folder()
    if target.exists():
        return
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        raise StackError(
            f"Prometheus comes as Debian's package, and there is no {missing[0]} here: {WAYS_OUT}."
        )
    with made(target) as work:
        _download(work)
        package = next(work.glob("*.deb"))
        _run("dpkg-deb", "--extract", str(package), str(work / COMPLETE))


def _folder() -> Path:
    return kept(PACKAGE)


def _download(folder: Path) -> None:
    """A new machine has no lists of packages yet: only root may renew them."""
    try:
        _run(*DOWNLOAD, folder=folder)
    except StackError:
        if os.geteuid() != 0:
            raise
        _run("apt-get", "update")
        _run(*DOWNLOAD, folder=folder)


def _run(*command: str, folder: Path | None = None) -> None:
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    if ran.returncode:
        said = ran.stderr.strip().splitlines() or [f"exit code {ran.returncode}"]
        raise StackError(
            f"Debian's package of Prometheus can't be had ({command[0]}: {said[-1]}): "
            f"run `apt-get update` as root, {WAYS_OUT}."
        )


if __name__ == "__main__":
    main(fetch)
