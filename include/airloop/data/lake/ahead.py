"""Files read ahead of their reader: several at once, since a store's answer takes its time; in order; bounded in bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from airloop.data.lake.integrity import Bytes
from airloop.data.lake.tables import File

#: At most so many are on their way.
AT_ONCE: Final = 16
#: And so many bytes, but for one file beside the one that is being used, however large they are.
BYTES: Final = 64 << 20


def ahead(files: Iterable[File], read: Callable[[File], Bytes]) -> Iterator[tuple[File, Bytes]]:
    """Each file with its bytes, in the order of the files.

    :param read: is called by several threads at once
    """
    coming, waiting = deque(files), deque[tuple[File, Future[Bytes]]]()
    # Of those that are on their way or wait to be used, and of the one in use.
    held = 0
    pool = ThreadPoolExecutor(AT_ONCE, "lake-ahead")

    def fill() -> None:
        nonlocal held
        while coming and len(waiting) < AT_ONCE:
            if waiting and held + coming[0].size > BYTES:
                return
            file = coming.popleft()
            held += file.size
            waiting.append((file, pool.submit(read, file)))

    try:
        fill()
        while waiting:
            file, future = waiting.popleft()
            content = future.result()
            fill()
            yield file, content
            held -= file.size
            del content, future
    finally:
        # A reader that has enough, or met an error, waits for none that has not begun.
        pool.shutdown(cancel_futures=True)
