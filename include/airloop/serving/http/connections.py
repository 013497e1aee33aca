"""A connection of the service: how long it may keep the service waiting, how large its headers are, and what is not begun.

Uvicorn bounds none of it. A header that never ends would hold a descriptor for ever, and who holds all of them has
taken down the service and its probes, without a token.
"""

from __future__ import annotations

import asyncio
import logging
import resource
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from airloop.serving.http.crowd import CROWD, MOST
from airloop.serving.http.middleware import new_request_id, request_id_of
from airloop.serving.http.refusals import Refusals, answer, is_whole
from airloop.serving.runtime.admission import Admission

log = logging.getLogger("airloop.serving")

HEADER_BYTES, HEADER_LINES = 32_768, 100
#: Descriptors kept back: for the loop's own files, and for those that the kernel hands over before any can be closed.
KEPT_BACK: Final = 2560
_BUSY = "more requests than can be answered in time"


class _Refused:
    """What stands for a request that is not answered by the application: its body is passed over."""

    response_complete, disconnected, keep_alive = True, False, False
    message_event = asyncio.Event()


_REFUSED = _Refused()
#: Of this process, as the crowd is.
_REFUSALS = Refusals()


class Connection(HttpToolsProtocol):
    """One connection, within the crowd's bounds."""

    host = ""
    #: Status and words of what is refused before there is a request.
    _fault = (HTTPStatus.BAD_REQUEST, "the request is no HTTP")
    #: Bytes of a request besides its body's, where they came in pieces of their own; its body's; requests begun.
    _fed = _body = _messages = 0
    #: Between a request's first byte and its header's end; what comes outside is an answered request's body.
    _in_header = False
    #: What comes next is a request's first byte.
    _clean = True
    #: Nothing of another request has come since the last one's answer.
    _idle = True
    #: A request is refused, and not told yet; whether the connection lives on then.
    _held = False
    _keep = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Join the crowd."""
        super().connection_made(transport)
        self.host = self.client[0] if self.client else ""
        CROWD.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave it."""
        CROWD.leave(self)
        self._held = False
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse; a header that goes on and on is refused before it is kept."""
        if self.transport.is_closing() or (self._clean and self._refuse_whole(data)):
            return
        before, body = self._messages, self._body
        super().data_received(data)
        if self._messages == before:
            self._fed += len(data) - (self._body - body)
            self._refuse_framing()

    def _refuse_framing(self) -> None:
        """A header that is too large is told; what comes around a body, its chunks' and its trailers' lines, is cut off."""
        if self._in_header:
            if self._fed > HEADER_BYTES:
                self._fault = _TOO_LARGE
                self.send_400_response("")
        elif self._fed > 2 * HEADER_BYTES + 8 * self._body:
            self.transport.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header's line; a trailer's is nobody's: it came too late to be one, and there may be millions."""
        if self._in_header:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """Count."""
        self._body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request's last byte."""
        self._clean = True
        super().on_message_complete()

    def on_message_begin(self) -> None:
        """A request's first byte: its header's time begins."""
        self._messages += 1
        self._fed = self._body = 0
        self._idle, self._clean, self._in_header = False, False, True
        CROWD.wait(self)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Begin the request, where its header is of a sound size and it can be answered in time."""
        self._in_header = False
        if self._held:
            raise ValueError("another request came while one was held")
        CROWD.work(self)
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > HEADER_BYTES or len(self.headers) > HEADER_LINES:
            self._fault = _TOO_LARGE
            raise ValueError("the header is too large")
        # One that was sent before the answer to the one before it is let in, or not, when its turn comes.
        first = self.cycle is None or self.cycle.response_complete
        admission = CROWD.gate(self.url) if first else None
        if admission is not None and admission.refusing:
            # It is not begun.
            self.cycle = _REFUSED  # type: ignore[assignment]
            self._hold(keep=self.parser.should_keep_alive())
            return
        super().on_headers_complete()
        if admission is not None:
            admission.promised += 1
            self.scope["airloop.admission"] = admission  # type: ignore[typeddict-unknown-key]

    def on_response_complete(self) -> None:
        """Wait for the connection's next request."""
        super().on_response_complete()
        # Of requests sent one upon the other the last has left the pipeline when it begins to be answered.
        done = not self.pipeline and self.cycle.response_complete
        if done and not self.transport.is_closing():
            self._idle = True
            CROWD.wait(self)

    def send_400_response(self, _: str) -> None:
        """Refuse what is no request, and end the connection."""
        if not self.transport.is_closing():
            self._write(*self._fault, close=True)

    def give_up(self) -> None:
        """End the connection for being slow; who began a header is told, who does not read to the end is cut off."""
        if self.transport.is_closing():
            self.transport.abort()
        elif (
            self._messages
            and (self.cycle is None or self.cycle.response_complete)
            and not self._idle
        ):
            self._write(HTTPStatus.REQUEST_TIMEOUT, "the header did not arrive in time", close=True)
        else:
            self.transport.abort()

    def _refuse_whole(self, data: bytes) -> bool:
        """Refuse a prediction that came in one piece without parsing it: that costs more than all the rest.

        :returns: whether that was done; whatever is not plain takes the way of all
        """
        if self._held:
            self.send_400_response("")
            return True
        if (self.cycle is not None and not self.cycle.response_complete) or data[:6] != b"POST /":
            return False
        admission = CROWD.gate(data[5 : data.find(b" ", 5)])
        if admission is None or not admission.refusing or not is_whole(data):
            return False
        self._unset_keepalive_if_required()
        self.headers = []
        self._hold(keep=True)
        return True

    def _hold(self, *, keep: bool) -> None:
        """Refuse a prediction in a moment; till then it is among those that are waited for, as the newest."""
        self._held, self._keep = True, keep
        CROWD.wait(self)
        _REFUSALS.hold(self)

    def release(self) -> None:
        """Tell that the request is refused."""
        if not self._held:
            return
        self._held = False
        if not self.transport.is_closing():
            self._idle = self._keep
            self._write(HTTPStatus.SERVICE_UNAVAILABLE, _BUSY, close=not self._keep)

    def _write(self, status: HTTPStatus, what: str, *, close: bool) -> None:
        name = request_id_of(dict(self.headers)) if self.headers else new_request_id()
        self.transport.write(answer(status, what, name, close=close))
        if close:
            self.transport.close()


_TOO_LARGE = (
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    f"the header is larger than {HEADER_BYTES} bytes or {HEADER_LINES} lines",
)


def put_in_place(gate: Callable[[bytes], Admission | None]) -> None:
    """Let Uvicorn make these connections, as many as the process's descriptors bear.

    :param gate: which endpoint's admission a request needs
    """
    from uvicorn import config

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if hard != resource.RLIM_INFINITY else MOST + KEPT_BACK
    soft = max(soft, min(wanted, MOST + KEPT_BACK))
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    CROWD.most = max(64, min(MOST, soft - KEPT_BACK, MOST))
    CROWD.of_one = max(32, CROWD.most // 2)
    CROWD.gate = gate
    config.HTTP_PROTOCOLS["auto"] = f"{__name__}:Connection"
    # There is nothing to upgrade to.
    config.WS_PROTOCOLS["auto"] = None
    log.info("at most %d connections, %d of one client", CROWD.most, CROWD.of_one)
    if soft < MOST + KEPT_BACK:
        log.warning(
            "the process may open %d files, of which %d are kept back: %d connections are few for a crowd; "
            "raise its limit of open files (ulimit -Hn) to 8192",
            soft,
            KEPT_BACK,
            CROWD.most,
        )
