"""Azure's built-in roles, and giving one to somebody."""

import uuid
from dataclasses import dataclass
from enum import StrEnum

import pulumi
from pulumi_azure_native import authorization

__all__ = ["Grant", "GrantArgs", "Role"]


class Role(StrEnum):
    """Their ids. Source: learn.microsoft.com/azure/role-based-access-control/built-in-roles"""

    ACR_PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
    ACR_PUSH = "8311e382-0749-4cb8-b61a-304f252e45ec"
    NETWORK_CONTRIBUTOR = "4d97b98b-1d4f-4787-a291-c67834d212e7"
    STORAGE_ACCOUNT_CONTRIBUTOR = "17d1049b-9a84-46fb-8f53-869881c3d3ab"
    KEY_VAULT_CRYPTO_USER = "12338af0-0e69-4776-bea7-57ae8d297424"
    CLUSTER_ADMIN = "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b"


@dataclass(frozen=True)
class GrantArgs:
    role: Role
    principal: pulumi.Input[str]
    principal_type: str
    scope: pulumi.Input[str]


class Grant(authorization.RoleAssignment):
    """An assignment. Its id is made from its name in the stack, so that it is the same each time."""

    def __init__(self, name: str, args: GrantArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        stack = pulumi.get_stack()
        super().__init__(
            name,
            role_assignment_name=str(
                uuid.uuid5(uuid.NAMESPACE_URL, f"{pulumi.get_project()}/{stack}/{name}")
            ),
            role_definition_id=f"/providers/Microsoft.Authorization/roleDefinitions/{args.role.value}",
            principal_id=args.principal,
            principal_type=args.principal_type,
            scope=args.scope,
            opts=opts,
        )
