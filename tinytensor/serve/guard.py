"""What every request must satisfy, and what every answer says to the browser."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from tinytensor.errors import ArgumentError

__all__ = ["Guard", "TooLarge", "body_of"]

Message = MutableMapping[str, Any]
App = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]

HOSTS = ("127.0.0.1", "localhost")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]


class TooLarge(ArgumentError):
    """A body has more bytes than the request may have."""


class Guard:
    """Refuses requests of other pages, and those under another name than this machine's own.

    A page elsewhere can make a browser send requests to 127.0.0.1, and, once its name resolves to 127.0.0.1,
    read the answers. The first has a foreign Origin, the second a foreign Host.
    """

    def __init__(self, app: App):
        self.app = app

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        """Pass a request on, or answer 403."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *HEADERS]
            await send(message)

        reason = refused(scope["headers"])
        if reason is None:
            await self.app(scope, receive, send_with_headers)
            return
        plain = [(b"content-type", b"text/plain; charset=utf-8")]
        await send_with_headers({"type": "http.response.start", "status": 403, "headers": plain})
        await send({"type": "http.response.body", "body": reason.encode()})


def refused(headers: list[tuple[bytes, bytes]]) -> str | None:
    """Why a request is refused, if it is.

    >>> refused([(b"host", b"127.0.0.1:8000"), (b"origin", b"http://127.0.0.1:8000")])
    >>> refused([(b"host", b"example.org")])
    'expected 127.0.0.1 or localhost as the host'
    """
    values: dict[bytes, list[str]] = {}
    for name, value in headers:
        values.setdefault(name, []).append(value.decode("latin-1"))
    hosts = values.get(b"host", [])
    if len(hosts) != 1 or hosts[0].partition(":")[0] not in HOSTS:
        return "expected 127.0.0.1 or localhost as the host"
    if any(origin != f"http://{hosts[0]}" for origin in values.get(b"origin", [])):
        return "expected a request of this page's own"
    if any(site not in ("same-origin", "none") for site in values.get(b"sec-fetch-site", [])):
        return "expected a request of this page's own"
    return None


async def body_of(request: Any, most: int) -> bytes:
    """The body of a request, read until it is longer than it may be.

    Raises:
        TooLarge: it has more than `most` bytes.
    """
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise TooLarge(f"expected at most {most:,} bytes")
        parts.append(part)
    return b"".join(parts)
