"""A loopback server that sends exactly the bytes it is told, also what is no HTTP at all."""

import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

Answer = bytes | Callable[[socket.socket], None]
"""What is sent for one request: bytes, or a function that uses the connection as it likes."""


@dataclass(frozen=True)
class Asked:
    """A request as it came over the wire; header names in lower case, in order, repeats kept."""

    path: str
    query: str
    headers: tuple[tuple[str, str], ...]

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)

    def names(self) -> list[str]:
        return [name for name, _ in self.headers]


@dataclass
class RawServer:
    """Answers by path, each list in order, its last answer for ever; `""` is any other path."""

    base_url: str
    answers: dict[str, list[Answer]]
    asked: list[Asked] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    closing: threading.Event = field(default_factory=threading.Event)

    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]

    def take(self, asked: Asked) -> Answer:
        with self.lock:
            self.asked.append(asked)
            queue = self.answers.get(asked.path) or self.answers[""]
            return queue.pop(0) if len(queue) > 1 else queue[0]


def http(  # noqa: PLR0913 - one keyword for each part of an answer
    body: bytes = b"",
    *,
    status: int = 200,
    content_type: str | None = "application/x-ndjson",
    headers: Mapping[str, str] | None = None,
    rows: int | None = None,
    length: int | None = None,
) -> bytes:
    """An HTTP/1.1 answer; `length` other than the body's announces more than is sent."""
    stated = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status} X", "Connection: close", f"Content-Length: {stated}"]
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    if rows is not None:
        lines.append(f"X-Row-Count: {rows}")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunked(body: bytes, *, rows: int, cut_at: int | None = None) -> bytes:
    """The body as one HTTP chunk, cut off after `cut_at` bytes of it."""
    head = (
        "HTTP/1.1 200 X\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
        f"Content-Type: application/x-ndjson\r\nX-Row-Count: {rows}\r\n\r\n{len(body):x}\r\n"
    ).encode()
    return head + (body + b"\r\n0\r\n\r\n" if cut_at is None else body[:cut_at])


def reset(connection: socket.socket) -> None:
    """Resets the connection instead of answering."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@contextmanager
def raw_server(
    *answers: Answer, by_path: Mapping[str, list[Answer]] | None = None
) -> Iterator[RawServer]:
    """Serves the answers in order, the last one for ever. Every answer ends its connection."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            connection: socket.socket = self.request
            asked = _read_request(connection)
            if asked is None:
                return
            answer = server.take(asked)
            try:
                if callable(answer):
                    answer(connection)
                else:
                    connection.sendall(answer)
            except OSError:
                return

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False
        request_queue_size = 64

    with Server(("127.0.0.1", 0), Handler) as listener:
        server = RawServer(
            base_url=f"http://127.0.0.1:{listener.server_address[1]}",
            answers={**(by_path or {}), "": list(answers)},
        )
        thread = threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            listener.shutdown()
            thread.join()


def _read_request(connection: socket.socket) -> Asked | None:
    head = b""
    while b"\r\n\r\n" not in head:
        try:
            received = connection.recv(65536)
        except OSError:
            return None
        if not received:
            return None
        head += received
    first, *rest = head.decode().split("\r\n\r\n")[0].split("\r\n")
    path, _, query = first.split(" ")[1].partition("?")
    pairs = (line.split(": ", 1) for line in rest)
    return Asked(path, query, tuple((name.lower(), value) for name, value in pairs))
