"""The documents over HTTP, for as long as somebody looks at them."""

from collections.abc import Mapping
from mimetypes import guess_type

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

__all__ = ["app_of", "serve"]


def app_of(files: Mapping[str, str]) -> Starlette:
    """Serves texts by their paths; the page at the root."""

    async def file(request: Request) -> Response:
        path = request.path_params["path"] or "index.html"
        if path not in files:
            return Response(f"there is nothing at /{path}\n", 404, media_type="text/plain")
        kind = "text/plain" if path.endswith(".md") else guess_type(path)[0]
        return Response(files[path], media_type=kind)

    return Starlette(routes=[Route("/{path:path}", file)])


def serve(files: Mapping[str, str], port: int) -> None:
    """Until Ctrl-C, on this machine alone."""
    uvicorn.run(app_of(files), host="127.0.0.1", port=port, log_level="warning")
