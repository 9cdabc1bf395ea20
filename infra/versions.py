"""Every version of what others make, in one place."""

from typing import NamedTuple

__all__ = [
    "ALLOY",
    "ISTIO_BASE",
    "ISTIO_CNI",
    "ISTIO_GATEWAY",
    "ISTIOD",
    "JAEGER_IMAGE",
    "KAFKA",
    "KIALI",
    "KUBERNETES",
    "LOKI",
    "NGINX",
    "POSTGRESQL",
    "POSTGRESQL_IMAGE",
    "PROMETHEUS",
    "STRIMZI",
    "Chart",
]


class Chart(NamedTuple):
    """A Helm chart; without a repository its name is an OCI address."""

    name: str
    version: str
    repository: str | None = None


KUBERNETES = "1.36"
POSTGRESQL = "18"
KAFKA = "4.3.0"

ISTIO_CHARTS = "https://istio-release.storage.googleapis.com/charts"
ISTIO = "1.30.2"
ISTIO_BASE = Chart("base", ISTIO, ISTIO_CHARTS)
ISTIO_CNI = Chart("cni", ISTIO, ISTIO_CHARTS)
ISTIOD = Chart("istiod", ISTIO, ISTIO_CHARTS)
ISTIO_GATEWAY = Chart("gateway", ISTIO, ISTIO_CHARTS)
STRIMZI = Chart("oci://quay.io/strimzi-helm/strimzi-kafka-operator", "1.2.0")
PROMETHEUS = Chart("kube-prometheus-stack", "88.1.3", "https://prometheus-community.github.io/helm-charts")
LOKI = Chart("loki", "7.0.0", "https://grafana-community.github.io/helm-charts")
ALLOY = Chart("alloy", "1.6.2", "https://grafana.github.io/helm-charts")
KIALI = Chart("kiali-server", "2.24.0", "https://kiali.org/helm-charts")
NGINX = Chart("nginx-ingress", "2.6.4", "https://helm.nginx.com/stable")

JAEGER_IMAGE = (
    "docker.io/jaegertracing/jaeger:2.21.0"
    "@sha256:3d0ac795ff98aa04d1be04311d2dac6c25b4bfc8322dc02e53bc5b170c5018c3"
)
POSTGRESQL_IMAGE = (
    "docker.io/library/postgres:18.4-alpine"
    "@sha256:9a8afca54e7861fd90fab5fdf4c42477a6b1cb7d293595148e674e0a3181de15"
)
