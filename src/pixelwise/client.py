"""A client of ``pixelwise serve``: a few lines of Python that send pictures and get what is in them.

It needs httpx (``pip install 'pixelwise[client]'``) and neither torch nor the models.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, cast
from urllib.parse import quote

import httpx

from pixelwise.errors import PixelwiseError

Picture = str | Path | bytes
"""A file, or the bytes of one."""

Result = Any
"""Plain JSON types for JSON, text for a table, bytes for pictures and arrays."""


class ServerError(PixelwiseError):
    """The server did not do what was asked.

    Args:
        detail: what it says.
        status: of its answer; 0 where none came.
        argument: the argument at fault.
        retry_after: seconds after which the same may succeed.
    """

    def __init__(
        self, detail: str, *, status: int = 0, argument: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.argument, self.retry_after = status, argument, retry_after


class Client:
    """Talks to a server; use it as a context manager, or close it.

    Args:
        url: where the server is.
        token: the word that it asks for.
        timeout: seconds that an answer may take.
        retries: how often a request that the server has no room for is sent again, after the time that it names.
        transport: how requests travel; over the network unless given.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        token: str | None = None,
        timeout: float = 150.0,
        retries: int = 3,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout, transport=transport)
        self._retries = retries

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def models(self) -> list[dict[str, Any]]:
        """List the models: ``name`` and ``card`` of each."""
        return cast("list[dict[str, Any]]", self._send("GET", "/v1/models").json()["models"])

    def predict(self, picture: Picture, *, model: str | None = None, output: str = "summary", **options: Any) -> Result:
        """Label a picture.

        Args:
            picture: JPEG, PNG, WebP or TIFF.
            model: the name of the model; may be left out where the server has one.
            output: ``summary``, ``labels``, ``overlay``, ``probabilities``, ``coco``, ``geojson`` or ``table``.
            **options: ``score``, ``min_area``, ``tta``, ``mode``, ``value_range``.

        Raises:
            ServerError: the picture or an option cannot be used, or the server cannot be reached.
        """
        path = f"/v1/models/{_quoted(model or self._only_model())}/predict"
        return _read(self._send("POST", path, pictures=[picture], params={"output": output, **options}))

    def batch(
        self, pictures: Sequence[Picture], *, model: str | None = None, output: str = "summary", **options: Any
    ) -> Iterator[dict[str, Any]]:
        """Label many pictures, or those of zip files, in one request.

        Yields:
            For each picture, in their order and as soon as it is done: ``index``, ``name``, and ``result``, ``text`` or
            ``base64`` by the type of the output; or ``error``, where it could not be labelled.

        Raises:
            ServerError: as for :meth:`predict`, where no picture can be labelled.
        """
        path = f"/v1/models/{_quoted(model or self._only_model())}/batch"
        with ExitStack() as stack:
            files = _form(pictures, stack)
            try:
                streamed = self._http.stream("POST", path, files=files, params={"output": output, **options})
                response = stack.enter_context(streamed)
                if response.is_error:
                    response.read()
                    raise _error_of(response)
                for line in response.iter_lines():
                    yield json.loads(line)
            except httpx.HTTPError as error:
                raise _unreached(error) from error

    def submit(
        self, picture: Picture, *, model: str | None = None, output: str = "labels,summary", **options: Any
    ) -> RemoteJob:
        """Send a picture of any size as a job; its arguments are those of :meth:`predict`, with several outputs."""
        params = {"model": model or self._only_model(), "output": output, **options}
        return RemoteJob(self, self._send("POST", "/v1/jobs", pictures=[picture], params=params).json()["id"])

    def job(self, name: str) -> RemoteJob:
        """Give a job that was sent before."""
        return RemoteJob(self, name)

    def _only_model(self) -> str:
        names = [str(model["name"]) for model in self.models()]
        if len(names) != 1:
            raise ServerError(f"model: the server has {', '.join(names)}; name one of them", argument="model")
        return names[0]

    def _send(
        self, method: str, path: str, *, pictures: Sequence[Picture] = (), params: dict[str, Any] | None = None
    ) -> httpx.Response:
        """Send a request, again where the server has no room for it."""
        for left in range(self._retries, -1, -1):
            with ExitStack() as stack:
                files = _form(pictures, stack) if pictures else None
                try:
                    response = self._http.request(method, path, files=files, params=params)
                except httpx.HTTPError as error:
                    raise _unreached(error) from error
            if not response.is_error:
                return response
            error_found = _error_of(response)
            if response.status_code != 503 or error_found.retry_after is None or not left:
                raise error_found
            time.sleep(error_found.retry_after)
        raise AssertionError("unreachable")


