"""A box of the architecture: a component whose parts wait for all that it waits for."""

from typing import Any

import pulumi

__all__ = ["Box"]


class Box(pulumi.ComponentResource):
    """Pulumi lets a component wait, and its children start: `child` hands on what there is to wait for."""

    def __init__(self, type_: str, name: str, opts: pulumi.ResourceOptions | None) -> None:
        super().__init__(type_, name, None, opts)
        waits: Any = (opts.depends_on if opts else None) or []
        self._waits: list[Any] = list(waits) if isinstance(waits, list) else [waits]

    def child(
        self,
        *after: pulumi.Resource,
        protect: bool = False,
        timeouts: pulumi.CustomTimeouts | None = None,
        ignore_changes: list[str] | None = None,
    ) -> pulumi.ResourceOptions:
        """The options of a part, which also waits for `after`."""
        return pulumi.ResourceOptions(
            parent=self,
            depends_on=[*self._waits, *after],
            protect=protect,
            custom_timeouts=timeouts,
            ignore_changes=ignore_changes,
        )
