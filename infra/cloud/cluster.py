"""AKS: nodes in two pools, identities instead of passwords, and a provider for what goes into it."""

import base64
import json
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import yaml
from pulumi_azure_native import containerservice, managedidentity, monitor

from infra.box import Box
from infra.cloud.log_analytics import LogAnalytics
from infra.cloud.registry import Registry
from infra.cloud.resource_group import ResourceGroup
from infra.cloud.roles import Grant, GrantArgs, Role
from infra.cloud.settings import Azure, NodePool
from infra.cloud.virtual_network import VirtualNetwork
from infra.names import POD_RANGE, PROJECT, SERVICE_RANGE
from infra.versions import KUBERNETES

__all__ = ["Cluster", "ClusterArgs"]

ENTRA_SERVER = "6dae42f8-4368-4678-94ff-3960e28e3630"
"""AKS's own application in every directory. Source: azure.github.io/kubelogin"""


@dataclass(frozen=True)
class ClusterArgs:
    group: ResourceGroup
    network: VirtualNetwork
    registry: Registry
    logs: LogAnalytics
    settings: Azure
    protect: bool


class Cluster(Box):
    """`provider` reaches it as whoever runs Pulumi; `identity` is the cluster's own."""

    def __init__(self, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("clinic:azure:Cluster", "cluster", opts)
        child = self.child()
        stack, settings, group = pulumi.get_stack(), args.settings, args.group
        identity = managedidentity.UserAssignedIdentity(
            "cluster-identity",
            resource_group_name=group.name,
            resource_name_=f"id-{PROJECT}-{stack}-cluster",
            location=group.location,
            tags=group.tags,
            opts=child,
        )
        self.identity = identity.principal_id
        network_role = Grant(
            "cluster-uses-network",
            GrantArgs(Role.NETWORK_CONTRIBUTOR, self.identity, "ServicePrincipal", args.network.id),
            opts=child,
        )
        cluster = containerservice.ManagedCluster(
            "cluster",
            resource_group_name=group.name,
            resource_name_=f"aks-{PROJECT}-{stack}",
            location=group.location,
            tags=group.tags,
            dns_prefix=f"{PROJECT}-{stack}",
            kubernetes_version=KUBERNETES,
            sku=containerservice.ManagedClusterSKUArgs(name="Base", tier=settings.cluster_tier),
            identity=containerservice.ManagedClusterIdentityArgs(
                type=containerservice.ResourceIdentityType.USER_ASSIGNED,
                user_assigned_identities=[identity.id],
            ),
            aad_profile=containerservice.ManagedClusterAADProfileArgs(
                managed=True,
                enable_azure_rbac=True,
                admin_group_object_ids=list(settings.administrators),
            ),
            disable_local_accounts=True,
            enable_rbac=True,
            oidc_issuer_profile=containerservice.ManagedClusterOIDCIssuerProfileArgs(enabled=True),
            security_profile=containerservice.ManagedClusterSecurityProfileArgs(
                workload_identity=containerservice.ManagedClusterSecurityProfileWorkloadIdentityArgs(
                    enabled=True
                ),
                image_cleaner=containerservice.ManagedClusterSecurityProfileImageCleanerArgs(
                    enabled=True, interval_hours=168
                ),
            ),
            auto_upgrade_profile=containerservice.ManagedClusterAutoUpgradeProfileArgs(
                upgrade_channel=settings.upgrade_channel, node_os_upgrade_channel="NodeImage"
            ),
            network_profile=_network(),
            agent_pool_profiles=[
                _pool("system", settings.system_pool, args, mode="System"),
                _pool("workload", settings.workload_pool, args, mode="User"),
            ],
            storage_profile=containerservice.ManagedClusterStorageProfileArgs(
                disk_csi_driver=containerservice.ManagedClusterStorageProfileDiskCSIDriverArgs(enabled=True),
                file_csi_driver=containerservice.ManagedClusterStorageProfileFileCSIDriverArgs(enabled=True),
            ),
            opts=self.child(
                network_role,
                protect=args.protect,
                timeouts=pulumi.CustomTimeouts(create="40m", update="60m", delete="40m"),
                # both are moved by Azure: by the upgrade channel and by the autoscaler
                ignore_changes=["kubernetesVersion", "agentPoolProfiles[*].count"],
            ),
        )
        kubelet = cluster.identity_profile.apply(lambda profile: (profile or {})["kubeletidentity"].object_id)
        pulls = Grant(
            "kubelet-pulls-images",
            GrantArgs(Role.ACR_PULL, kubelet.apply(str), "ServicePrincipal", args.registry.id),
            opts=child,
        )
        deploys = Grant(
            "pipeline-deploys",
            GrantArgs(Role.CLUSTER_ADMIN, settings.deployer, "ServicePrincipal", cluster.id),
            opts=child,
        )
        monitor.DiagnosticSetting(
            "cluster-logs",
            resource_uri=cluster.id,
            name="control-plane",
            workspace_id=args.logs.id,
            logs=[
                monitor.DiagnosticsLogSettingsArgs(category=category, enabled=True)
                for category in ("kube-audit-admin", "kube-controller-manager", "cluster-autoscaler", "guard")
            ],
            opts=child,
        )
        self.provider = kubernetes.Provider(
            "kubernetes",
            kubeconfig=_kubeconfig(cluster, group),
            cluster_identifier=cluster.id,
            enable_server_side_apply=True,
            opts=self.child(pulls, deploys),
        )
        self.issuer = cluster.oidc_issuer_profile.apply(lambda profile: profile and profile.issuer_url)
        self.register_outputs({"name": cluster.name, "issuer": self.issuer})


def _network() -> containerservice.ContainerServiceNetworkProfileArgs:
    """Pods have addresses of their own range; Cilium keeps the network policies."""
    return containerservice.ContainerServiceNetworkProfileArgs(
        network_plugin=containerservice.NetworkPlugin.AZURE,
        network_plugin_mode=containerservice.NetworkPluginMode.OVERLAY,
        network_dataplane=containerservice.NetworkDataplane.CILIUM,
        network_policy=containerservice.NetworkPolicy.CILIUM,
        load_balancer_sku="standard",
        pod_cidr=POD_RANGE,
        service_cidr=SERVICE_RANGE,
        dns_service_ip="10.0.0.10",
    )


def _pool(
    name: str, pool: NodePool, args: ClusterArgs, *, mode: str
) -> containerservice.ManagedClusterAgentPoolProfileArgs:
    return containerservice.ManagedClusterAgentPoolProfileArgs(
        name=name,
        mode=mode,
        type="VirtualMachineScaleSets",
        vm_size=pool.size,
        count=pool.smallest,
        min_count=pool.smallest,
        max_count=pool.largest,
        enable_auto_scaling=True,
        availability_zones=list(args.settings.zones) or None,
        vnet_subnet_id=args.network.nodes,
        os_type="Linux",
        os_sku="AzureLinux",
        os_disk_type="Managed",
        max_pods=110,
        enable_encryption_at_host=True,
        node_taints=["CriticalAddonsOnly=true:NoSchedule"] if mode == "System" else None,
        upgrade_settings=containerservice.AgentPoolUpgradeSettingsArgs(max_surge="33%"),
    )


def _kubeconfig(cluster: containerservice.ManagedCluster, group: ResourceGroup) -> pulumi.Output[str]:
    """Without a password in it: a token comes from the Azure CLI's login, by kubelogin."""
    credentials = containerservice.list_managed_cluster_user_credentials_output(
        resource_group_name=group.name, resource_name=cluster.name, format="exec"
    )

    def rewrite(kubeconfig: str) -> str:
        config: dict[str, Any] = yaml.safe_load(base64.b64decode(kubeconfig))
        for user in config["users"]:
            user["user"] = {
                "exec": {
                    "apiVersion": "client.authentication.k8s.io/v1",
                    "command": "kubelogin",
                    "args": ["get-token", "--login", "azurecli", "--server-id", ENTRA_SERVER],
                    "interactiveMode": "Never",
                }
            }
        return json.dumps(config)

    return pulumi.Output.secret(credentials.apply(lambda answer: rewrite(answer.kubeconfigs[0].value)))
