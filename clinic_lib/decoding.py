"""Decoding: a Kafka record becomes a delivery, whatever it is; nothing here raises on a strange one."""

import traceback
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Generic, NotRequired, TypeVar
from uuid import NAMESPACE_OID, UUID, uuid5

import orjson
from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from clinic_lib.dead_letter import Record
from clinic_lib.delivery import RecordDelivery
from clinic_lib.errors import MalformedRecordError
from clinic_lib.handlers import Handler
from clinic_lib.inbox import Position
from clinic_lib.messages import Envelope, Event, fast_uuid, holds_nul, valid_traceparent

__all__ = ["Subscription", "decode", "malformed", "subscriptions"]

UUID_LENGTH = 36
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)

EventT = TypeVar("EventT", bound=Event)
VersionT = TypeVar("VersionT")


class _Wire(TypedDict, Generic[EventT]):
    type: str
    source: str
    time: str
    correlationid: str
    causationid: NotRequired[str]
    traceparent: NotRequired[str]
    data: EventT


class _CurrentWire(_Wire[EventT], Generic[EventT, VersionT]):
    """A record that no upcaster is needed for; a newer version is read as ours, its unknown fields ignored."""

    dataversion: VersionT


class Subscription:
    """An event class that a service handles or observes: how its records are read, and by which functions."""

    def __init__(self, event: type[Event], handlers: tuple[Handler, ...]) -> None:
        self.event = event
        self.key = event.declaration.key
        self.handlers = handlers
        wire: Any = _Wire
        self._any_version = TypeAdapter(wire[event]).validator
        self._current = self._any_version
        if event.upcasters:
            version = Annotated[int, Field(ge=event.declaration.version)]
            current: Any = _CurrentWire
            self._current = TypeAdapter(current[event, version]).validator

    def read(self, value: bytes) -> _Wire[Any]:
        """A record's value; one of an earlier version goes through the upcasters.

        Raises `ValidationError`, or `MalformedRecordError` when an upcaster can't do with it.
        """
        try:
            current: _Wire[Any] = self._current.validate_json(value)
        except ValidationError:
            if not self.event.upcasters:
                raise
        else:
            return current
        upcast: _Wire[Any] = self._any_version.validate_json(self._upcast(value))
        return upcast

    def _upcast(self, value: bytes) -> bytes:
        try:
            wire = orjson.loads(value)
            version = wire.get("dataversion", 1)
            if type(version) is not int or version < 1:
                raise MalformedRecordError(f"dataversion {version!r} is no version")
            wire["data"] = self.event.to_current(wire["data"], version)
            return orjson.dumps(wire)
        except MalformedRecordError:
            raise
        except Exception as exc:
            raise MalformedRecordError(f"an upcaster of {self.event.__name__} {_raised(exc)}") from None


def subscriptions(
    handlers: Sequence[Handler], observed: Collection[type[Event]] = ()
) -> dict[bytes, Subscription]:
    """By the type header; of one event's functions the compensations run last. What is `observed` may have none."""
    found: dict[type[Event], list[Handler]] = {event: [] for event in observed}
    for handler in sorted(handlers, key=lambda each: each.kind == "compensation"):
        for message in handler.messages:
            if issubclass(message, Event):
                found.setdefault(message, []).append(handler)
    return {event.declaration.type.encode(): Subscription(event, tuple(own)) for event, own in found.items()}


def decode(record: Record, log_name: str, known: Mapping[bytes, Subscription]) -> RecordDelivery | None:
    """A record as what the executor handles; None for a type that nobody here handles. Never raises."""
    headers = dict(record.headers)
    name = headers.get("type")
    if name and name not in known:
        return None
    position = Position(log_name, record.partition, record.offset)
    if not name:
        return malformed(record, position, MalformedRecordError("the header `type` is missing or empty"))
    try:
        return _event(record, headers, known[name], position)
    except MalformedRecordError as exc:
        return malformed(record, position, exc)
    except ValidationError as exc:
        return malformed(record, position, MalformedRecordError(_fields(exc)))
    except Exception as exc:  # by a validator that the author gave the event
        wrong = f"a validator of {known[name].event.__name__} {_raised(exc)}"
        return malformed(record, position, MalformedRecordError(wrong))


def _event(
    record: Record, headers: Mapping[str, bytes | None], known: Subscription, position: Position
) -> RecordDelivery:
    raw_id = headers.get("id")
    if raw_id is None or len(raw_id) != 16:
        raise MalformedRecordError("the header `id` is not the 16 bytes of a UUID")
    if not record.value:
        raise MalformedRecordError("the record has no value")
    if holds_nul(record.value):
        raise MalformedRecordError("a text holds a NUL, which no database takes")
    wire = known.read(record.value)
    event: Event = wire["data"]
    if wire["type"] != event.declaration.type:
        raise MalformedRecordError(f"its type is {wire['type']}, its header says {event.declaration.type}")
    subject = event.subject
    if record.key is None or record.key.decode("utf-8", "replace") != subject:
        raise MalformedRecordError(f"the record's key is not the event's {event.declaration.key}")
    cause = wire.get("causationid")
    envelope = Envelope(
        fast_uuid(raw_id),
        _time(wire["time"]),
        wire["source"],
        _uuid("correlationid", wire["correlationid"]),
        _uuid("causationid", cause) if cause is not None else None,
        valid_traceparent(wire.get("traceparent")),
    )
    return RecordDelivery(
        event, envelope, known.handlers, f"{known.key}:{subject}", record, position=position
    )


@lru_cache(maxsize=1024)  # events of one transaction have one time
def _time(text: str) -> datetime:
    """In UTC, and so of Python's one `UTC`: times that share it are compared and written several times as fast."""
    try:
        time = datetime.fromisoformat(text.replace("z", "Z"))
    except ValueError:
        raise MalformedRecordError("time: is no time like 2026-03-01T12:00:00Z") from None
    if time.tzinfo is None:
        raise MalformedRecordError("time: has no offset from UTC")
    if not EARLIEST <= time <= LATEST:
        raise MalformedRecordError(f"time: is not between {EARLIEST.year} and {LATEST.year}")
    return time if time.tzinfo is UTC else time.astimezone(UTC)


def _uuid(name: str, text: str) -> UUID:
    """Read by the driver's class, not by pydantic, which makes Python's slow one."""
    if len(text) == UUID_LENGTH and text[8:24:5] == "----":
        try:
            return fast_uuid(text)
        except ValueError:
            pass
    raise MalformedRecordError(f"{name}: is not a UUID")


def _fields(error: ValidationError) -> str:
    """Which fields are wrong, not what stands in them: that may be personal."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, each['loc'])) or 'the value'}: {each['msg']}" for each in found)


def _raised(error: Exception) -> str:
    """What an author's function raised, and where, not what it says: that may be personal."""
    *_, (frame, line) = traceback.walk_tb(error.__traceback__)
    return f"raised {type(error).__name__} in {frame.f_code.co_name}, line {line}"


def malformed(record: Record, position: Position, error: Exception) -> RecordDelivery:
    """A record that is put aside; it has no id of its own to trust, so its place in the log is its id."""
    message_id = uuid5(NAMESPACE_OID, f"{position.log}/{position.partition}/{position.offset}")
    envelope = Envelope(message_id, datetime.now(UTC), source="", correlation_id=message_id)
    return RecordDelivery(None, envelope, (), None, record, failure=error, position=position)
