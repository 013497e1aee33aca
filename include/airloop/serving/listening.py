"""The listening socket is the worker's own: while no worker answers, connections are refused at once.

BentoML's supervisor opens the socket and listens on it, and its worker inherits that: between a worker's death and its
successor, and while one imports its libraries, the kernel takes connections that nobody reads. So the supervisor only
keeps the port, and the worker listens on a socket of its own, which ends with it.

Several workers do so side by side, by SO_REUSEPORT: the kernel shares new connections out among those that listen, and
one that is gone gets none. Of one socket for all it would be whoever wakes first that takes a whole crowd.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence

#: How often the supervisor looks whether its worker lives: 10 s by BentoML's own choice.
LOOK_SECONDS = 0.5


def keep_port(*, shared: bool = False) -> None:
    """Let this process, the supervisor, bind the port without listening on it, and look after its workers often.

    :param shared: several workers will listen on it
    """
    from functools import partial

    from bentoml._internal.utils import circus
    from circus.sockets import CircusSocket

    CircusSocket.listen = lambda *_: None
    if shared:
        CircusSocket.bind = _bind_shared
    circus.create_standalone_arbiter = partial(
        circus.create_standalone_arbiter, check_delay=LOOK_SECONDS
    )


def _bind_shared(kept: socket.socket, address: tuple[str, int]) -> None:
    """Bind for several, unless another service listens there: of the same user's it would else take its connections."""
    with socket.socket(kept.family, socket.SOCK_STREAM) as alone:
        alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        alone.bind(address)
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    socket.socket.bind(kept, address)


def open_own(argv: Sequence[str] = sys.argv, *, shared: bool = False) -> None:
    """Put a socket of this worker's own, bound to the same address, where BentoML put the supervisor's.

    Whoever serves it listens on it, when it is ready to answer.

    :param shared: other workers listen there, too
    """
    inherited = int(argv[argv.index("--fd") + 1])
    with socket.socket(fileno=os.dup(inherited)) as kept:
        address, family = kept.getsockname(), kept.family
    with socket.socket(family, socket.SOCK_STREAM) as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        own.bind(address)
        os.dup2(own.fileno(), inherited, inheritable=False)
