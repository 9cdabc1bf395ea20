"""Istio's custom resources, as far as they are used here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from infra.kinds.custom import Custom, Labels

__all__ = [
    "AuthorizationPolicy",
    "AuthorizationPolicySpec",
    "Destination",
    "DestinationRule",
    "DestinationRuleSpec",
    "Gateway",
    "GatewayServer",
    "GatewaySpec",
    "HttpMatch",
    "HttpRetry",
    "HttpRoute",
    "OutlierDetection",
    "PeerAuthentication",
    "PeerAuthenticationSpec",
    "Port",
    "Rule",
    "Selector",
    "Sidecar",
    "SidecarSpec",
    "StringMatch",
    "Telemetry",
    "TelemetrySpec",
    "TrafficPolicy",
    "VirtualService",
    "VirtualServiceSpec",
]


@dataclass(frozen=True)
class Port:
    number: int
    name: str
    protocol: Literal["HTTP", "HTTPS", "TCP"]


@dataclass(frozen=True)
class GatewayServer:
    port: Port
    hosts: Sequence[str]


@dataclass(frozen=True)
class GatewaySpec:
    selector: Labels
    servers: Sequence[GatewayServer]


class Gateway(Custom[GatewaySpec]):
    """Where the mesh is entered."""

    API = "networking.istio.io/v1"
    KIND = "Gateway"


@dataclass(frozen=True)
class StringMatch:
    """One of them."""

    prefix: str | None = None
    regex: str | None = None
    exact: str | None = None


@dataclass(frozen=True)
class HttpMatch:
    uri: StringMatch | None = None
    method: StringMatch | None = None


@dataclass(frozen=True)
class HttpRetry:
    attempts: int
    per_try_timeout: str
    retry_on: str


@dataclass(frozen=True)
class Destination:
    host: str
    port: int

    def as_route(self) -> dict[str, Any]:
        return {"destination": {"host": self.host, "port": {"number": self.port}}}


@dataclass(frozen=True)
class HttpRoute:
    route: Sequence[dict[str, Any]]
    match: Sequence[HttpMatch] | None = None
    timeout: str | None = None
    retries: HttpRetry | None = None
    name: str | None = None


@dataclass(frozen=True)
class VirtualServiceSpec:
    hosts: Sequence[str]
    http: Sequence[HttpRoute]
    gateways: Sequence[str] | None = None


class VirtualService(Custom[VirtualServiceSpec]):
    """Where requests go, how long they may take, and which are sent again."""

    API = "networking.istio.io/v1"
    KIND = "VirtualService"


@dataclass(frozen=True)
class OutlierDetection:
    consecutive_5xx_errors: int
    consecutive_gateway_errors: int
    interval: str
    base_ejection_time: str
    max_ejection_percent: int


@dataclass(frozen=True)
class TrafficPolicy:
    connection_pool: dict[str, Any] | None = None
    outlier_detection: OutlierDetection | None = None
    load_balancer: dict[str, Any] | None = None
    tls: dict[str, Any] | None = None


@dataclass(frozen=True)
class DestinationRuleSpec:
    host: str
    traffic_policy: TrafficPolicy


class DestinationRule(Custom[DestinationRuleSpec]):
    """How a service is called once it is chosen."""

    API = "networking.istio.io/v1"
    KIND = "DestinationRule"


@dataclass(frozen=True)
class Selector:
    match_labels: Labels


@dataclass(frozen=True)
class PeerAuthenticationSpec:
    mtls: dict[Literal["mode"], Literal["STRICT"]]


class PeerAuthentication(Custom[PeerAuthenticationSpec]):
    """Whether a caller has to show a certificate."""

    API = "security.istio.io/v1"
    KIND = "PeerAuthentication"


@dataclass(frozen=True)
class Rule:
    """Who (`from_`) may do what (`to`)."""

    from_: Sequence[dict[str, Any]] | None = None
    to: Sequence[dict[str, Any]] | None = None


@dataclass(frozen=True)
class AuthorizationPolicySpec:
    """Without rules it allows nothing."""

    selector: Selector | None = None
    action: Literal["ALLOW", "DENY"] | None = None
    rules: Sequence[Rule] | None = None


class AuthorizationPolicy(Custom[AuthorizationPolicySpec]):
    """Which callers are let in, by their service account."""

    API = "security.istio.io/v1"
    KIND = "AuthorizationPolicy"


@dataclass(frozen=True)
class SidecarSpec:
    egress: Sequence[dict[str, Any]]
    outbound_traffic_policy: dict[str, str]


class Sidecar(Custom[SidecarSpec]):
    """What the sidecars of a namespace know of the rest."""

    API = "networking.istio.io/v1"
    KIND = "Sidecar"


@dataclass(frozen=True)
class TelemetrySpec:
    tracing: Sequence[dict[str, Any]]
    access_logging: Sequence[dict[str, Any]]


class Telemetry(Custom[TelemetrySpec]):
    """Which requests are traced and logged."""

    API = "telemetry.istio.io/v1"
    KIND = "Telemetry"
