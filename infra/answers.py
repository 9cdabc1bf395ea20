"""What providers would answer, made from the inputs alone: the same program gives the same record."""

import base64
import hashlib
import json
import uuid
from typing import Any

import yaml
from pulumi.runtime import mocks

__all__ = ["Answers"]

SUBSCRIPTION = "/subscriptions/00000000-0000-0000-0000-000000000000"
NAMED_BY = {
    "ManagedCluster": "resourceName",
    "UserAssignedIdentity": "resourceName",
    "StorageAccount": "accountName",
}
"""Where an Azure resource's name is not under its type's name."""
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nbWFkZSB1cCBmb3IgYSBwcmV2aWV3\n-----END CERTIFICATE-----\n"


class Answers(mocks.Mocks):
    """Names and ids are digests of what they are for."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        if args.typ.startswith("azure-native:"):
            return _azure(args)
        if args.typ.startswith("kubernetes:") and args.resource_id:
            return args.resource_id, _looked_up(args)
        if args.typ.startswith("kubernetes:helm.sh/"):
            return args.name, {**args.inputs, "status": {"name": args.name, "status": "deployed"}}
        if args.typ.startswith("kubernetes:") and "apiVersion" in args.inputs:
            return _kubernetes(args)
        return f"{args.name}-id", dict(args.inputs)

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        name = args.token.rpartition(":")[2]
        if name == "listManagedClusterUserCredentials":
            kubeconfig = {"apiVersion": "v1", "kind": "Config", "users": [{"name": "user", "user": {}}]}
            return {"kubeconfigs": [{"name": "exec", "value": _base64(yaml.safe_dump(kubeconfig))}]}, []
        if name == "getClientConfig":
            keys = ("clientId", "objectId", "subscriptionId", "tenantId")
            return {key: str(uuid.UUID(int=0)) for key in keys}, []
        raise KeyError(f"nobody answers {args.token}")


def _kubernetes(args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
    metadata = dict(args.inputs.get("metadata") or {})
    metadata.setdefault("name", f"{args.name}-{_digest(args.inputs)}")
    return f"{metadata.get('namespace', '')}/{metadata['name']}", {**args.inputs, "metadata": metadata}


def _looked_up(args: mocks.MockResourceArgs) -> dict[str, Any]:
    namespace, _, name = str(args.resource_id).rpartition("/")
    return {
        **args.inputs,
        "metadata": {"name": name, "namespace": namespace},
        "data": {"ca.crt": _base64(CERTIFICATE)},
    }


def _azure(args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
    kind = args.typ.rpartition(":")[2]
    key = NAMED_BY.get(kind, kind[0].lower() + kind[1:] + "Name")
    name = args.inputs.get(key, args.name)
    made: dict[str, Any] = {"name": name}
    match kind:
        case "Registry":
            made["loginServer"] = f"{name}.azurecr.io"
        case "ManagedCluster":
            made["identity"] = {"type": "UserAssigned", "userAssignedIdentities": {}}
            made["identityProfile"] = {"kubeletidentity": {"objectId": _guid(args.name)}}
            made["oidcIssuerProfile"] = {"enabled": True, "issuerURL": f"https://oidc.example.com/{name}"}
        case "UserAssignedIdentity":
            made["principalId"] = _guid(args.name)
        case "Server":
            made["fullyQualifiedDomainName"] = f"{name}.postgres.database.azure.com"
        case _:
            pass
    return f"{SUBSCRIPTION}/{kind}/{name}", {**args.inputs, **made}


def _digest(inputs: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(inputs, sort_keys=True, default=str).encode()).hexdigest()[:8]


def _guid(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
