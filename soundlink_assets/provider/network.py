"""The connections below HTTP: deadlines and stops on every read, proxies, and advice on failures.

The HTTP library bounds the silence between two reads and not the whole: a header, an error body or
a list that drips in byte by byte would hang for ever. So every read passes through here. What is
sent and what a response means is for `transport` and `responses`.
"""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.request import getproxies, proxy_bypass
from weakref import WeakSet

import httpcore
import httpx
from typing_extensions import override

from soundlink_assets.provider.retries import Deadline, check_stop
from soundlink_assets.settings import SettingProblem, SettingsError, is_loopback

_ANY_PROXY_VARIABLE = "HTTPS_PROXY, ALL_PROXY or HTTP_PROXY"


class _Current(threading.local):
    """What each thread is reading: the deadline of its request."""

    deadline: Deadline | None = None


class Network(httpcore.NetworkBackend):
    """Opens connections whose reads end at the deadline of the thread that reads.

    `close` ends all of them, also while another thread reads.
    """

    def __init__(self) -> None:
        self._inner = httpcore.SyncBackend()
        self.current = _Current()
        self._lock = threading.Lock()
        self._streams: WeakSet[_Stream] = WeakSet()
        self._is_closed = False

    @override
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        return self.watch(
            self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        )

    def watch(self, inner: httpcore.NetworkStream) -> httpcore.NetworkStream:
        """The stream, bound by deadlines and ended by `close`."""
        stream = _Stream(inner, self)
        with self._lock:
            self._streams.add(stream)
            is_too_late = self._is_closed
        if is_too_late:
            stream.shut()
        return stream

    def close(self) -> None:
        """End all connections: who reads from them gets an error."""
        with self._lock:
            self._is_closed = True
            streams = list(self._streams)
        for stream in streams:
            stream.shut()


class _Stream(httpcore.NetworkStream):
    """A connection whose reads end at the deadline."""

    def __init__(self, inner: httpcore.NetworkStream, network: Network) -> None:
        self._inner = inner
        self._network = network

    @override
    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        deadline = self._network.current.deadline
        if deadline is not None:
            check_stop(deadline.stop)
            if deadline.left <= 0:
                raise httpcore.ReadTimeout("the deadline has passed")
            timeout = deadline.left if timeout is None else min(timeout, deadline.left)
        return self._inner.read(max_bytes, timeout)

    @override
    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, timeout)

    @override
    def close(self) -> None:
        self._inner.close()

    @override
    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        return self._network.watch(self._inner.start_tls(ssl_context, server_hostname, timeout))

    @override
    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    def shut(self) -> None:
        """End the connection from another thread: unlike a close, this wakes who reads from it."""
        with contextlib.suppress(OSError):
            self._inner.get_extra_info("socket").shutdown(socket.SHUT_RDWR)


def http_transport(network: Network, base_url: httpx.URL, connections: int) -> httpx.HTTPTransport:
    """A transport whose connections come from `network`, through the environment's proxy if any.

    Raises SettingsError for variables that cannot be used.
    """
    try:
        transport = httpx.HTTPTransport(
            verify=httpx.create_ssl_context(trust_env=True),
            proxy=proxy_of(base_url),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            trust_env=False,
        )
    except (OSError, ValueError, ImportError, httpx.InvalidURL) as error:
        raise _unusable_environment(error) from None
    # httpcore takes a network backend, httpx does not hand one on.
    pool: Any = transport._pool  # noqa: SLF001
    pool._network_backend = network  # noqa: SLF001
    return transport


def proxy_of(base_url: httpx.URL) -> str | None:
    """The proxy from the environment for requests to that address, if they go through one.

    Chosen here and not by the HTTP library, which fails on entries of NO_PROXY that are networks
    or bracketed addresses. A proxy cannot reach this machine's own loopback.
    """
    proxies = getproxies()
    chosen = proxies.get(base_url.scheme) or proxies.get("all")
    host = base_url.netloc.decode("ascii")
    if not chosen or is_loopback(base_url.host) or proxy_bypass(host):
        return None
    return chosen if "://" in chosen else f"http://{chosen}"


def advice(error: Exception, base_url: httpx.URL) -> str:
    """What to do about a connection that failed; never holds the address of a proxy."""
    causes = tuple(_chain(error))
    texts = (
        text
        for kind, text in (_PROXIED if proxy_of(base_url) else _DIRECT).items()
        if any(isinstance(cause, kind) for cause in causes)
    )
    return next(texts).format(host=base_url.host, url=base_url)


_TLS: dict[type[BaseException], str] = {
    ssl.SSLCertVerificationError: (
        "The certificate of {host} is not trusted here. If something on the way inspects TLS, set "
        "SSL_CERT_FILE to the file with its certificate."
    ),
    ssl.SSLError: (
        "What responds at {host} does not speak TLS: check SOUNDLINK_BASE_URL, and what lies in "
        "between."
    ),
}
_DIRECT: dict[type[BaseException], str] = {
    **_TLS,
    socket.gaierror: (
        "The name {host} is not known here: check SOUNDLINK_BASE_URL, the network, DNS."
    ),
    ConnectionRefusedError: "Nothing listens at {url}: check SOUNDLINK_BASE_URL and the network.",
    httpx.TimeoutException: (
        "Check the network and the provider's status; SOUNDLINK_TIMEOUT_SECONDS is how long a "
        "response is waited for."
    ),
    Exception: "Check the network and the provider's status, then run again.",
}
_PROXIED: dict[type[BaseException], str] = {
    **_TLS,
    Exception: (
        "Requests go through the proxy in HTTPS_PROXY or ALL_PROXY: check it, or put {host} into "
        "NO_PROXY."
    ),
}


def _unusable_environment(error: Exception) -> SettingsError:
    """The error for variables that cannot be used.

    Repeats nothing that the HTTP library says of a proxy: that may be a part of its password.
    """
    if isinstance(error, OSError):
        problem = SettingProblem(
            "SSL_CERT_FILE or SSL_CERT_DIR",
            f"it cannot be used ({error.strerror or error})",
            allowed="a file or folder with certificates; or unset it",
        )
    elif isinstance(error, ImportError):
        problem = SettingProblem(
            _ANY_PROXY_VARIABLE,
            "it is a SOCKS proxy, which needs a package that is not installed (socksio)",
            allowed="an HTTP proxy such as http://proxy.example:3128; or unset it",
        )
    else:
        problem = SettingProblem(
            _ANY_PROXY_VARIABLE,
            "the proxy cannot be used",
            allowed="a URL such as http://proxy.example:3128, in a password %2F for a slash and so "
            "on; or unset it",
        )
    return SettingsError(problem)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
