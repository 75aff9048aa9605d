"""A process that seals a register's rows (加密进程) while the one that reads checks the next ones.

It is started with pipes to this process alone and ends when they close, so that it never outlives
who started it. Keys and rows go through the pipes: never an argument, the environment or a disk.
"""

from __future__ import annotations

import fcntl
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import polars as pl

from meetings.register.sealed_rows import Lines, RowSealer

# A chunk of rows waits in the pipe while the process is busy with the one before.
PIPE_BYTES = 1 << 20
_ROOT = Path(__file__).resolve().parents[2]


class SealingStopped(Exception):
    """The process that seals is gone; nothing that it was given may be counted on."""


class SealingProcess:
    """Seals chunk after chunk, in their order: each `give` is answered by one `take`.

    `give` waits for nothing; who gives bounds how many are on their way. `take` raises
    SealingStopped.
    """

    def __init__(self, sealer: RowSealer) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            cwd=_ROOT,
            env={**os.environ, "POLARS_MAX_THREADS": "1"},  # one core is the reader's
            process_group=0,  # Ctrl-C is for whoever started it
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # the system allows less, then it is slower
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._into = Connection(os.dup(self._process.stdin.fileno()), readable=False)
        self._out_of = Connection(os.dup(self._process.stdout.fileno()), writable=False)
        self._process.stdin.close()
        self._process.stdout.close()
        self._giver = ThreadPoolExecutor(1, thread_name_prefix="register-give")
        self._is_ready = False
        self._send(sealer)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_ready(self) -> bool:
        """Whether it has started; until then `take` would wait for that."""
        if not self._is_ready and self._out_of.poll():
            self._receive()
            self._is_ready = True
        return self._is_ready

    def give(self, rows: pl.DataFrame) -> None:
        self._giver.submit(self._send, rows)

    def take(self) -> Lines:
        if not self._is_ready:
            self._receive()
            self._is_ready = True
        return Lines(self._receive(), self._receive())

    def _receive(self) -> bytes:
        try:
            return self._out_of.recv_bytes()
        except (EOFError, OSError):
            raise SealingStopped from None

    def _send(self, what: object) -> None:
        try:
            self._into.send_bytes(pickle.dumps(what, protocol=5))
        except OSError:
            raise SealingStopped from None

    def close(self) -> None:
        """End the process at once, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        self._giver.shutdown(cancel_futures=True)
        self._into.close()
        self._out_of.close()


def seal_until_closed(commands: Connection, answers: Connection) -> None:
    """The process's work: it says that it is there, gets a RowSealer first and then rows."""
    try:
        answers.send_bytes(b"ready")
        sealer: RowSealer = commands.recv()
        while True:
            lines = sealer.lines(commands.recv())
            answers.send_bytes(lines.holders)
            answers.send_bytes(lines.holdings)
    except (EOFError, BrokenPipeError):
        return  # whoever started it has what it wanted, or is gone


if __name__ == "__main__":
    seal_until_closed(
        Connection(sys.stdin.fileno(), writable=False),
        Connection(sys.stdout.fileno(), readable=False),
    )
