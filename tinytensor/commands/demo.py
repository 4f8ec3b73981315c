"""Open a page on which you draw digits that a network reads.

The page is served to this machine only, on 127.0.0.1. Ctrl-C ends it. MODEL may name files of your own; the
page can load others.
"""

import os
import socket
import webbrowser
from typing import Any

import click

import tinytensor as tt
from tinytensor.commands.arguments import ModelName, command_of, load_model
from tinytensor.errors import require

__all__ = ["command"]

ADDRESS = "127.0.0.1"
LARGEST_PORT = 65_535


@command_of("demo", __doc__)
@click.argument("models", metavar="[MODEL...]", nargs=-1, type=ModelName())
@click.option(
    "--port", metavar="N", type=click.IntRange(0, LARGEST_PORT), default=0, help="Default: a free one."
)
@click.option("--no-browser", is_flag=True, help="Print the address and open nothing.")
def command(models: tuple[str, ...], port: int, no_browser: bool) -> None:
    """Bind first, so that the address is right, then serve."""
    uvicorn = require("uvicorn", "demo")
    require("starlette", "demo")
    from tinytensor.serve.app import application

    app = application(shown(models))
    # asyncio turns Nagle's algorithm off only where the protocol is given; with it an answer took 40 ms
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        if os.name == "posix":  # elsewhere two programs could then share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((ADDRESS, port))
        except OSError as error:
            raise tt.ArgumentError(f"port {port}: {error.strerror}; --port 0 takes a free one") from error
        listener.listen()
        url = f"http://{ADDRESS}:{listener.getsockname()[1]}/"
        print(f"{url}  (Ctrl-C ends it)", flush=True)
        if not no_browser:
            webbrowser.open(url)
        uvicorn.Server(uvicorn.Config(app, log_level="error", server_header=False)).run(sockets=[listener])


def shown(models: tuple[str, ...]) -> dict[str, Any]:
    """The user's models, then the packaged ones, by name."""
    named = {os.path.basename(path) or path: load_model(path) for path in models}
    return named | {name: getattr(tt.models, name)() for name in tt.models.__all__}
