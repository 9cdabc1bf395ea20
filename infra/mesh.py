"""The mesh: Istio's control plane, its network plugin, and where traces go."""

from dataclasses import dataclass

import pulumi

from infra.box import Box
from infra.charts import Release, ReleaseArgs
from infra.kinds.istio import PeerAuthentication, PeerAuthenticationSpec, Telemetry, TelemetrySpec
from infra.names import MESH_NAMESPACE
from infra.namespaces import Namespace, NamespaceArgs
from infra.tracing import SAMPLED_PERCENT, TRACES_HOST, TRACES_PORT
from infra.versions import ISTIO_BASE, ISTIO_CNI, ISTIOD

__all__ = ["Mesh", "MeshArgs"]

TRACES = "traces"


@dataclass(frozen=True)
class MeshArgs:
    """`zones`: whether control plane pods are to be spread and doubled."""

    zones: bool
    protect: bool


class Mesh(Box):
    """What everything in the mesh depends on: `ready` is its last part."""

    def __init__(self, args: MeshArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("clinic:mesh:Mesh", "mesh", opts)
        self.namespace = Namespace(
            # the network plugin works on the node itself
            NamespaceArgs(MESH_NAMESPACE, pod_security="privileged", closed=False, protect=args.protect),
            self.child(),
        )
        base = Release(
            "istio-base",
            ReleaseArgs(ISTIO_BASE, MESH_NAMESPACE, {}, release_name="istio-base"),
            opts=self.child(self.namespace),
        )
        plugin = Release(
            "istio-cni",
            ReleaseArgs(ISTIO_CNI, MESH_NAMESPACE, _plugin_values(), release_name="istio-cni"),
            opts=self.child(base),
        )
        self.ready = Release(
            "istiod",
            ReleaseArgs(ISTIOD, MESH_NAMESPACE, _control_plane_values(args), release_name="istiod"),
            opts=self.child(base, plugin),
        )
        after = self.child(self.ready)
        Telemetry(
            "default",
            TelemetrySpec(
                tracing=[{"providers": [{"name": TRACES}], "randomSamplingPercentage": SAMPLED_PERCENT}],
                access_logging=[
                    {
                        "providers": [{"name": "envoy"}],
                        "filter": {"expression": "response.code >= 500"},
                    }
                ],
            ),
            namespace=MESH_NAMESPACE,
            opts=after,
        )
        PeerAuthentication(
            "default", PeerAuthenticationSpec(mtls={"mode": "STRICT"}), namespace=MESH_NAMESPACE, opts=after
        )
        self.register_outputs({"version": ISTIOD.version})


def _plugin_values() -> dict[str, object]:
    return {
        "resources": {
            "requests": {"cpu": "50m", "memory": "64Mi"},
            "limits": {"cpu": "500m", "memory": "256Mi"},
        }
    }


def _control_plane_values(args: MeshArgs) -> dict[str, object]:
    """Requests of the sidecar are small on purpose: every pod has one."""
    return {
        "pilot": {
            "cni": {"enabled": True},
            "autoscaleMin": 2 if args.zones else 1,
            "autoscaleMax": 3,
            "resources": {
                "requests": {"cpu": "200m", "memory": "512Mi"},
                "limits": {"cpu": "1", "memory": "1Gi"},
            },
        },
        "global": {
            "proxy": {
                "resources": {
                    "requests": {"cpu": "20m", "memory": "64Mi"},
                    "limits": {"cpu": "1", "memory": "256Mi"},
                }
            }
        },
        "meshConfig": {
            "enableTracing": True,
            "accessLogFile": "",
            "extensionProviders": [
                {"name": TRACES, "opentelemetry": {"service": TRACES_HOST, "port": TRACES_PORT}},
                {"name": "envoy", "envoyFileAccessLog": {"path": "/dev/stdout"}},
            ],
        },
    }
