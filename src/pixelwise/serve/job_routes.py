"""The addresses of jobs: pictures that take longer than a request may."""

from __future__ import annotations

import shutil
import time
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, JSONResponse
from pydantic import Field

from pixelwise.errors import SettingError, unknown_name
from pixelwise.inference.labelling.jobs import Options
from pixelwise.inference.labelling.label import check_possible
from pixelwise.serve.asked import PictureOptions
from pixelwise.serve.examples import JOB, JOB_RESULT, JOB_TAKEN, PICTURE_BODY, PROBLEMS
from pixelwise.serve.job_outputs import parse_outputs, result_file
from pixelwise.serve.job_store import JobRecord
from pixelwise.serve.jobs import Jobs
from pixelwise.serve.live_jobs import LiveJob
from pixelwise.serve.outputs import kinds_of
from pixelwise.serve.problems import Problem
from pixelwise.serve.service import Service
from pixelwise.serve.uploads import check_type, paced, receive_into

router = APIRouter(prefix="/v1/jobs")

FULL_RETRY = 30.0
"""Seconds after which a place for a job may be free."""


class JobOptions(PictureOptions):
    """The arguments of a job."""

    model: Annotated[str, Field(description="The name of the model.", examples=["leaves"])]
    output: Annotated[
        str | None,
        Field(
            description="With commas: summary, labels, overlay, probabilities, coco, geojson, table.",
            examples=["labels,summary"],
        ),
    ] = "labels,summary"


@router.post(
    "",
    summary="Send a job",
    status_code=202,
    responses={202: JOB_TAKEN, **PROBLEMS},
    openapi_extra=PICTURE_BODY,
)
async def send(request: Request, options: Annotated[JobOptions, Query()]) -> JSONResponse:
    """Take a picture of any size, and answer before it is computed.

    A TIFF that lies on the Earth, or is large, is computed by windows; its labels are a TIFF that lies there, too.
    """
    service: Service = request.app.state.service
    jobs: Jobs = request.app.state.jobs
    outputs = parse_outputs(options.output or "")
    asked = options.applied_to(service.predictor(options.model))
    try:
        check_possible(asked, Options(kinds_of(outputs)))
    except SettingError as error:
        raise SettingError(error.text, argument="output") from None
    with jobs.place(service.limits.max_jobs) as full:
        if full:
            raise Problem(
                503,
                f"max_jobs: {service.limits.max_jobs} jobs wait or run already; try again later",
                argument="max_jobs",
                retry_after=FULL_RETRY,
                headers={"Connection": "close"},
            )
        name = jobs.store.new_id()
        folder = jobs.store.folder_of(name)
        folder.mkdir()
        try:
            parts = paced(request.stream(), patience=service.limits.timeout)
            (upload,) = await receive_into(request, folder, most=1, parts=parts)
            check_type(upload.path)
            kept = options.model_dump(exclude={"model", "output"})
            record = JobRecord(name, options.model, upload.name, list(outputs), kept, time.time())
            job = await service.workers.look(lambda: jobs.add(record, upload))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return JSONResponse(job.describe(), 202, headers={"Location": f"/v1/jobs/{name}"})


@router.get("/{id}", summary="See how far a job is", responses={200: JOB, 404: PROBLEMS[404]})
async def see(id: str, request: Request) -> dict[str, Any]:
    """Say what state a job is in: waiting, running, done, failed or cancelled."""
    return _find(request, id).describe()


@router.delete("/{id}", summary="Cancel a job", responses={200: JOB, 404: PROBLEMS[404]})
async def cancel(id: str, request: Request) -> dict[str, Any]:
    """Stop a job before its next tile, or remove its result."""
    job = _find(request, id)
    service: Service = request.app.state.service
    await service.workers.look(lambda: request.app.state.jobs.cancel(job))
    return job.describe()


@router.get("/{id}/result", summary="Get the result of a job", responses=JOB_RESULT, response_class=FileResponse)
async def result(
    id: str,
    request: Request,
    output: Annotated[str | None, Query(description="One of the outputs of the job; the first unless given.")] = None,
) -> FileResponse:
    """Give an output of a job that is done."""
    job = _find(request, id)
    record = job.record
    if record.state == "failed" and record.error is not None:
        error = record.error
        raise Problem(error["status"], error["detail"], argument=error.get("argument"))
    if record.state == "cancelled":
        raise Problem(410, "the job was cancelled", argument="id")
    if record.state != "done":
        raise Problem(409, f"the job is {record.state}; its result is there when it is done", argument="id")
    wanted = record.outputs[0] if output is None else output
    if wanted not in record.outputs:
        raise SettingError(unknown_name("output of this job", wanted, record.outputs), argument="output")
    path, media_type = result_file(request.app.state.jobs.store.results_of(record.id), wanted)
    return FileResponse(path, media_type=media_type)


def _find(request: Request, name: str) -> LiveJob:
    jobs: Jobs = request.app.state.jobs
    return jobs.find(name)
