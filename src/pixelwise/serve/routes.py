"""The addresses of the service: which models there are, and what they see in a picture."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from pixelwise.serve.asked import PictureOptions
from pixelwise.serve.batches import OwningResponse, items_of, lines
from pixelwise.serve.cards import describe
from pixelwise.serve.examples import BATCH_BODY, BATCHED, MODELS, PICTURE_BODY, PREDICTED, PROBLEMS
from pixelwise.serve.outputs import MEDIA_TYPES, choose_output
from pixelwise.serve.problems import Problem
from pixelwise.serve.service import Service, while_wanted
from pixelwise.serve.uploads import receive_picture, receive_uploads

router = APIRouter(prefix="/v1")


@router.get("/models", summary="List the models", responses=MODELS)
async def list_models(request: Request) -> dict[str, Any]:
    """Name the models, each with its classes, their colours, what pictures it takes, and how it was trained."""
    service: Service = request.app.state.service
    return {"models": [{"name": name, "card": describe(predictor)} for name, predictor in service.models.items()]}


@router.post(
    "/models/{served}/predict",
    summary="Label a picture",
    responses={**PREDICTED, **PROBLEMS},
    response_class=Response,
    openapi_extra=PICTURE_BODY,
)
async def predict(served: str, request: Request, options: Annotated[PictureOptions, Query()]) -> Response:
    """Label a picture: JPEG, PNG, WebP or TIFF, as the body or as the field `file` of a form.

    The answer is what `output` names, else what `Accept` wants, else a summary as JSON.
    """
    service: Service = request.app.state.service
    service.predictor(served)  # an unknown model fails before its picture arrives
    output = negotiated(options, request)
    deadline = asyncio.get_running_loop().time() + service.limits.timeout
    async with AsyncExitStack() as stack:
        with arriving_in_time(service.limits.timeout):
            async with asyncio.timeout_at(deadline):
                upload = await stack.enter_async_context(receive_picture(request))
        work = service.label(served, upload, options, output)
        answer = await while_wanted(request, work, deadline=deadline)
    if answer is None:
        service.metrics.left()
        return Response(status_code=499)  # nobody reads it
    return Response(answer.body, media_type=answer.media_type)


@router.post(
    "/models/{served}/batch",
    summary="Label many pictures",
    responses={**BATCHED, **PROBLEMS},
    response_class=Response,
    openapi_extra=BATCH_BODY,
)
async def batch(served: str, request: Request, options: Annotated[PictureOptions, Query()]) -> Response:
    """Label the pictures of a form, of several fields `file`, or of a zip file.

    Each gets a line of JSON as soon as it is done, in the order of the pictures. A bad one gets a line with `error`.
    """
    service: Service = request.app.state.service
    options.applied_to(service.predictor(served))  # what is wrong for all fails before the pictures arrive
    output = choose_output(options.output, "")
    async with AsyncExitStack() as stack:
        with arriving_in_time(service.limits.timeout):
            async with asyncio.timeout(service.limits.timeout):
                received = receive_uploads(request, most=service.limits.max_files)
                uploads = await stack.enter_async_context(received)
        items = await service.workers.look(lambda: items_of(uploads, service))
        folder = uploads[0].path.parent
        return OwningResponse(lines(service, served, items, options, output, folder), stack.pop_all())


@contextmanager
def arriving_in_time(seconds: float) -> Iterator[None]:
    """Word the end of the time for a body.

    Raises:
        Problem: the time is over.
    """
    try:
        yield
    except TimeoutError:
        raise Problem(
            408,
            f"timeout: the picture did not arrive within {seconds:g} seconds; send it faster, or a smaller one",
            argument="timeout",
            headers={"Connection": "close"},
        ) from None


def negotiated(options: PictureOptions, request: Request) -> str:
    """Choose the output of a request.

    Raises:
        SettingError: it names one that does not exist.
        Problem: it accepts no type that there is.
    """
    try:
        return choose_output(options.output, request.headers.get("accept", ""))
    except LookupError:
        types = ", ".join(media_type.partition(";")[0] for media_type in MEDIA_TYPES.values())
        raise Problem(406, f"output: nothing that Accept allows; there are {types}", argument="output") from None
