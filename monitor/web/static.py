"""Which files does a page load? One style sheet, the reports' own with the dashboard's behind it, and one script."""

import functools
import hashlib
from pathlib import Path

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response

from monitor import report

HERE, REPORTS = Path(__file__).parent / "static", Path(report.__path__[0])
FILES = {
    "dashboard.css": (
        "text/css; charset=utf-8",
        (REPORTS / "report.css", REPORTS / "gate.css", HERE / "dashboard.css", HERE / "pages.css"),
    ),
    "dashboard.js": ("text/javascript; charset=utf-8", (HERE / "dashboard.js", HERE / "pictures.js")),
    "icon.svg": ("image/svg+xml", (HERE / "icon.svg",)),
}
FOR_EVER = {"cache-control": "public, max-age=31536000, immutable"}

router = APIRouter(include_in_schema=False)


@router.get("/static/{name}")
def static(name: str) -> Response:
    """One of our files."""
    if name not in FILES:
        raise HTTPException(404, "no such file")
    return Response(content(name), media_type=FILES[name][0], headers=FOR_EVER)


@functools.cache
def content(name: str) -> bytes:
    """What a file holds."""
    return b"\n".join(path.read_bytes() for path in FILES[name][1])


@functools.cache
def static_url(name: str) -> str:
    """The address of one of our files; another content is another address, so that it may be kept for ever."""
    return f"/static/{name}?v={hashlib.sha256(content(name)).hexdigest()[:12]}"
