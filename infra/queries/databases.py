"""PostgreSQL: as the services meet it, and, inside the cluster, its pod and disk. Nothing asks the server itself."""

from infra.names import POSTGRESQL_NAMESPACE
from infra.queries.promql import latest, per_second, quantile, select, total

__all__ = ["connections", "disk_used_share", "lost", "pod_cpu", "pod_memory", "ready", "waiting", "waits"]

SERVICE = 'service=~"$service"'
NAMESPACE = f'namespace="{POSTGRESQL_NAMESPACE}"'
CONTAINER = 'container="postgresql"'


def connections() -> str:
    return total(select("clinic_database_connections", SERVICE), "service", "state")


def waits(share: float) -> str:
    return quantile(share, "clinic_database_wait_seconds", SERVICE, by=("service",))


def waiting() -> str:
    return latest("clinic_command_waiting", SERVICE, by=("service",))


def lost() -> str:
    """1 while the server inside the cluster is not ready."""
    return f"{ready()} < 1"


def ready() -> str:
    return select("kube_statefulset_status_replicas_ready", NAMESPACE, 'statefulset="postgresql"')


def pod_cpu() -> str:
    return total(per_second("container_cpu_usage_seconds_total", NAMESPACE, CONTAINER), "pod")


def pod_memory() -> str:
    return total(select("container_memory_working_set_bytes", NAMESPACE, CONTAINER), "pod")


def disk_used_share() -> str:
    used, capacity = (
        select(f"kubelet_volume_stats_{what}_bytes", NAMESPACE) for what in ("used", "capacity")
    )
    return f"{used} / {capacity}"
