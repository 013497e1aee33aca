"""The load generator counts what was not answered by a 200, whatever it was instead."""

from __future__ import annotations

import asyncio

import pytest

from airloop.delivery.load import LoadResult, load


def run(answers: list[bytes], requests: int) -> LoadResult:
    """The generator against a real server that gives these answers in turn; an empty one closes the connection."""

    async def scenario() -> LoadResult:
        left = list(answers)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while True:
                    await reader.readuntil(b"\r\n\r\n")
                    await reader.readexactly(2)
                    answer = left.pop(0) if left else GOOD
                    if not answer:
                        break
                    writer.write(answer)
                    await writer.drain()
            except asyncio.IncompleteReadError:
                pass  # the generator is done
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            url = f"http://127.0.0.1:{port}/predict"
            return await load(url, [b"{}"], clients=1, requests=requests, seconds=20)

    return asyncio.run(scenario())


def answer(status: int) -> bytes:
    return f"HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\n{{}}".encode()


GOOD = answer(200)


def test_every_answer_of_200_is_a_latency():
    result = run([], 5)
    assert (len(result.latencies), result.failed) == (5, 0)
    assert result.percentile(99) > 0


@pytest.mark.parametrize("status", [201, 401, 422, 500, 503])
def test_any_other_status_is_a_failure_and_no_latency(status: int):
    result = run([GOOD, answer(status), GOOD, answer(status)], 5)
    assert (len(result.latencies), result.failed) == (3, 2)
    assert result.failures == {str(status): 2}


def test_a_connection_that_is_cut_is_a_failure_and_the_rest_is_asked_on_another():
    result = run([GOOD, b"", GOOD], 4)
    assert (len(result.latencies), result.failed) == (3, 1)


def test_where_nobody_answers_everything_failed():
    result = asyncio.run(load("http://127.0.0.1:1/", [b"{}"], clients=2, requests=6))
    assert (len(result.latencies), result.failed) == (0, 6)
    assert (result.rate, result.percentile(99)) == (0.0, 0.0)
