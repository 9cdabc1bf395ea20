"""The keys: one that the state's secrets are encrypted with, one that images are signed with."""

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import authorization, keyvault

from infra.box import Box
from infra.cloud.resource_group import ResourceGroup
from infra.cloud.roles import Grant, GrantArgs, Role
from infra.cloud.settings import Azure
from infra.names import PROJECT

__all__ = ["KeyVault", "KeyVaultArgs"]

STATE_KEY = "pulumi"
SIGNING_KEY = "images"


@dataclass(frozen=True)
class KeyVaultArgs:
    group: ResourceGroup
    settings: Azure


class KeyVault(Box):
    """`secrets_provider` is what `pulumi stack change-secrets-provider` wants, `signing_key` what cosign does."""

    def __init__(self, args: KeyVaultArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("clinic:azure:KeyVault", "key-vault", opts)
        # without this key nobody reads the state again: it is protected in every stack
        kept = self.child(protect=True)
        vault = keyvault.Vault(
            "vault",
            resource_group_name=args.group.name,
            vault_name=f"kv-{PROJECT}-{pulumi.get_stack()}{args.settings.suffix}",
            location=args.group.location,
            tags=args.group.tags,
            properties=keyvault.VaultPropertiesArgs(
                tenant_id=authorization.get_client_config_output().tenant_id,
                sku=keyvault.SkuArgs(family="A", name=keyvault.SkuName.STANDARD),
                enable_rbac_authorization=True,
                enable_purge_protection=True,
                enable_soft_delete=True,
                soft_delete_retention_in_days=90,
            ),
            opts=kept,
        )
        keyvault.Key(
            "state-key",
            resource_group_name=args.group.name,
            vault_name=vault.name,
            key_name=STATE_KEY,
            properties=keyvault.KeyPropertiesArgs(
                kty="RSA", key_size=3072, key_ops=["encrypt", "decrypt", "wrapKey", "unwrapKey"]
            ),
            opts=kept,
        )
        keyvault.Key(
            "signing-key",
            resource_group_name=args.group.name,
            vault_name=vault.name,
            key_name=SIGNING_KEY,
            properties=keyvault.KeyPropertiesArgs(kty="EC", curve_name="P-256", key_ops=["sign", "verify"]),
            opts=kept,
        )
        self._grant("pipeline-reads-state", args.settings.deployer, "ServicePrincipal", vault)
        for number, group in enumerate(args.settings.administrators, 1):
            self._grant(f"administrators-{number}-read-state", group, "Group", vault)
        self.secrets_provider = pulumi.Output.concat(
            "azurekeyvault://", vault.name, f".vault.azure.net/keys/{STATE_KEY}"
        )
        self.signing_key = pulumi.Output.concat("azurekms://", vault.name, f".vault.azure.net/{SIGNING_KEY}")
        self.register_outputs({"secrets_provider": self.secrets_provider, "signing_key": self.signing_key})

    def _grant(self, name: str, principal: str, kind: str, vault: keyvault.Vault) -> None:
        """To use the keys: for the state's secrets, and for signing."""
        Grant(name, GrantArgs(Role.KEY_VAULT_CRYPTO_USER, principal, kind, vault.id), opts=self.child())
