"""A namespace: what its pods may do, and that nobody speaks with them unless a rule says so."""

from dataclasses import dataclass
from typing import Literal

import pulumi
from pulumi_kubernetes import core, networking
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs

from infra.box import Box

__all__ = ["Namespace", "NamespaceArgs"]


@dataclass(frozen=True)
class NamespaceArgs:
    """`closed`: nothing comes in or goes out but what a NetworkPolicy lets pass."""

    name: str
    pod_security: Literal["restricted", "baseline", "privileged"] = "restricted"
    in_the_mesh: bool = False
    closed: bool = True
    protect: bool = False


class Namespace(Box):
    """A namespace and its defaults."""

    def __init__(self, args: NamespaceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("clinic:kubernetes:Namespace", f"{args.name}-namespace", opts)
        labels = {
            "app.kubernetes.io/managed-by": "pulumi",
            "pod-security.kubernetes.io/enforce": args.pod_security,
            "pod-security.kubernetes.io/warn": args.pod_security,
        }
        if args.in_the_mesh:
            labels["istio-injection"] = "enabled"
        self.name = args.name
        self.namespace = core.v1.Namespace(
            args.name,
            metadata=ObjectMetaArgs(name=args.name, labels=labels),
            opts=self.child(protect=args.protect),
        )
        if args.closed:
            networking.v1.NetworkPolicy(
                f"{args.name}-closed",
                metadata=ObjectMetaArgs(name="closed", namespace=args.name),
                spec=networking.v1.NetworkPolicySpecArgs(
                    pod_selector=LabelSelectorArgs(), policy_types=["Ingress", "Egress"]
                ),
                opts=self.child(self.namespace),
            )
        self.register_outputs({"name": self.namespace.metadata.name})