class RemoteJob:
    """A job of a server.

    Args:
        client: talks to the server.
        name: the id of the job.
    """

    def __init__(self, client: Client, name: str) -> None:
        self._client, self.id = client, name

    def status(self) -> dict[str, Any]:
        """Say how far it is: ``state``, ``progress`` from 0 to 1, ``seconds_left``."""
        return cast("dict[str, Any]", self._client._send("GET", f"/v1/jobs/{self.id}").json())

    def wait(self, *, progress: Callable[[dict[str, Any]], None] | None = None, every: float = 1.0) -> dict[str, Any]:
        """Wait until it has ended.

        Args:
            progress: told its status from time to time.
            every: seconds between two looks.

        Raises:
            ServerError: it failed or was cancelled.
        """
        while True:
            status = self.status()
            if progress is not None:
                progress(status)
            if status["state"] == "done":
                return status
            if status["state"] == "cancelled":
                raise ServerError(f"job {self.id} was cancelled")
            if status["state"] == "failed":
                error = status["error"]
                raise ServerError(error["detail"], status=error["status"], argument=error.get("argument"))
            time.sleep(every)

    def result(self, output: str | None = None) -> Result:
        """Give an output of the job, the first unless named; as :meth:`Client.predict` gives it."""
        params = None if output is None else {"output": output}
        return _read(self._client._send("GET", f"/v1/jobs/{self.id}/result", params=params))

    def cancel(self) -> None:
        """Stop it, or remove its result."""
        self._client._send("DELETE", f"/v1/jobs/{self.id}")


def _form(pictures: Sequence[Picture], stack: ExitStack) -> list[tuple[str, tuple[str, BinaryIO | bytes]]]:
    """Make the fields of a form; files are read while they are sent."""
    fields: list[tuple[str, tuple[str, BinaryIO | bytes]]] = []
    for picture in pictures:
        if isinstance(picture, bytes):
            fields.append(("file", ("picture", picture)))
            continue
        try:
            opened = stack.enter_context(open(picture, "rb"))  # noqa: SIM115  closed by the stack
        except OSError as error:
            raise ServerError(f"{picture}: cannot be read ({error.strerror})", argument="picture") from None
        fields.append(("file", (Path(picture).name, opened)))
    return fields


def _read(response: httpx.Response) -> Result:
    kind = response.headers.get("content-type", "").partition(";")[0]
    if kind.endswith("json"):
        return response.json()
    return response.text if kind.startswith("text/") else response.content


def _quoted(name: str) -> str:
    return quote(name, safe="")


def _error_of(response: httpx.Response) -> ServerError:
    """Read what the server says is wrong."""
    try:
        problem = response.json()
        detail, argument = str(problem["detail"]), problem.get("argument")
    except (ValueError, KeyError, TypeError):
        detail, argument = f"the server answers {response.status_code} {response.reason_phrase}", None
    after = response.headers.get("retry-after", "")
    seconds = float(after) if after.isdecimal() else None
    return ServerError(detail, status=response.status_code, argument=argument, retry_after=seconds)


def _unreached(error: httpx.HTTPError) -> ServerError:
    return ServerError(f"the server cannot be reached ({error or type(error).__name__}); check its address")
