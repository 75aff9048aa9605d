"""Work in parts over the processors of a machine, with results in the order of the parts."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from types import TracebackType
from typing import Any, TypeVar

Result = TypeVar("Result")
WAITING = 2  # parts that wait for each process, so that memory does not grow with their number
MOST = 4  # processes, unless more are asked for


class Crew:
    """So many processes; with fewer than two the caller does the work itself."""

    def __init__(self, processes: int | None = None) -> None:
        self._processes = min(MOST, os.cpu_count() or 1) if processes is None else processes
        self._pool: ProcessPoolExecutor | None = None
        if self._processes > 1:
            self._pool = ProcessPoolExecutor(self._processes, mp_context=get_context("spawn"))

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def each(self, do: Callable[..., Result], parts: Iterable[tuple[Any, ...]]) -> Iterator[Result]:
        """What `do` makes of each part's arguments; parts are taken as they are needed."""
        if self._pool is None:
            for part in parts:
                yield do(*part)
            return
        under_way: deque[Future[Result]] = deque()
        for part in parts:
            under_way.append(self._pool.submit(do, *part))
            if len(under_way) > WAITING * self._processes:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
