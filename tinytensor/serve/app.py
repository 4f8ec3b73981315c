"""The web application of `tinytensor demo` (Starlette, extra `demo`)."""

import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import tinytensor as tt
from tinytensor.serve.guard import Guard, TooLarge, body_of
from tinytensor.serve.reader import SIDE, Reader

__all__ = ["application"]

FOLDER = Path(__file__).parent
FILES = {
    "/": ("page.html", "text/html"),
    "/page.js": ("page.js", "text/javascript"),
    "/page.css": ("page.css", "text/css"),
}
MOST_MODEL_BYTES = 64 << 20
MOST_MODELS = 8  # that users load
BYTES = "application/octet-stream"

Handler = Callable[[Request], Awaitable[Response]]


def application(models: dict[str, Any]) -> Starlette:
    """The application for models by name, of which the first is shown at first.

    >>> application({"mnist_mlp": tt.models.mnist_mlp()}).state.readers.keys()
    dict_keys(['mnist_mlp'])
    """
    files = [Route(path, file(*found)) for path, found in FILES.items()]
    routes = [
        *files,
        Route("/api/models", listed, methods=["GET"]),
        Route("/api/sample", sample, methods=["GET"]),
        Route("/api/read", answered(read), methods=["POST"]),
        Route("/api/explain", answered(explain), methods=["POST"]),
        Route("/api/load", answered(load), methods=["POST"]),
    ]
    app = Starlette(routes=routes, middleware=[Middleware(Guard)])
    app.state.readers = {name: Reader(model) for name, model in models.items()}
    app.state.packaged = len(models)
    return app


def file(name: str, kind: str) -> Handler:
    """A handler that gives one file of the page."""
    content = (FOLDER / name).read_bytes()

    async def give(request: Request) -> Response:
        return Response(content, media_type=kind)

    return give


def answered(handler: Handler) -> Handler:
    """A handler that takes bytes only, and whose errors are the answer."""

    async def answer(request: Request) -> Response:
        if request.headers.get("content-type") != BYTES:
            return JSONResponse({"error": f"expected the content type {BYTES}"}, 415)
        try:
            return await handler(request)
        except TooLarge as error:
            return JSONResponse({"error": str(error)}, 413, {"connection": "close"})
        except tt.TinyTensorError as error:
            return JSONResponse({"error": str(error)}, 400)
        except ClientDisconnect:
            return Response(status_code=400)

    return answer


async def listed(request: Request) -> Response:
    """The names of the models."""
    return JSONResponse({"models": list(request.app.state.readers)})


async def sample(request: Request) -> Response:
    """A digit of the embedded sample, by number."""
    number = request.query_params.get("number", "0")
    images, labels = tt.datasets.mnist("sample")
    if not (number.isascii() and number.isdigit() and len(number) <= 4 and int(number) < len(images)):
        return JSONResponse({"error": f"expected a number from 0 to {len(images) - 1}"}, 400)
    return JSONResponse({"pixels": images[int(number)].ravel().tolist(), "label": int(labels[int(number)])})


def reader_of(request: Request) -> Reader:
    """The model that a request names."""
    readers: dict[str, Reader] = request.app.state.readers
    name = request.query_params.get("model", next(iter(readers)))
    if name not in readers:
        raise tt.ArgumentError(f"no model {name!r:.80}; there are {', '.join(readers)}")
    return readers[name]


async def drawing_of(request: Request) -> Any:
    """The drawing in the body of a request: a byte a pixel, row by row."""
    body = await body_of(request, SIDE * SIDE)
    if len(body) != SIDE * SIDE:
        raise tt.ArgumentError(f"expected {SIDE} × {SIDE} bytes, got {len(body)}")
    return np.frombuffer(body, np.uint8).reshape(SIDE, SIDE)


async def read(request: Request) -> Response:
    """What a model makes of a drawing."""
    reader = reader_of(request)
    return JSONResponse(reader.read(await drawing_of(request)))


async def explain(request: Request) -> Response:
    """The formula of one layer with the numbers of a drawing."""
    unit = request.query_params.get("unit")
    if unit is not None and not (unit.isascii() and unit.isdigit() and len(unit) <= 9):
        raise tt.ArgumentError("unit: expected a number")
    reader = reader_of(request)
    drawing = await drawing_of(request)
    name = request.query_params.get("layer", "")
    return JSONResponse(reader.explain(drawing, name, None if unit is None else int(unit)))


async def load(request: Request) -> Response:
    """Take a model's file, of any format that brings no code."""
    readers: dict[str, Reader] = request.app.state.readers
    if len(readers) - request.app.state.packaged >= MOST_MODELS:
        raise tt.ArgumentError(f"{MOST_MODELS} models are loaded already; start the demo anew")
    content = await body_of(request, MOST_MODEL_BYTES)
    given = "".join(each for each in request.query_params.get("name", "")[:60] if each.isprintable())
    name = given or "model"
    while name in readers:
        name += "′"
    readers[name] = await run_in_threadpool(loaded, content, Path(given).suffix)
    return JSONResponse({"name": name})


def loaded(content: bytes, suffix: str) -> Reader:
    """A reader for the model in these bytes.

    Raises:
        TinyTensorError: they are no model, or none that takes images of digits.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model{suffix if suffix[1:].isalnum() else ''}"
        path.write_bytes(content)
        try:
            return Reader(tt.load(path))
        except tt.TinyTensorError as error:
            raise tt.ArgumentError(str(error).replace(f"{path}: ", "").replace(folder, "")) from error
        except Exception as error:  # of a layer that cannot take the image
            raise tt.ArgumentError(f"the model does not take an image of 28 × 28 pixels: {error}") from error
