"""One service's admin port, as a client sees it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import httpx2

from clinic_lib.local.status import Declared
from clinic_lib.operate.errors import DownError, NotThereError, OperateError

__all__ = ["AdminPort"]

CONNECTS_WITHIN_S = 3.0
ANSWERS_WITHIN_S = 20.0
HANDLES_WITHIN_S = 900.0
LARGEST_PAGE = 500
MOST_IDS = 1_000

Parameters = Mapping[str, str | int | None]


@dataclass(frozen=True)
class AdminPort:
    """`urls` are its processes', of which one answers for all; `said` is what it declared when it was up.

    `when_down` is a sentence that says what to do. Every call raises `DownError`, `NotThereError`, or
    `OperateError` for any other refusal.
    """

    name: str
    urls: Sequence[str]
    token: str
    when_down: str
    said: Declared | None = None

    def declared(self) -> Declared:
        """What it handles, and which sagas it owns."""
        return cast("Declared", self.get("/admin/service"))

    def get(self, path: str, parameters: Parameters | None = None) -> dict[str, Any]:
        return self._ask("GET", path, parameters)

    def post(self, path: str, parameters: Parameters | None = None, body: object = None) -> dict[str, Any]:
        """Waits for as long as what it sets going may take."""
        return self._ask("POST", path, parameters, body)

    def delete(self, path: str) -> dict[str, Any]:
        return self._ask("DELETE", path)

    def items(self, path: str, parameters: Parameters, wanted: int | None) -> Iterator[dict[str, Any]]:
        """Those of a collection, newest first; the first page is as large as what is `wanted`."""
        page = self.get(path, {**parameters, "limit": min(wanted or LARGEST_PAGE, LARGEST_PAGE)})
        yield from page["items"]
        while page["next"]:
            page = self.get(path + page["next"])
            yield from page["items"]

    def handled(self, message_ids: Sequence[str]) -> dict[str, set[str]]:
        """Of these messages: which it has `handled`, has `parked`, or has `forgotten` about."""
        found: dict[str, set[str]] = {"handled": set(), "parked": set(), "forgotten": set()}
        for start in range(0, len(message_ids), MOST_IDS):
            answer = self.post("/admin/handled", body={"message_ids": message_ids[start : start + MOST_IDS]})
            for name, ids in found.items():
                ids.update(answer[name])
        return found

    def _ask(
        self, method: str, path: str, parameters: Parameters | None = None, body: object = None
    ) -> dict[str, Any]:
        given = {name: value for name, value in (parameters or {}).items() if value is not None}
        seconds = ANSWERS_WITHIN_S if method == "GET" else HANDLES_WITHIN_S
        for url in self.urls:
            try:
                answer = httpx2.request(
                    method,
                    url + path,
                    params=given or None,
                    json=body,
                    headers={"Authorization": f"Bearer {self.token}"},
                    timeout=httpx2.Timeout(seconds, connect=CONNECTS_WITHIN_S),
                    trust_env=False,
                )
            except httpx2.ReadTimeout:
                raise OperateError(
                    f"{self.name} at {url} did not answer within {seconds:.0f} s: look at its log."
                ) from None
            except httpx2.ConnectError:
                continue
            except httpx2.TransportError as exc:
                if method == "GET":
                    continue
                raise OperateError(
                    f"{self.name} at {url} broke off ({exc!r}): it may have done it. Look, and ask again."
                ) from None
            return self._read(answer)
        raise DownError(f"{self.when_down}.")

    def _read(self, answer: httpx2.Response) -> dict[str, Any]:
        if answer.is_success:
            return cast("dict[str, Any]", answer.json())
        if answer.status_code == httpx2.codes.UNAUTHORIZED:
            raise OperateError(
                f"{self.name} refuses the token: ADMIN_TOKEN has to be the one that {self.name} was started with."
            )
        try:
            detail = answer.json()["detail"]
        except (ValueError, KeyError, TypeError):
            detail = answer.text[:200]
        if answer.status_code == httpx2.codes.NOT_FOUND:
            raise NotThereError(f"{self.name}: {detail}.")
        raise OperateError(f"{self.name} answers {answer.status_code}: {detail}.")
