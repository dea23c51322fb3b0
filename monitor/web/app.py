"""What is answered over HTTP? Metrics for Prometheus, health for supervisors, and pages for people.

Whoever reaches the port can read /metrics, /healthz and /readyz: there is no login. They hold names of checks and
slices, counts and times, and no word of any event. Everything else stands behind monitor/web/security/guard.py.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Protocol

from fastapi import FastAPI
from fastapi.responses import Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from monitor.web.dashboard import OPENAPI, add_dashboard
from monitor.web.state import Dashboard

BEAT_SECONDS = 0.25


class State(Protocol):
    """What pages for machines are made of. Only `metrics` may wait for something."""

    def metrics(self) -> bytes:
        """For Prometheus."""
        ...

    def alive(self) -> list[str]:
        """Why the process should be started anew; nothing if it should not."""
        ...

    def ready(self) -> list[str]:
        """Why it could not do its work now; nothing if it could."""
        ...


def create_app(state: State, beat: Callable[[], None], dashboard: Dashboard | None = None) -> FastAPI:
    """The application. beat: called again and again, as long as requests would be answered. dashboard: None: no pages
    for people, and no API."""

    @asynccontextmanager
    async def beating(_app: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(_beat_for_ever(beat))
        yield
        task.cancel()

    app = FastAPI(
        title="reward-drift",
        version=version("reward-drift-monitor"),
        lifespan=beating,
        docs_url=None,
        redoc_url=None,
        openapi_url=OPENAPI if dashboard else None,
    )

    one_scrape = asyncio.Semaphore(1)  # whoever scrapes in vain, or too often, takes one thread and one connection

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        try:
            async with one_scrape:
                page = await run_in_threadpool(state.metrics)
        except SQLAlchemyError as fault:
            return _verdict([f"the database is away: {type(fault).__name__}"])
        return Response(page, media_type="text/plain; version=0.0.4; charset=utf-8", headers=_FRESH)

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> Response:
        return _verdict(state.alive())

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        return _verdict(state.ready())

    if dashboard:
        add_dashboard(app, dashboard)
    return app


_FRESH = {"cache-control": "no-store"}


def _verdict(reasons: list[str]) -> Response:
    body = json.dumps({"ok": not reasons, "reasons": reasons}) + "\n"
    return Response(body, 503 if reasons else 200, headers=_FRESH, media_type="application/json")


async def _beat_for_ever(beat: Callable[[], None]) -> None:
    while True:
        beat()
        await asyncio.sleep(BEAT_SECONDS)
