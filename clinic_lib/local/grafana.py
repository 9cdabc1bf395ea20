"""Grafana: one that runs somewhere is handed the data sources and dashboards over HTTP."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp

from clinic_lib.local.errors import StackError

__all__ = ["Grafana"]

FOLDER = {"uid": "clinic", "title": "Clinic"}


class Grafana:
    """The one at `url`. GRAFANA_TOKEN is a service account's; one that lets anybody in needs none.

    Source: https://grafana.com/docs/grafana/latest/developers/http_api/
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    async def provision(self, sources: Sequence[Mapping[str, object]], dashboards: Sequence[Path]) -> None:
        """Puts all in place, over what has the same uid there.

        Raises `StackError` when it does not answer, or refuses.
        """
        token = os.environ.get("GRAFANA_TOKEN")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        timeout = aiohttp.ClientTimeout(total=30)
        try:
            async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
                for source in sources:
                    await self._put(session, "/api/datasources", str(source["uid"]), source)
                await self._put(session, "/api/folders", FOLDER["uid"], {**FOLDER, "overwrite": True})
                for path in dashboards:
                    board = {**json.loads(path.read_text()), "id": None}
                    body = {"dashboard": board, "folderUid": FOLDER["uid"], "overwrite": True}
                    await self._send(session, "POST", "/api/dashboards/db", body)
        except (aiohttp.ClientError, TimeoutError, ValueError) as exc:
            raise StackError(
                f"GRAFANA_URL names {self.url}, which does not answer ({exc or 'it takes too long'}): "
                "start Grafana there, or unset the variable."
            ) from exc

    async def _put(
        self, session: aiohttp.ClientSession, path: str, uid: str, body: Mapping[str, object]
    ) -> None:
        """Makes it, or changes it where it is already."""
        by_uid = f"{path}/uid/{uid}" if path == "/api/datasources" else f"{path}/{uid}"
        async with session.get(self.url + by_uid) as there:
            known = there.ok
        await self._send(session, "PUT" if known else "POST", by_uid if known else path, body)

    async def _send(
        self, session: aiohttp.ClientSession, method: str, path: str, body: Mapping[str, object]
    ) -> None:
        async with session.request(method, self.url + path, json=body) as answer:
            if answer.status in (401, 403):
                raise StackError(
                    f"Grafana at {self.url} refuses ({answer.status}): "
                    "give GRAFANA_TOKEN the token of a service account that may edit."
                )
            if not answer.ok:
                raise StackError(
                    f"Grafana at {self.url} answers {answer.status} to {method} {path}: {await answer.text()}"
                )
