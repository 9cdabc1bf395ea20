"""Manifests: what a service's signatures say, as data that travels between repositories.

Invariant: rules and pictures know nothing else, so a service elsewhere is looked at like one that is here.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, model_validator

from clinic_lib.handlers import Kind
from clinic_lib.wiring.errors import LookError

__all__ = [
    "FORMAT",
    "CoverageFacts",
    "EventFacts",
    "HandlerFacts",
    "Manifest",
    "OperationFacts",
    "Place",
    "SagaFacts",
    "ServiceFacts",
    "WaiverFacts",
    "read_manifest",
]

FORMAT: Literal["clinic-manifest/1"] = "clinic-manifest/1"
"""Raised when a reader of the old form could not read the new one; what is only added does not raise it."""


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Place(_Facts):
    """Where something stands: a file, from the project's folder on, and a line.

    `manifest` is the file that tells of it, when it stands in another repository.
    """

    file: str
    line: int
    manifest: str | None = Field(default=None, exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _elsewhere(cls, stated: Any, read: ValidationInfo) -> Any:
        return {**stated, "manifest": str(read.context)} if isinstance(read.context, Path) else stated

    def __str__(self) -> str:
        elsewhere = f" in another repository (told by {self.manifest})" if self.manifest else ""
        return f"{self.file}:{self.line}{elsewhere}"


class EventFacts(_Facts):
    """An event as one service knows it; `fields` is its JSON schema, `upcasters` the versions that have one."""

    type: str
    topic: str
    key: str
    version: int = 1
    failure: bool = False
    fact: bool = False
    upcasters: tuple[int, ...] = ()
    fields: dict[str, Any]
    summary: str = ""
    place: Place


class HandlerFacts(_Facts):
    """A function. Each of `outcomes` is one set of events that it may answer with, in the order of its type.

    `touches` are the rows it is handed or makes, `may_lack` those of them that may be absent, `makes` the new
    ones. `own_sql`: it may touch anything. `request` is a command's, as `POST /orders`.
    """

    service: str
    name: str
    kind: Kind
    handles: tuple[str, ...]
    outcomes: tuple[tuple[str, ...], ...]
    touches: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    may_lack: tuple[str, ...] = ()
    own_sql: bool = False
    compensates: str | None = None
    done: tuple[str, ...] = ()
    request: str | None = None
    summary: str = ""
    place: Place

    @property
    def full_name(self) -> str:
        return f"{self.service}.{self.name}"

    @property
    def answers(self) -> tuple[str, ...]:
        """All events that it may answer with."""
        return tuple(dict.fromkeys(event for outcome in self.outcomes for event in outcome))

    @property
    def leaves_something(self) -> bool:
        """Whether it may change its service's rows."""
        return bool(self.touches) or self.own_sql


class SagaFacts(_Facts):
    """A saga that the service owns; `decided_by` is the function for its deadline, in seconds."""

    name: str
    starts: str
    ends: tuple[str, ...]
    deadline: float | None = None
    deadline_event: str
    decided_by: str | None = None
    restorable: bool = False
    place: Place


class CoverageFacts(_Facts):
    """The events that the view in the rows of `row` is to show."""

    row: str
    events: tuple[str, ...]
    place: Place


class WaiverFacts(_Facts):
    """A finding of `rule` about `about` that is none."""

    rule: str
    about: str
    reason: str
    place: Place


class OperationFacts(_Facts):
    """A request that the service answers, as `POST /orders`; `body` is the JSON schema of what it takes."""

    request: str
    body: dict[str, Any] | None = None


class ServiceFacts(_Facts):
    """A service: its functions in the order of their declaration, and every event that they name."""

    name: str
    handlers: tuple[HandlerFacts, ...]
    events: tuple[EventFacts, ...]
    sagas: tuple[SagaFacts, ...] = ()
    coverages: tuple[CoverageFacts, ...] = ()
    waivers: tuple[WaiverFacts, ...] = ()
    operations: tuple[OperationFacts, ...] = ()


class Manifest(_Facts):
    """Services of a system: those of one repository."""

    format: Literal["clinic-manifest/1"] = FORMAT
    system: str
    services: tuple[ServiceFacts, ...]


def read_manifest(path: Path) -> Manifest:
    """What `clinic graph SYSTEM --format json` wrote elsewhere. Raises `LookError` for what is none."""
    try:
        return Manifest.model_validate_json(path.read_bytes(), context=path)
    except OSError as exc:
        raise LookError(f"{path} can't be read: {exc.strerror}.") from exc
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(map(str, first["loc"])) or "it"
        raise LookError(
            f"{path} is no manifest of the form {FORMAT} ({where}: {first['msg']}): "
            "write it by `clinic graph SYSTEM --format json`."
        ) from exc
