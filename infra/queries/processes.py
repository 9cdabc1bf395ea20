"""What a service's processes and pods use.

Which process is which service says `clinic_build_info`, which each exports beside the rest: so the same question
is answered locally, where there are no pods.
"""

from infra.queries.promql import WINDOW, per_second, select, total
from infra.systems import Service, System

__all__ = ["Pods", "down", "process_cpu", "process_memory", "processes"]

INFO = "clinic_build_info"
CONTAINER = "app"
"""As `pod.py` names it."""


def of(service: str) -> str:
    return select(INFO, f'service="{service}"')


def down(service: str) -> str:
    """1 while none of its processes answers."""
    return f"absent({of(service)})"


def processes() -> str:
    """How many answer."""
    return f"count by (service) ({INFO})"


def process_cpu(service: str) -> str:
    used = per_second("process_cpu_seconds_total")
    return _of_processes(used, service)


def process_memory(service: str) -> str:
    return _of_processes("process_resident_memory_bytes", service)


def _of_processes(expression: str, service: str) -> str:
    return total(f"{expression} * on (job, instance) group_left (service) {of(service)}", "instance")


class Pods:
    """The pods of one service, as the kubelet and kube-state-metrics tell of them."""

    def __init__(self, system: System, service: Service) -> None:
        self._name = service.kubernetes_name
        self._namespace = f'namespace="{system.namespace}"'
        # a Deployment's pods end in two parts without hyphens
        self._pod = f'pod=~"{self._name}-[^-]+-[^-]+"'

    def cpu(self, window: str = WINDOW) -> str:
        """By container, so that the proxy is seen beside the service."""
        named = 'container!=""'
        used = per_second(
            "container_cpu_usage_seconds_total", self._namespace, self._pod, named, window=window
        )
        return total(used, "pod", "container")

    def memory(self) -> str:
        used = select("container_memory_working_set_bytes", self._namespace, self._pod, 'container!=""')
        return total(used, "pod", "container")

    def allowed(self, what: str, kind: str) -> str:
        """`kind` is `requests` or `limits`, `what` is `cpu` or `memory`; of the service's own container."""
        of = (self._namespace, self._pod, f'container="{CONTAINER}"', f'resource="{what}"')
        return f"max({select(f'kube_pod_container_resource_{kind}', *of)})"

    def network(self, direction: str) -> str:
        """`direction` is `receive` or `transmit`."""
        return total(
            per_second(f"container_network_{direction}_bytes_total", self._namespace, self._pod), "pod"
        )

    def replicas(self, what: str) -> str:
        """`status_current`, `status_desired`, `spec_min` or `spec_max`, as the autoscaler says."""
        autoscaler = f'horizontalpodautoscaler="{self._name}"'
        return f"max({select(f'kube_horizontalpodautoscaler_{what}_replicas', self._namespace, autoscaler)})"
