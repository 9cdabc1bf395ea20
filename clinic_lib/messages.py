"""Messages: events say what happened, commands ask for something, and an envelope carries either.

On the wire an event is a CloudEvent in structured JSON mode. Only what a consumer needs before it decodes
travels as Kafka headers too: `type` (UTF-8) and `id` (the 16 bytes of the message id), because every header
costs about a microsecond per message and hop.
Source: https://github.com/cloudevents/spec/blob/main/cloudevents/formats/json-format.md
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any, ClassVar, NamedTuple, Self
from uuid import UUID

import orjson
from asyncpg.pgproto import pgproto
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from uuid_utils import uuid7

from clinic_lib.errors import WiringError

__all__ = [
    "Command",
    "Envelope",
    "Event",
    "EventDeclaration",
    "Id",
    "LongText",
    "Message",
    "PastDate",
    "Text",
    "Upcaster",
    "fast_uuid",
    "holds_nul",
    "new_message_id",
    "valid_traceparent",
]

NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
"""Source: https://www.w3.org/TR/trace-context/#traceparent-header"""
PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"


def _printable(limit: int) -> StringConstraints:
    return StringConstraints(strip_whitespace=True, min_length=1, max_length=limit, pattern=PRINTABLE)


def _written_as_iso_8601(value: object) -> object:
    """Read here, since pydantic takes a number in a text for the seconds since 1970."""
    if not isinstance(value, str):
        return value
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
        raise ValueError("must be written as 1985-12-10")
    return date.fromisoformat(value)


def _not_in_the_future(value: date) -> date:
    if value > datetime.now(UTC).date():
        raise ValueError("must not be in the future")
    return value


Text = Annotated[str, _printable(200)]
"""One line of 1 to 200 characters, trimmed, without control characters."""

LongText = Annotated[str, _printable(2000)]
"""As `Text`, up to 2,000 characters."""

Id = Annotated[int, Field(ge=1, le=2**63 - 1)]
"""The small number a service hands out: what fits PostgreSQL's bigint."""

PastDate = Annotated[date, BeforeValidator(_written_as_iso_8601), AfterValidator(_not_in_the_future)]
"""An ISO 8601 date, today at the latest."""


Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
"""Makes the fields of one version of an event those of the next."""


