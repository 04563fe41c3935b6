"""The page at ``/`` and the files that it needs, as the package brings them."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse
from starlette.staticfiles import StaticFiles

STATIC = Path(str(files("pixelwise.serve") / "static"))
"""The folder of the page's files."""

POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "media-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""The content security policy: nothing from another host, no script but our files."""


def mount_page(app: FastAPI, folder: Path = STATIC, *, index: str = "index.html") -> None:
    """Serve the files of a folder at ``/static``, and one of them at ``/``, if they are there."""
    if not folder.is_dir():
        return
    app.mount("/static", StaticFiles(directory=folder), name="static")
    home = folder / index
    if home.is_file():

        @app.get("/", include_in_schema=False)
        async def page() -> FileResponse:
            return FileResponse(home, headers={"Cache-Control": "no-cache"})
