"""The registry of images."""

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import containerregistry

from infra.box import Box
from infra.cloud.resource_group import ResourceGroup
from infra.cloud.roles import Grant, GrantArgs, Role
from infra.cloud.settings import Azure
from infra.names import PROJECT

__all__ = ["Registry", "RegistryArgs"]


@dataclass(frozen=True)
class RegistryArgs:
    group: ResourceGroup
    settings: Azure
    protect: bool


class Registry(Box):
    """`host` stands before an image's name. Nobody logs in by password: the kubelet and the pipeline have roles."""

    def __init__(self, args: RegistryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("clinic:azure:Registry", "registry", opts)
        premium = args.settings.registry_tier == "Premium"
        registry = containerregistry.Registry(
            "registry",
            resource_group_name=args.group.name,
            registry_name=f"{PROJECT}{pulumi.get_stack()}registry{args.settings.suffix}",
            location=args.group.location,
            tags=args.group.tags,
            sku=containerregistry.SkuArgs(name=args.settings.registry_tier),
            admin_user_enabled=False,
            anonymous_pull_enabled=False if args.settings.registry_tier != "Basic" else None,
            zone_redundancy="Enabled" if premium and args.settings.zones else None,
            opts=self.child(protect=args.protect),
        )
        Grant(
            "pipeline-pushes-images",
            GrantArgs(Role.ACR_PUSH, args.settings.deployer, "ServicePrincipal", registry.id),
            opts=self.child(),
        )
        self.id = registry.id
        self.host = registry.login_server
        self.register_outputs({"host": registry.login_server})
