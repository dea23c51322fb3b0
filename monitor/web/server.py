"""Who answers? A server in a thread of its own, on an address that is written out."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from consumers.health import Address
from monitor.web.connections import Bounded


@contextmanager
def answering(app: FastAPI, address: Address) -> Iterator[Address]:
    """Serve while inside; gives the address with the port that was bound. Raises OSError if it cannot be had."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.create_server(tuple(address), family=family) as listening:
        config = uvicorn.Config(
            app,
            http=Bounded,
            ws="none",
            backlog=128,  # so many are accepted at a time, before others are looked at
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=5,
            proxy_headers=False,  # who asks is decided by monitor/web/security alone
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],), name="web", daemon=True)
        thread.start()
        try:
            yield Address(address.host, listening.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(5)
