"""All services that an operator can ask: those of the stack that runs here, or those that --admin names."""

import os
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from clinic_lib.local import control
from clinic_lib.local.folder import ClinicFolder
from clinic_lib.local.project import find_project
from clinic_lib.local.status import ServiceStatus
from clinic_lib.operate.admin_port import AdminPort
from clinic_lib.operate.errors import DownError, NotThereError, OperateError

__all__ = ["Owner", "Services", "find_services"]


class Owner(NamedTuple):
    """A service and the sagas that it owns."""

    port: AdminPort
    sagas: list[str]


class Services:
    """Admin ports by name; `down` are the sentences about those that did not answer, by name."""

    def __init__(self, ports: Iterable[AdminPort]) -> None:
        self.all = {port.name: port for port in ports}
        self.down: dict[str, str] = {}

    def named(self, name: str) -> AdminPort:
        """Raises `OperateError` for an unknown name, with the known ones."""
        if name not in self.all:
            raise OperateError(f"There is no service {name}: there is {', '.join(self.all) or 'none'}.")
        return self.all[name]

    def some(self, name: str | None) -> list[AdminPort]:
        """The one of that name; all without it."""
        return [self.named(name)] if name else list(self.all.values())

    def owners(self, saga: str | None = None) -> list[Owner]:
        """Who owns which sagas; of a service that is down, what it said when it was up.

        Raises `OperateError` when nobody owns `saga`.
        """
        found = [Owner(port, self._sagas(port)) for port in self.all.values()]
        known = [name for owner in found for name in owner.sagas]
        if saga is not None and saga not in known and not self.down:
            raise OperateError(f"No service owns a saga {saga}: there is {', '.join(known) or 'none'}.")
        wanted = [Owner(port, [each for each in own if saga in (None, each)]) for port, own in found]
        return [owner for owner in wanted if owner.sagas]

    def newest(
        self, ports: Iterable[AdminPort], path: str, *, by: str, limit: int | None, **parameters: str | None
    ) -> tuple[list[dict[str, Any]], bool]:
        """At most `limit` items of all, the newest `by` that time first, and whether there are more.

        A service that is down is noted and left out; one that has no such collection has no items.
        """
        wanted = None if limit is None else limit + 1
        items: list[dict[str, Any]] = []
        for port in ports:
            try:
                own = islice(port.items(path, parameters, wanted), wanted)
                items += [{"service": port.name, **each} for each in own]
            except NotThereError:
                continue
            except DownError as exc:
                self.down[port.name] = str(exc)
        items.sort(key=lambda each: datetime.fromisoformat(each[by]), reverse=True)
        return items[:limit], limit is not None and len(items) > limit

    def _sagas(self, port: AdminPort) -> list[str]:
        try:
            return port.declared()["sagas"]
        except NotThereError:
            return []
        except DownError as exc:
            sagas = port.said["sagas"] if port.said else []
            if sagas or port.said is None:
                self.down[port.name] = str(exc)  # without any, nothing of it is missing
            return sagas


def find_services(addresses: Sequence[str] | None) -> Services:
    """Those of `addresses` (NAME=URL), without any those of the stack that runs here.

    Raises `OperateError` for a wrong address or a missing token, `StackError` when nothing runs.
    """
    return Services(_named(addresses) if addresses else _local())


def _named(addresses: Sequence[str]) -> Iterable[AdminPort]:
    token = os.environ.get("ADMIN_TOKEN")
    if not token:
        raise OperateError(
            "Set ADMIN_TOKEN in the environment to the token that the services were started with."
        )
    for address in addresses:
        name, _, url = address.partition("=")
        if not name or not url.startswith(("http://", "https://")):
            raise OperateError(f"--admin {address}: write NAME=URL, as order=http://127.0.0.1:9080.")
        url = url.rstrip("/")
        port = AdminPort(name, (url,), token, f"{name} does not answer at {url}")
        _require_its_own(port)
        yield port


def _require_its_own(port: AdminPort) -> None:
    """A list of nothing must not come from the wrong port. One that is down can't be asked."""
    try:
        told = port.get("/admin/service")["name"]
    except DownError:
        return
    except NotThereError:
        raise OperateError(
            f"--admin {port.name}={port.urls[0]} is no admin port of a service: that is the public port + 1000 "
            "locally, 9080 in a cluster."
        ) from None
    if told != port.name:
        raise OperateError(f"--admin {port.name}={port.urls[0]}: that is {told}, not {port.name}.")


def _local() -> Iterable[AdminPort]:
    folder = ClinicFolder(find_project().folder)
    replicas: dict[str, list[ServiceStatus]] = {}
    for each in control.status(folder)["services"]:
        replicas.setdefault(each["name"], []).append(each)
    for name, own in replicas.items():
        said = next((each["declared"] for each in own if each["declared"]), None)
        if said is not None:  # what has never said anything is a gateway
            urls = [f"http://127.0.0.1:{each['admin_port']}" for each in own if each["pid"]]
            when_down = f"{name} is down: `clinic start {name}`"
            yield AdminPort(name, urls, folder.admin_token, when_down, said)
