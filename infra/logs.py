"""Logs: Loki keeps them, Alloy collects them from every pod."""

from dataclasses import dataclass
from typing import Any

import pulumi

from infra.box import Box
from infra.charts import RESTRICTED, Release, ReleaseArgs
from infra.names import TOOLS_NAMESPACE
from infra.settings import Observability
from infra.versions import ALLOY, LOKI

__all__ = ["LOKI_NAME", "LOKI_PORT", "LOKI_URL", "Logs", "LogsArgs"]

LOKI_NAME = "loki"
LOKI_PORT = 3100
ALLOY_USER = 473
"""Whom its image is made for."""
LOKI_URL = f"http://{LOKI_NAME}:{LOKI_PORT}"

COLLECT = f"""\
discovery.kubernetes "pods" {{
  role = "pod"
  selectors {{
    role  = "pod"
    field = "spec.nodeName=" + coalesce(sys.env("HOSTNAME"), constants.hostname)
  }}
}}

discovery.relabel "pods" {{
  targets = discovery.kubernetes.pods.targets
  rule {{
    source_labels = ["__meta_kubernetes_namespace"]
    target_label  = "namespace"
  }}
  rule {{
    source_labels = ["__meta_kubernetes_pod_label_app"]
    target_label  = "service"
  }}
  rule {{
    source_labels = ["__meta_kubernetes_pod_name"]
    target_label  = "pod"
  }}
  rule {{
    source_labels = ["__meta_kubernetes_pod_container_name"]
    target_label  = "container"
  }}
}}

loki.source.kubernetes "pods" {{
  targets    = discovery.relabel.pods.output
  forward_to = [loki.write.loki.receiver]
}}

loki.write "loki" {{
  endpoint {{
    url = "{LOKI_URL}/loki/api/v1/push"
  }}
}}
"""


@dataclass(frozen=True)
class LogsArgs:
    settings: Observability
    disk_class: str | None


class Logs(Box):
    """One Loki on one disk: enough for a cluster of this size."""

    def __init__(self, args: LogsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("clinic:tools:Logs", "logs", opts)
        loki = Release(
            "loki",
            ReleaseArgs(LOKI, TOOLS_NAMESPACE, _loki(args), release_name=LOKI_NAME),
            opts=self.child(),
        )
        Release(
            "alloy",
            ReleaseArgs(
                ALLOY,
                TOOLS_NAMESPACE,
                {
                    "alloy": {
                        "configMap": {"content": COLLECT},
                        "securityContext": {**RESTRICTED, "runAsUser": ALLOY_USER, "runAsGroup": ALLOY_USER},
                        "mounts": {"extra": [{"name": "tmp", "mountPath": "/tmp"}]},  # noqa: S108 # its storage
                        "resources": {
                            "requests": {"cpu": "50m", "memory": "128Mi"},
                            "limits": {"cpu": "500m", "memory": "256Mi"},
                        },
                    },
                    "controller": {"volumes": {"extra": [{"name": "tmp", "emptyDir": {}}]}},
                },
                release_name="alloy",
            ),
            opts=self.child(loki),
        )
        self.register_outputs({"service": LOKI_NAME})


def _loki(args: LogsArgs) -> dict[str, Any]:
    persistence: dict[str, Any] = {"size": args.settings.log_storage}
    if args.disk_class:
        persistence["storageClass"] = args.disk_class
    return {
        "deploymentMode": "SingleBinary",
        "loki": {
            "auth_enabled": False,
            "commonConfig": {"replication_factor": 1},
            "storage": {"type": "filesystem"},
            "schemaConfig": {
                "configs": [
                    {
                        "from": "2025-01-01",
                        "store": "tsdb",
                        "object_store": "filesystem",
                        "schema": "v13",
                        "index": {"prefix": "index_", "period": "24h"},
                    }
                ]
            },
            "limits_config": {"retention_period": f"{args.settings.log_days * 24}h"},
            "compactor": {"retention_enabled": True, "delete_request_store": "filesystem"},
        },
        "singleBinary": {
            "replicas": 1,
            "persistence": persistence,
            "resources": {
                "requests": {"cpu": "100m", "memory": "256Mi"},
                "limits": {"cpu": "1", "memory": "1Gi"},
            },
        },
        **{part: {"replicas": 0} for part in ("read", "write", "backend")},
        **{
            part: {"enabled": False}
            for part in ("gateway", "chunksCache", "resultsCache", "lokiCanary", "test")
        },
    }
