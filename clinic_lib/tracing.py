"""Traces: which of them are sampled, the spans of this process, and OpenTelemetry's settings.

A trace context travels as the text of a W3C `traceparent`, in HTTP headers and in envelopes. What is not sampled
stays that text and costs one look at its last character; without a collector not even that.
Source: https://www.w3.org/TR/trace-context/#traceparent-header
"""

import random
import re
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from time import time_ns
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_settings import BaseSettings, SettingsConfigDict
from starlette.concurrency import run_in_threadpool

from clinic_lib.otlp import Collector, Exporter
from clinic_lib.otlp_encoding import Kind, Span
from clinic_lib.settings import load_settings

__all__ = [
    "Sampler",
    "Tracer",
    "TracingSettings",
    "child",
    "enter",
    "exemplar",
    "export",
    "finish",
    "is_sampled",
    "root",
    "tracing",
]

SamplerName = Literal[
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
]
SAMPLED = frozenset("13579bdf")
LIST = re.compile(r"\s*([^=,\s]+)\s*=\s*([^,]*?)\s*(?:,|$)")


def _has_a_port(address: str) -> str:
    urlsplit(address).port  # noqa: B018 # raises a `ValueError` that says what is wrong
    return address


Address = Annotated[
    str, StringConstraints(pattern=r"^https?://[^/?#\s@]+(/[^?#\s]*)?$"), AfterValidator(_has_a_port)
]


def _is_a_list(text: str) -> str:
    if text and not re.fullmatch(rf"(?:{LIST.pattern})+", text):
        raise ValueError("must be written as name=value,name=value")
    return text


Pairs = Annotated[str, AfterValidator(_is_a_list)]


def _can_be_sent(text: str) -> str:
    if not all(re.fullmatch(r"[\x20-\x7e]*", value) for value in _pairs(text).values()):
        raise ValueError("must have values of printable ASCII characters")
    return text


Headers = Annotated[Pairs, AfterValidator(_can_be_sent)]


def _can_be_trusted(path: str) -> str:
    """Read now and thrown away: a connection that can't be made would only be seen in spans that are missing."""
    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        raise ValueError(f"must be a file with certificates in PEM, and {path} has none") from None
    except OSError as exc:
        raise ValueError(
            f"must be a file with certificates in PEM, and {path} can't be read: {exc.strerror}"
        ) from None
    return path


class TracingSettings(BaseSettings):
    """OpenTelemetry's own variables. Without an endpoint nothing is traced.

    Source: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    otel_sdk_disabled: bool = False
    otel_service_name: str | None = None
    otel_resource_attributes: Pairs = ""
    otel_traces_exporter: Literal["otlp", "none"] = "otlp"
    otel_traces_sampler: SamplerName = "parentbased_always_on"
    otel_traces_sampler_arg: float = Field(default=1.0, ge=0, le=1)
    otel_exporter_otlp_endpoint: Address | None = None
    otel_exporter_otlp_traces_endpoint: Address | None = None
    otel_exporter_otlp_protocol: Literal["http/protobuf"] = "http/protobuf"
    otel_exporter_otlp_headers: Headers = ""
    otel_exporter_otlp_timeout: int = Field(default=10_000, ge=1)
    otel_exporter_otlp_compression: Literal["gzip", "none"] = "none"
    otel_exporter_otlp_certificate: Annotated[str, AfterValidator(_can_be_trusted)] | None = None
    otel_bsp_schedule_delay: int = Field(default=5_000, ge=1)
    otel_bsp_max_queue_size: int = Field(default=10_000, ge=1)

    def collector(self) -> Collector | None:
        """None when nothing is to be traced."""
        address = self.otel_exporter_otlp_traces_endpoint
        if address is None and self.otel_exporter_otlp_endpoint:
            address = f"{self.otel_exporter_otlp_endpoint.rstrip('/')}/v1/traces"
        if address is None or self.otel_sdk_disabled or self.otel_traces_exporter == "none":
            return None
        return Collector(
            address,
            _pairs(self.otel_exporter_otlp_headers),
            self.otel_exporter_otlp_timeout / 1000,
            self.otel_exporter_otlp_compression == "gzip",
            self.otel_exporter_otlp_certificate,
        )

    def resource(self, service: str) -> dict[str, str]:
        named = {"service.name": self.otel_service_name} if self.otel_service_name else {}
        return {"service.name": service, **_pairs(self.otel_resource_attributes), **named}


def _pairs(text: str) -> dict[str, str]:
    return {name: unquote(value) for name, value in LIST.findall(text)}


class Sampler:
    """Decides on a whole trace by its id, so that every process decides alike; by the caller's flag when it is
    `parentbased`.
    """

    def __init__(self, name: SamplerName, ratio: float) -> None:
        self.by_parent = name.startswith("parentbased_")
        if not name.endswith("traceidratio"):
            ratio = float(name.endswith("always_on"))
        self._below = round(ratio * 2**64)

    def begins(self, trace_id: str) -> bool:
        """Whether a trace that begins here is sampled."""
        return int(trace_id[16:], 16) < self._below

    def continues(self, traceparent: str) -> bool:
        """Whether one that came from elsewhere is."""
        return traceparent[-1] in SAMPLED if self.by_parent else self.begins(traceparent[3:35])


class Tracer:
    """What a process that traces has."""

    def __init__(self, sampler: Sampler, exporter: Exporter) -> None:
        self.sampler = sampler
        self.exporter = exporter


tracer: Tracer | None = None
"""The process's own; None when nothing is traced."""


