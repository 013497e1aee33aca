"""A small load generator: keep-alive HTTP/1.1 connections that each send one request after the other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from urllib.parse import urlsplit


@dataclass
class LoadResult:
    """What a load found: the latency of every answer of status 200, in seconds, and what else came back."""

    seconds: float = 0.0
    #: CPU that this process used meanwhile; a service under trial is a part of it.
    cpu: float = 0.0
    latencies: list[float] = field(default_factory=list)
    failures: dict[str, int] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        """How many requests were not answered by a 200."""
        return sum(self.failures.values())

    @property
    def rate(self) -> float:
        """Answers of status 200 per second."""
        return len(self.latencies) / self.seconds if self.seconds else 0.0

    @property
    def stretch(self) -> float:
        """How much longer it took than it computed: 1 on an idle machine, more where others compute too."""
        return max(1.0, self.seconds / self.cpu) if self.cpu else 1.0

    def percentile(self, percent: float) -> float:
        """A latency percentile in milliseconds, by nearest rank; 0 where nothing was answered."""
        if not self.latencies:
            return 0.0
        ordered = sorted(self.latencies)
        return 1_000 * ordered[min(len(ordered) - 1, int(percent / 100 * len(ordered)))]


async def load(
    url: str,
    bodies: Sequence[bytes],
    *,
    clients: int,
    requests: int | None = None,
    seconds: float = 60.0,
    headers: Mapping[str, str] | None = None,
    method: str = "POST",
) -> LoadResult:
    """Send the bodies in turn from ``clients`` connections, until ``requests`` are done or time is up."""
    parts = urlsplit(url)
    lines = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    path = parts.path or "/"
    prepared = [
        f"{method} {path} HTTP/1.1\r\nhost: {parts.netloc}\r\n{lines}content-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n".encode()
        + body
        for body in bodies
    ]
    result, numbers = LoadResult(), count()
    start, computed = time.perf_counter(), time.process_time()
    deadline = start + seconds

    def next_request() -> Iterator[bytes]:
        for number in numbers:
            if (requests is not None and number >= requests) or time.perf_counter() > deadline:
                return
            yield prepared[number % len(prepared)]

    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    await asyncio.gather(*(_client(host, port, next_request(), result) for _ in range(clients)))
    result.seconds = time.perf_counter() - start
    result.cpu = time.process_time() - computed
    return result


async def _client(host: str, port: int, requests: Iterator[bytes], result: LoadResult) -> None:
    reader: asyncio.StreamReader | None = None
    writer: asyncio.StreamWriter | None = None
    for request in requests:
        began = time.perf_counter()
        try:
            if reader is None or writer is None:
                reader, writer = await asyncio.open_connection(host, port)
            writer.write(request)
            status, keep = await _answer(reader)
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            status, keep = type(error).__name__, False
        if status == "200":
            result.latencies.append(time.perf_counter() - began)
        else:
            result.failures[status] = result.failures.get(status, 0) + 1
        if not keep and writer is not None:
            writer.close()
            reader = writer = None
    if writer is not None:
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> tuple[str, bool]:
    """One response's status, and whether the connection stays open."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = head.split(b" ", 2)[1].decode()
    _, found, rest = head.partition(b"content-length: ")
    await reader.readexactly(int(rest.split(b"\r\n", 1)[0]) if found else 0)
    return status, b"connection: close" not in head
