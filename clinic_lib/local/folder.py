"""The folder .clinic of a project: data, logs, and how to reach the stack that runs there."""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clinic_lib.local.errors import StackError

__all__ = ["ClinicFolder"]


class ClinicFolder:
    """Everything that is kept between two runs."""

    def __init__(self, project: Path) -> None:
        self.path = project / ".clinic"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def kafka(self) -> Path:
        return self.path / "kafka"

    @property
    def postgresql(self) -> Path:
        """A link to a folder elsewhere when another user runs PostgreSQL and can't come here."""
        return self.path / "postgresql"

    @property
    def observe(self) -> Path:
        """What Prometheus and Grafana read, and Prometheus' data."""
        return self.path / "observe"

    @property
    def socket(self) -> str:
        """The shorter of its two paths: a Unix socket's has 107 bytes at most."""
        absolute = str(self.path / "control.sock")
        return min(absolute, os.path.relpath(absolute), key=len)

    @property
    def admin_token(self) -> str:
        """What opens the services' admin ports in this run."""
        return self._token.read_text()

    def make_admin_token(self) -> str:
        """ADMIN_TOKEN of the environment, otherwise a new one each run; only the owner can read it."""
        token = os.environ.get("ADMIN_TOKEN") or secrets.token_urlsafe(32)
        self._token.unlink(missing_ok=True)
        self._token.touch(0o600)
        self._token.write_text(token)
        return token

    @property
    def _token(self) -> Path:
        return self.path / "admin_token"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps a second stack out of the folder.

        Raises `StackError` when one runs there; the lock goes with its process, however that ends.
        """
        self.path.mkdir(mode=0o711, exist_ok=True)  # PostgreSQL's user has to pass through
        with (self.path / "lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise StackError(
                    f"A stack runs in {self.path.parent} already (process {lock.read().strip()}): "
                    "look at it with `clinic status`, or end that process first."
                ) from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def erase(self) -> None:
        """Removes all data, so that the next start is a first one. The stack must not run."""
        shutil.rmtree(self.postgresql.resolve(), ignore_errors=True)
        self.postgresql.unlink(missing_ok=True)
        shutil.rmtree(self.kafka, ignore_errors=True)
        shutil.rmtree(self.observe, ignore_errors=True)

    def erase_logs(self) -> None:
        """Each run starts with empty logs."""
        shutil.rmtree(self.logs, ignore_errors=True)
        self.logs.mkdir(mode=0o700)
