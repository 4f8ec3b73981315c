"""Bytes from a web server: patient for seconds, not for minutes."""

import io
import threading
import time
from typing import Any
from urllib.parse import urlsplit

from tinytensor.errors import DatasetError, require

__all__ = ["transfer"]

PATIENCE = 5.0  # seconds for the next CHUNK: a server slower than that is no server
CHUNK = 16 << 10
MAX_BYTES = 64 << 20


class Arrivals(io.BytesIO):
    """What has come of a download, and when the last of it came."""

    latest = 0.0

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        self.latest = time.monotonic()
        if self.tell() + len(data) > MAX_BYTES:
            raise OSError(f"more than {MAX_BYTES >> 20} MiB")
        return super().write(data)


def transfer(url: str) -> io.BytesIO:
    """The content at `url`, in memory.

    Raises:
        MissingExtra: pooch is not installed.
        DatasetError: the server cannot be reached, refuses, breaks off, or is silent for five seconds.
    """
    host = urlsplit(url).hostname
    require("requests", extra="data")  # pooch would import it on the server's time: seconds on a cold disk
    arrivals = Arrivals()
    failures: list[Exception] = []
    responses: list[Any] = []
    download = require("pooch", extra="data").HTTPDownloader(
        timeout=PATIENCE,
        chunk_size=CHUNK,
        hooks={"response": lambda response, **_: responses.append(response)},
    )

    def work() -> None:
        try:
            download(url, arrivals, None)
        except Exception as error:
            failures.append(error)
        finally:
            for response in responses:  # pooch leaves that of a failed download open
                response.close()

    # The library's own time limits leave out looking up a name, which can take a minute where a network
    # swallows packets. A daemon thread does not hold up the end of the program.
    thread = threading.Thread(target=work, daemon=True)
    arrivals.latest = time.monotonic()
    thread.start()
    while thread.is_alive():
        thread.join(0.05)
        if time.monotonic() - arrivals.latest > PATIENCE:
            raise DatasetError(f"{host}: silent for {PATIENCE:g} s")
    for error in failures:
        status = getattr(getattr(error, "response", None), "status_code", None)
        raise DatasetError(f"{host}: {f'HTTP {status}' if status else type(error).__name__}") from error
    arrivals.seek(0)
    return arrivals
