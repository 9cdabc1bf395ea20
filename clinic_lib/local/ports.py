"""Ports of this machine: which are free, and who has one."""

import asyncio
import errno
import random
import socket

import psutil

from clinic_lib.local.errors import StackError

__all__ = ["FREE_PORTS", "LOOPBACK", "answers", "free_port", "require_free"]

LOOPBACK = "127.0.0.1"
CONNECTS_WITHIN_S = 5

FREE_PORTS = range(20_000, 30_000)
"""Below what the machine hands out for connections: one of those may be gone before a server has it."""


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    while True:
        port = random.choice(FREE_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port


def require_free(port: int, wanted_by: str) -> None:
    """Raises `StackError`, which names the port, who wants it and who has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as exc:
            if exc.errno != errno.EADDRINUSE:
                raise
            raise StackError(
                f"Port {port}, which {wanted_by} needs, is in use{_holder(port)}: "
                "end what listens there, or give another port under [tool.clinic] in pyproject.toml."
            ) from exc


async def answers(port: int, host: str = LOOPBACK) -> bool:
    """Whether something takes connections there."""
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), CONNECTS_WITHIN_S)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def _holder(port: int) -> str:
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return ""
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
            return f" by process {connection.pid} ({psutil.Process(connection.pid).name()})"
    return ""
