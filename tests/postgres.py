"""Where do tests get PostgreSQL? A private server per run, started on first use, with a fresh database per test."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import make_url

ADMIN_URL = os.environ.get("REWARD_DRIFT_TEST_PG")  # a URL that may create databases, instead of a private server
WHERE_DEBIAN_KEEPS_IT = "/usr/lib/postgresql/*/bin"


def find_binaries() -> Path | None:
    """The folder of initdb and pg_ctl, of the newest release installed, or None."""
    folders = sorted(Path("/").glob(WHERE_DEBIAN_KEEPS_IT.lstrip("/")), key=lambda folder: int(folder.parent.name))
    on_path = shutil.which("initdb")
    found = [Path(on_path).parent] if on_path else []
    found += [folder for folder in reversed(folders) if (folder / "initdb").exists()]
    return found[0] if found else None


class Server:
    """A server of our own on loopback. It may be stopped and started again; its data stay until `remove`.

    options: settings of the server. By default it does not wait for the disk, which no killed process can notice.
    """

    def __init__(self, binaries: Path, options: Sequence[str] = ("fsync=off", "full_page_writes=off")) -> None:
        self._binaries = binaries
        self.folder = Path(tempfile.mkdtemp(prefix="reward-drift-pg-"))
        self.port = _free_port()
        self._as_user: dict[str, object] = {}
        if os.geteuid() == 0:  # the server refuses to run as root
            shutil.chown(self.folder, "postgres", "postgres")
            self._as_user = {"user": "postgres", "group": "postgres", "extra_groups": []}
        self._run("initdb", "-D", self._data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-locale", "--no-sync")
        places = [f"port={self.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={self.folder}"]
        with (self.folder / "data" / "postgresql.auto.conf").open("a") as settings:
            settings.writelines("{}='{}'\n".format(*option.split("=", 1)) for option in [*places, *options])
        self.start()

    @property
    def admin_url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._run("pg_ctl", "-D", self._data, "-l", str(self.folder / "log"), "-w", "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it. immediate: as a crash would, dropping every connection; fast: in good order."""
        self._run("pg_ctl", "-D", self._data, "-m", mode, "-w", "stop")

    def remove(self) -> None:
        """Stop it if it runs, and delete its data."""
        with contextlib.suppress(subprocess.CalledProcessError):
            self.stop()
        shutil.rmtree(self.folder)

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._binaries / program), *arguments]
        done = subprocess.run(
            command,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            **self._as_user,
        )  # type: ignore[call-overload]
        if done.returncode:
            print(done.stdout)
            done.check_returncode()


@contextlib.contextmanager
def fresh_database(admin_url: str, template: str = "template1") -> Iterator[str]:
    """The URL of a new database, a copy of `template`, dropped afterwards however many are connected."""
    name = f"drift_{uuid.uuid4().hex}"
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
    try:
        yield make_url(admin_url).set(database=name).render_as_string(hide_password=False)
    finally:
        with psycopg.connect(admin_url, autocommit=True) as admin:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
