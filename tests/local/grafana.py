"""What `clinic up` asks of Grafana, answered by a server of the test's own: one takes it, one refuses."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from clinic_lib.local.ports import free_port

__all__ = ["Refusing", "Taking", "serving"]

AppT = TypeVar("AppT", bound="Taking | Refusing")


class Taking:
    """Keeps what it is given, as Grafana's HTTP API says; the folder is there already."""

    def __init__(self) -> None:
        self.sources: dict[str, dict[str, Any]] = {}
        self.dashboards: dict[str, dict[str, Any]] = {}
        self.folders = {"clinic": "Clinic before"}
        self.tokens: set[str] = set()
        self.app = Starlette(
            routes=[
                Route("/api/datasources/uid/{uid}", self._source),
                Route("/api/datasources", self._new_source, methods=["POST"]),
                Route("/api/folders/{uid}", self._folder, methods=["GET", "PUT"]),
                Route("/api/dashboards/db", self._dashboard, methods=["POST"]),
            ]
        )

    async def _source(self, request: Request) -> Response:
        return JSONResponse({}, 200 if request.path_params["uid"] in self.sources else 404)

    async def _new_source(self, request: Request) -> Response:
        source = await self._read(request)
        self.sources[source["uid"]] = source
        return JSONResponse(source)

    async def _folder(self, request: Request) -> Response:
        if request.method == "PUT":
            folder = await self._read(request)
            assert folder["overwrite"]
            self.folders[request.path_params["uid"]] = folder["title"]
        return JSONResponse({})

    async def _dashboard(self, request: Request) -> Response:
        given = await self._read(request)
        assert (given["folderUid"], given["overwrite"]) == ("clinic", True)
        self.dashboards[given["dashboard"]["uid"]] = given["dashboard"]
        return JSONResponse({"status": "success"})

    async def _read(self, request: Request) -> dict[str, Any]:
        self.tokens.add(request.headers.get("authorization", ""))
        body: dict[str, Any] = await request.json()
        return body


class Refusing:
    """Lets nobody in."""

    def __init__(self) -> None:
        self.app = Starlette(routes=[Route("/{path:path}", self._refuse, methods=["GET", "POST", "PUT"])])

    async def _refuse(self, request: Request) -> Response:
        return JSONResponse({"message": "Unauthorized"}, 401)


@contextmanager
def serving(app: AppT) -> Iterator[tuple[int, AppT]]:
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app.app, port=port, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield port, app
    finally:
        server.should_exit = True
        thread.join(10)
