"""Ports of this machine that are free, or closed for sure."""

import socket

_held: list[socket.socket] = []


def closed_port() -> int:
    """A port at which nobody answers, and that nobody else is given while this process lives."""
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    _held.append(held)
    return int(held.getsockname()[1])


def free_port() -> int:
    """A port for a process to be started that cannot choose one itself."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
