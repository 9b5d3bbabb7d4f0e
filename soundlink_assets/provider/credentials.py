"""The API key on its way: sent in exactly one header, removed from what the provider echoes."""

from collections.abc import Generator

import httpx
from pydantic import SecretStr

from soundlink_assets.settings import AuthStyle

REDACTED = "sk_***"


def other_style(style: AuthStyle) -> AuthStyle:
    """The style to try when the provider does not know the key in this one."""
    return AuthStyle.BEARER if style is AuthStyle.X_API_KEY else AuthStyle.X_API_KEY


class KeyHeader(httpx.Auth):
    """Puts the key into its one header while a request is being sent, and takes it out again.

    So an httpx error or response that outlives the request does not hold the key: httpx hides
    `authorization` in the repr of headers, but not `x-api-key`.
    """

    def __init__(self, key: SecretStr, style: AuthStyle) -> None:
        self._key = key
        self._style = style

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sends the request once, with the header."""
        secret = self._key.get_secret_value()
        if self._style is AuthStyle.X_API_KEY:
            name, value = "x-api-key", secret
        else:
            name, value = "Authorization", f"Bearer {secret}"
        request.headers[name] = value
        try:
            yield request
        finally:
            del request.headers[name]


def redact(text: str, key: SecretStr) -> str:
    """The text with the key replaced, for what the provider may echo."""
    return text.replace(key.get_secret_value(), REDACTED)
