"""How commands talk to the stack that runs: a line of JSON each way, over a Unix socket."""

import json
import socket
from typing import cast

from clinic_lib.local.errors import StackError
from clinic_lib.local.folder import ClinicFolder
from clinic_lib.local.status import Status

__all__ = ["call", "status"]


def call(folder: ClinicFolder, action: str, *arguments: str | int) -> object:
    """Has the stack do it, and waits until it is done.

    Raises `StackError` when none runs, and with what the stack says when it can't.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(folder.socket)
        except (FileNotFoundError, ConnectionRefusedError):
            raise StackError(f"Nothing runs in {folder.path.parent}: start it with `clinic up`.") from None
        with connection.makefile("rw") as stream:
            stream.write(json.dumps([action, arguments]) + "\n")
            stream.flush()
            reply = stream.readline()
    if not reply:
        raise StackError("The stack ended before it answered.")
    answer = json.loads(reply)
    if "problem" in answer:
        raise StackError(answer["problem"])
    return answer["result"]


def status(folder: ClinicFolder) -> Status:
    """What runs. Raises `StackError` when nothing does."""
    return cast("Status", call(folder, "status"))