@asynccontextmanager
async def tracing(service: str, settings: TracingSettings | None = None) -> AsyncIterator[None]:
    """Trace while the block runs, when the environment names a collector. Raises `ConfigurationError`."""
    global tracer  # noqa: PLW0603 # as the metrics' registry: one a process
    settings = settings or load_settings(TracingSettings)
    collector = settings.collector()
    if collector is None:
        yield
        return
    exporter = Exporter(
        collector,
        settings.resource(service),
        most=settings.otel_bsp_max_queue_size,
        pause=settings.otel_bsp_schedule_delay / 1000,
    )
    exporter.start()
    tracer = Tracer(Sampler(settings.otel_traces_sampler, settings.otel_traces_sampler_arg), exporter)
    try:
        yield
    finally:
        tracer = None
        await run_in_threadpool(exporter.stop)


def is_sampled(traceparent: str | None) -> bool:
    """Whether spans are made for what carries this context."""
    return tracer is not None and traceparent is not None and tracer.sampler.continues(traceparent)


def child(traceparent: str, name: str, kind: Kind = Kind.INTERNAL) -> Span:
    """A span that begins now, under the one that a sampled context names."""
    return Span(traceparent[3:35], _span_id(), traceparent[36:52], name, kind, time_ns())


def root(name: str, kind: Kind = Kind.INTERNAL) -> Span:
    """A span that begins now, the first of a sampled trace."""
    return Span(_trace_id(), _span_id(), "", name, kind, time_ns())


def enter(traceparent: str | None, name: str, kind: Kind = Kind.INTERNAL) -> tuple[str | None, Span | None]:
    """Where something comes in from outside: the context of what it causes here, and its span when it is sampled.

    Without a context a trace begins here. What is not traced or not sampled is passed on as it came.
    """
    if tracer is None:
        return traceparent, None
    if traceparent is not None:
        if not tracer.sampler.continues(traceparent):
            return traceparent, None
        span = child(traceparent, name, kind)
    else:
        trace_id = _trace_id()
        if not tracer.sampler.begins(trace_id):
            return f"00-{trace_id}-{_span_id()}-00", None
        span = Span(trace_id, _span_id(), "", name, kind, time_ns())
    return span.traceparent, span


def finish(span: Span) -> None:
    """It ends now, and is exported."""
    span.end = time_ns()
    export([span])


def export(spans: Sequence[Span]) -> None:
    """Hand over spans that have ended."""
    if tracer is not None:
        tracer.exporter.take(spans)


def exemplar(traceparent: str | None) -> dict[str, str] | None:
    """What a metric shows as its example: the trace, if it can be found."""
    return {"trace_id": traceparent[3:35]} if traceparent and is_sampled(traceparent) else None


def _trace_id() -> str:
    return f"{random.getrandbits(128) or 1:032x}"


def _span_id() -> str:
    return f"{random.getrandbits(64) or 1:016x}"
