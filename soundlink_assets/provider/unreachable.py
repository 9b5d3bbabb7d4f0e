"""What to do when no answer came: worded by what failed, and by whether a proxy is in between.

Only words; whether a request is tried again is decided by the class of the error.
"""

import socket
import ssl
from collections.abc import Iterator
from urllib.request import getproxies, proxy_bypass

import httpx

from soundlink_assets.settings import SettingsError

PROXY_VARIABLES = "HTTPS_PROXY or ALL_PROXY"
_ANY_PROXY_VARIABLE = "HTTPS_PROXY, ALL_PROXY or HTTP_PROXY"

_TLS: tuple[tuple[type[BaseException], str], ...] = (
    (
        ssl.SSLCertVerificationError,
        (
            "The certificate of {host} is not trusted here. If something on the way inspects TLS, "
            "set SSL_CERT_FILE to the file with its certificate."
        ),
    ),
    (
        ssl.SSLError,
        (
            "What answers at {host} does not speak TLS: check SOUNDLINK_BASE_URL, and what lies in "
            "between."
        ),
    ),
)

_DIRECT: tuple[tuple[type[BaseException], str], ...] = (
    *_TLS,
    (
        socket.gaierror,
        "The name {host} is not known here: check SOUNDLINK_BASE_URL, the network, DNS.",
    ),
    (
        ConnectionRefusedError,
        "Nothing answers at {url}: check SOUNDLINK_BASE_URL and the network.",
    ),
    (
        httpx.TimeoutException,
        (
            "Check the network and the provider's status; SOUNDLINK_TIMEOUT_SECONDS is how long an "
            "answer is waited for."
        ),
    ),
    (Exception, "Check the network and the provider's status, then run again."),
)

_PROXIED: tuple[tuple[type[BaseException], str], ...] = (
    *_TLS,
    (
        Exception,
        (
            f"Requests go through the proxy in {PROXY_VARIABLES}: check it, or put {{host}} into "
            "NO_PROXY."
        ),
    ),
)


def advice(error: Exception, base_url: httpx.URL, *, behind_proxy: bool) -> str:
    """What to do about a connection that failed; never holds the address of a proxy."""
    causes = tuple(_chain(error))
    texts = (
        text
        for kind, text in (_PROXIED if behind_proxy else _DIRECT)
        if any(isinstance(cause, kind) for cause in causes)
    )
    return next(texts).format(host=base_url.host, url=base_url)


def unusable_environment(error: Exception) -> SettingsError:
    """The error for variables that httpx reads and cannot use.

    Repeats nothing that httpx says of a proxy: that may be a part of its password.
    """
    if isinstance(error, OSError):
        return SettingsError(
            f"SSL_CERT_FILE or SSL_CERT_DIR cannot be used ({error.strerror or error}): set it to "
            "a file or folder with certificates, or unset it."
        )
    if isinstance(error, ImportError):
        return SettingsError(
            f"The proxy in {_ANY_PROXY_VARIABLE} is a SOCKS proxy, which needs a package that is "
            "not installed (socksio): install it, give the URL of an HTTP proxy such as "
            "http://proxy.example:3128, or unset it."
        )
    return SettingsError(
        f"The proxy in {_ANY_PROXY_VARIABLE}, or an entry of NO_PROXY, cannot be used: give a URL "
        "such as http://proxy.example:3128, in a password %2F for a slash and so on, or unset it."
    )


def is_behind_proxy(base_url: httpx.URL) -> bool:
    """Whether the environment sends requests to that address through a proxy."""
    proxies = getproxies()
    chosen = proxies.get(base_url.scheme) or proxies.get("all")
    return bool(chosen) and not proxy_bypass(base_url.host)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
