"""Manifests against the schema of Kubernetes 1.36, strictly: a field that does not exist is a fault."""

import functools
import json

import kubernetes_validate

__all__ = ["validated"]


@functools.cache
def validated(manifest: str) -> tuple[str, ...]:
    """What is wrong with a manifest, given as JSON; the same one is looked at once."""
    try:
        kubernetes_validate.validate(json.loads(manifest), "1.36", strict=True)
    except (
        kubernetes_validate.ValidationError,
        kubernetes_validate.InvalidSchemaError,
        kubernetes_validate.SchemaNotFoundError,
    ) as exc:
        return (str(exc).splitlines()[0],)
    return ()
