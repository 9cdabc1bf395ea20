"""How a service is called inside the mesh: time limits, what is sent again, who is left out for a while."""

from dataclasses import dataclass

import pulumi

from infra.box import Box
from infra.kinds.istio import (
    Destination,
    DestinationRule,
    DestinationRuleSpec,
    HttpMatch,
    HttpRetry,
    HttpRoute,
    OutlierDetection,
    StringMatch,
    TrafficPolicy,
    VirtualService,
    VirtualServiceSpec,
)
from infra.pod import labels_of
from infra.systems import PUBLIC_PORT, Service, System

__all__ = ["Traffic", "TrafficArgs", "routes_to"]

TIMEOUT = "20s"
"""Longer than a service lets a command wait, so that its own answer arrives."""
READS = StringMatch(regex="GET|HEAD")
REPEATED_READS = HttpRetry(
    attempts=2, per_try_timeout="5s", retry_on="connect-failure,refused-stream,reset,gateway-error"
)
REPEATED_WRITES = HttpRetry(attempts=2, per_try_timeout=TIMEOUT, retry_on="connect-failure,refused-stream")
"""Only what never reached the service: a POST may have had its effect."""


@dataclass(frozen=True)
class TrafficArgs:
    system: System
    service: Service


class Traffic(Box):
    """A VirtualService for callers in the mesh, and a DestinationRule."""

    def __init__(self, args: TrafficArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        system, service = args.system, args.service
        super().__init__(
            "clinic:workload:Traffic", f"{system.namespace}-{service.kubernetes_name}-traffic", opts
        )
        child = self.child()
        labels = labels_of(service, system.name)
        host = host_of(service, system)
        VirtualService(
            service.kubernetes_name,
            VirtualServiceSpec(hosts=[host], http=routes_to(host)),
            namespace=system.namespace,
            labels=labels,
            opts=child,
        )
        DestinationRule(
            service.kubernetes_name,
            DestinationRuleSpec(
                host=host,
                traffic_policy=TrafficPolicy(
                    tls={"mode": "ISTIO_MUTUAL"},
                    load_balancer={"simple": "LEAST_REQUEST"},
                    connection_pool={
                        "tcp": {"connectTimeout": "2s", "maxConnections": 200},
                        "http": {"http1MaxPendingRequests": 200, "idleTimeout": "3s"},
                    },
                    outlier_detection=OutlierDetection(
                        consecutive_5xx_errors=0,  # a service answers 503 for all its replicas alike
                        consecutive_gateway_errors=5,
                        interval="5s",
                        base_ejection_time="15s",
                        max_ejection_percent=50,
                    ),
                ),
            ),
            namespace=system.namespace,
            labels=labels,
            opts=child,
        )
        self.register_outputs({})


def host_of(service: Service, system: System) -> str:
    return f"{service.kubernetes_name}.{system.namespace}.svc.cluster.local"


def routes_to(host: str, prefix: str | None = None) -> list[HttpRoute]:
    """Reads and writes, with their retries; under `prefix`, or all."""
    uri = StringMatch(prefix=prefix) if prefix else None
    destination = [Destination(host, PUBLIC_PORT).as_route()]
    everything = [HttpMatch(uri=uri)] if uri else None
    return [
        HttpRoute(
            match=[HttpMatch(uri=uri, method=READS)],
            route=destination,
            timeout=TIMEOUT,
            retries=REPEATED_READS,
        ),
        HttpRoute(match=everything, route=destination, timeout=TIMEOUT, retries=REPEATED_WRITES),
    ]