class Message(BaseModel):
    """What events and commands share: they never change."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class Command(Message):
    """A request for something to happen, in the imperative: strict types, unknown fields refused."""

    model_config = ConfigDict(strict=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class EventDeclaration:
    """What a class of events says of itself.

    `key` names the field with the saga's id: it is the Kafka key, the unit of order and of parking.
    `failure` marks an event that makes earlier steps of its saga be compensated. `version` is that of the
    event's fields; records say it as `dataversion`, without one they are of version 1. A `fact` is told to
    whoever wants to know: no service has to do something about it.
    """

    type: str
    topic: str
    key: str
    failure: bool = False
    version: int = 1
    fact: bool = False

    @property
    def aggregate(self) -> str:
        """What the key identifies: `reception` for the key `reception_id`."""
        return self.key.removesuffix("_id")


class Event(Message):
    """Something that happened, in the past tense. Unknown fields are ignored, so that versions can mix.

        class ClinicEvent(Event, topic="clinic", key="reception_id"):
            reception_id: Id

        class DiagnosisRejected(ClinicEvent, failure=True):
            reason: Text

    An `abstract` one is of no log yet, and has only what its subclasses share.
    Raises `WiringError` at class creation when topic or key are named by no class of the line, or when the
    key is not a field.
    """

    model_config = ConfigDict(extra="ignore")
    declaration: ClassVar[EventDeclaration]
    upcasters: ClassVar[dict[int, Upcaster]]

    def __init_subclass__(
        cls,
        *,
        topic: str = "",
        key: str = "",
        failure: bool = False,
        version: int = 1,
        fact: bool = False,
        abstract: bool = False,
    ) -> None:
        """For type checkers; pydantic hands the same keywords on when the class is complete."""
        super().__init_subclass__()

    @classmethod
    def __pydantic_init_subclass__(
        cls,
        *,
        topic: str = "",
        key: str = "",
        failure: bool = False,
        version: int = 1,
        fact: bool = False,
        abstract: bool = False,
        **kwargs: Any,
    ) -> None:
        if abstract:
            return
        inherited: EventDeclaration | None = getattr(cls, "declaration", None)
        topic = topic or (inherited.topic if inherited else "")
        key = key or (inherited.key if inherited else "")
        if not topic or not key:
            raise WiringError(
                f"event {cls.__name__} needs a topic and a key: "
                f'class {cls.__name__}(Event, topic="…", key="…_id")',
                cls,
            )
        if key not in cls.model_fields:
            raise WiringError(f"event {cls.__name__} has no field {key!r}, which is its key", cls)
        cls.declaration = EventDeclaration(cls.__name__, topic, key, failure, version, fact)
        cls.upcasters = {}

    @classmethod
    def upcast(cls, *, from_version: int) -> Callable[[Upcaster], Upcaster]:
        """Register how the fields of `from_version` become those of the next one.

            @OrderPlaced.upcast(from_version=1)
            def name_the_customer(data: dict[str, Any]) -> dict[str, Any]:
                return data | {"customer": "unknown"}

        A version without one is read as it is. Raises `WiringError` for a version that is not an earlier one.
        """

        def register(upcaster: Upcaster) -> Upcaster:
            if not 1 <= from_version < cls.declaration.version or from_version in cls.upcasters:
                raise WiringError(
                    f"{upcaster.__name__}: {cls.__name__} is of version {cls.declaration.version}; each earlier "
                    f"version has one upcaster, and {from_version} is none or has one",
                    upcaster,
                )
            cls.upcasters[from_version] = upcaster
            return upcaster

        return register

    @classmethod
    def read(cls, data: bytes, version: int) -> Self:
        """An event from the JSON of its fields, as `version` wrote them; a newer one than ours is read as ours.

        Raises pydantic's `ValidationError`, and whatever an upcaster raises.
        """
        if version >= cls.declaration.version or not cls.upcasters:
            return cls.model_validate_json(data)
        return cls.model_validate_json(orjson.dumps(cls.to_current(orjson.loads(data), version)))

    @classmethod
    def to_current(cls, fields: dict[str, Any], version: int) -> dict[str, Any]:
        """The fields as the current version has them: through one upcaster after another."""
        for each in range(version, cls.declaration.version):
            if upcaster := cls.upcasters.get(each):
                fields = upcaster(fields)
        return fields

    @property
    def subject(self) -> str:
        """The saga's id as text: CloudEvents' subject, the outbox's aggregateid and the Kafka key."""
        return str(getattr(self, self.declaration.key))


class Envelope(NamedTuple):
    """The metadata of a message: where it came from, when, and what caused it.

    `correlation_id` is the id of the command that all of this goes back to; `causation_id` that of the
    message whose handling published this one (None for a command).
    """

    message_id: UUID
    time: datetime
    source: str
    correlation_id: UUID
    causation_id: UUID | None = None
    traceparent: str | None = None


def new_message_id() -> UUID:
    """A UUIDv7: it sorts by time, so the inbox can be partitioned by it."""
    return fast_uuid(uuid7().bytes)


def valid_traceparent(text: str | None) -> str | None:
    """A W3C trace context as it came, or None: what is none is not passed on."""
    return text if text and TRACEPARENT.fullmatch(text) else None


def holds_nul(json: bytes) -> bool:
    """Whether a text in it has a NUL, which PostgreSQL's text can't hold; an escaped backslash before it is none."""
    return b"\\" in json and b"\\u0000" in json and NUL.search(json) is not None


fast_uuid: Callable[[bytes | str], UUID] = pgproto.UUID
"""A UUID from its 16 bytes or its text. The database driver's class is made ten times as fast as Python's, and is
one of those. Raises `ValueError` for anything else.
"""
