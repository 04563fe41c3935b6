"""Answers to requests that cannot be served, as RFC 9457 describes them, in the words that the command line uses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from pixelwise.errors import NumbersError, PixelwiseError, SettingError, quoted, unknown_name

PROBLEM_TYPE = "application/problem+json"


CROWDED_RETRY = 5.0
"""Seconds after which there may be memory again."""


class Problem(Exception):
    """A request that is answered with a problem instead of a result.

    Args:
        status: of the answer.
        detail: what was found, what was expected and how to mend it.
        argument: the name of the argument at fault.
        retry_after: seconds after which the same request may be served.
        headers: further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        argument: str | None = None,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.argument = argument
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["Retry-After"] = str(max(1, math.ceil(retry_after)))

    @property
    def content(self) -> dict[str, Any]:
        """The members of the answer, as RFC 9457 names them; ``argument`` is our own."""
        named = {} if self.argument is None else {"argument": self.argument}
        return {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            **named,
        }

    def response(self) -> JSONResponse:
        """Give the answer."""
        return JSONResponse(self.content, self.status, headers=self.headers, media_type=PROBLEM_TYPE)


def of_error(error: PixelwiseError) -> Problem:
    """Word an error of pixelwise: an argument that cannot be so, or a picture that cannot be used."""
    argument = getattr(error, "argument", None)
    if isinstance(error, SettingError) or argument is not None:
        return Problem(422, str(error), argument=argument)
    return Problem(422, str(error), argument="file")


def out_of_memory() -> Problem:
    """Word a lack of memory."""
    detail = "file: the memory ran out while the picture was computed; send a smaller one"
    return Problem(503, detail, argument="file", retry_after=CROWDED_RETRY)


def fault() -> Problem:
    """Word whatever is no fault of the sender, without telling anything about the server."""
    return Problem(500, "a fault of pixelwise, not of the request; the server's log says more")


def unnamed(error: PixelwiseError, path: object, name: str) -> PixelwiseError:
    """Let an error about an uploaded file call it by ``name``, because nobody outside knows where it lies here."""
    if isinstance(error, NumbersError):
        return NumbersError(error.text.replace(str(path), name))
    if isinstance(error, SettingError):
        return error
    return type(error)(str(error).replace(str(path), name))


def install(app: FastAPI) -> None:
    """Let an app answer every error as a problem."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(PixelwiseError, _pixelwise)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _cut_short)
    app.add_exception_handler(MemoryError, _memory)
    app.add_exception_handler(Exception, _fault)


async def _problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    return error.response()


async def _pixelwise(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, PixelwiseError)
    return of_error(error).response()


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    """Word what the types of the arguments refuse."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    argument = str(first["loc"][-1])
    if first["type"] == "extra_forbidden":
        known = _known_arguments(request)
        return Problem(422, unknown_name("argument", argument, known), argument=argument).response()
    expected = str(first["msg"]).replace("Input should", "it should")
    given = first.get("input")
    return Problem(422, f"{argument}: {quoted(given)} was given; {expected}", argument=argument).response()


def _known_arguments(request: Request) -> list[str]:
    route = request.scope.get("route")
    described = getattr(getattr(route, "dependant", None), "query_params", [])
    names: list[str] = []
    for field in described:
        model = getattr(field.field_info, "annotation", None)
        names += list(getattr(model, "model_fields", {field.name: None}))
    return names


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    detail = str(error.detail)
    if error.status_code == 404:
        detail = f"there is nothing at {quoted(request.url.path)}; /openapi.json lists what there is"
    elif error.status_code == 405:
        detail = f"{request.method} is not possible at {quoted(request.url.path)}; /openapi.json lists what is"
    return Problem(error.status_code, detail, headers=error.headers).response()


async def _cut_short(_: Request, __: Exception) -> JSONResponse:
    return Problem(400, "file: the body ended before it was whole; send it again", argument="file").response()


async def _memory(_: Request, __: Exception) -> JSONResponse:
    return out_of_memory().response()


async def _fault(_: Request, __: Exception) -> JSONResponse:
    return fault().response()
