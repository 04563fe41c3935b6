"""The addresses that the page of ``pixelwise label`` uses: pictures, labels, and actions on them."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Sequence
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from pixelwise.errors import DataError, PixelwiseError, SettingError
from pixelwise.labelling.actions import MOST_ACTIONS, Stroke
from pixelwise.labelling.canvas import packed
from pixelwise.labelling.pictures import Picture
from pixelwise.labelling.project import Change, Desk, Project
from pixelwise.labelling.saving import Saver
from pixelwise.labelling.scribbles.proposer import Proposal
from pixelwise.serve.label.shown import etag_of, shown
from pixelwise.serve.problems import Problem
from pixelwise.serve.summary import hexadecimal

router = APIRouter(prefix="/v1/label")

_SHOWING = threading.Lock()
"""Pictures are decoded one at a time, because large ones take much memory."""

RETRY = 2.0
"""Seconds after which a journal that could not be written may be."""


def _project(request: Request) -> Project:
    project: Project = request.app.state.project
    return project


def _picture(request: Request, picture: str) -> Picture:
    known = _project(request).pictures.get(picture)
    if known is None:
        raise Problem(404, "picture: there is no such picture; open the page anew", argument="picture")
    return known


@router.get("")
def read_project(request: Request) -> dict[str, Any]:
    """Describe the folder: its classes, and how far each picture is."""
    project, saver, proposer = _project(request), request.app.state.saver, request.app.state.proposer
    space = project.space
    return {
        "id": project.id,
        "folder": str(project.folder),
        "classes": [
            {"name": name, "color": hexadecimal(color)} for name, color in zip(space.names, space.colors, strict=True)
        ],
        "trouble": saver.trouble,
        "proposes": not proposer.lacks,
        "remark": proposer.lacks or proposer.remark,
        "model": request.app.state.model is not None,
        "looking": 0 if request.app.state.doubts is None else request.app.state.doubts.waiting,
        "pictures": [
            {
                "id": picture.id,
                "name": picture.name,
                "width": picture.size[1],
                "height": picture.size[0],
                "masked": picture.mask is not None,
                "changes": status.changes,
                "done": status.done,
                "trouble": status.trouble,
                "doubt": status.doubt,
            }
            for picture, status in ((picture, project.status[picture.id]) for picture in project.pictures.values())
        ],
    }


@router.get("/pictures/{picture}/image")
def read_image(picture: str, request: Request) -> Response:
    """Give a picture in a form that browsers show, upright."""
    known = _picture(request, picture)
    tag = etag_of(known.path)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    with _SHOWING:
        body, media_type = shown(known.path)
    return Response(body, media_type=media_type, headers=headers)


@router.get("/pictures/{picture}/labels")
def read_labels(picture: str, request: Request) -> Response:
    """Give the labels of a picture, row by row, a byte each; the header says how they came about."""
    _picture(request, picture)
    with _project(request).opened(picture) as desk:
        body, state = packed(desk.canvas.labels), _state_of(desk)
    headers = {"Content-Encoding": "deflate", "Pixelwise-State": json.dumps(state), "Cache-Control": "no-store"}
    return Response(body, media_type="application/octet-stream", headers=headers)


@router.post("/pictures/{picture}/proposal")
def propose(picture: str, request: Request, by: Literal["strokes", "model"] = "strokes") -> Response:
    """Propose labels for all pixels of a picture, a byte each: learnt from the strokes of all, or by the model.

    The header names the proposal, so that it can be accepted. There is no body where too little was painted.
    """
    _picture(request, picture)
    project = _project(request)
    begun = time.monotonic()
    proposal = _propose(request, picture, by)
    name = None if proposal.labels is None else project.proposals.remember(proposal.labels)
    about = {"id": name, "remark": proposal.remark, "seconds": time.monotonic() - begun}
    headers = {"Pixelwise-Proposal": json.dumps(about), "Cache-Control": "no-store"}
    if proposal.labels is None:
        return Response(status_code=204, headers=headers)
    headers["Content-Encoding"] = "deflate"
    return Response(packed(proposal.labels), media_type="application/octet-stream", headers=headers)


def _propose(request: Request, picture: str, by: str) -> Proposal:
    proposer, model = request.app.state.proposer, request.app.state.model
    if by == "model":
        if model is None:
            raise Problem(404, "by: there is no model; start the server with one", argument="by")
        return Proposal(model.propose(_project(request), picture), "of the model")
    if proposer.lacks:
        raise Problem(501, proposer.lacks)
    proposal: Proposal = proposer.propose(picture)
    return proposal


@router.post("/pictures/{picture}/actions")
async def take_actions(picture: str, request: Request) -> dict[str, Any]:
    """Take actions for a picture; the answer comes when they are on the disk."""
    _picture(request, picture)
    actions = _read_actions(await request.body())
    return await run_in_threadpool(_take, _project(request), request.app.state.saver, picture, actions)


def _read_actions(body: bytes) -> list[Any]:
    try:
        actions = json.loads(body)["actions"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise SettingError("the body is no JSON with a list of actions", argument="actions") from None
    if not isinstance(actions, list) or not 0 < len(actions) <= MOST_ACTIONS:
        raise SettingError(f"a request brings a list of 1 to {MOST_ACTIONS} actions", argument="actions")
    return actions


def _take(project: Project, saver: Saver, picture: str, given: Sequence[Any]) -> dict[str, Any]:
    actions = project.check(given)
    with project.opened(picture) as desk:
        try:
            changes = project.take(picture, actions)
        except (DataError, SettingError):
            raise
        except PixelwiseError as error:
            raise Problem(507, str(error), argument="out", retry_after=RETRY) from error
        saver.changed(picture)
        return {
            **_state_of(desk),
            "reload": any(change.known and not isinstance(change.action, Stroke) for change in changes),
            "patches": [_patch(desk, change) for change in changes if _is_news(change)],
        }


def _is_news(change: Change) -> bool:
    """Whether the page does not know what an action has changed; strokes it paints itself."""
    return change.box is not None and not isinstance(change.action, Stroke)


def _patch(desk: Desk, change: Change) -> dict[str, Any]:
    assert change.box is not None
    labels = packed(desk.canvas.labels[change.box.slices])
    return {**change.box._asdict(), "labels": base64.b64encode(labels).decode()}


def _state_of(desk: Desk) -> dict[str, Any]:
    canvas = desk.canvas
    return {
        "changes": len(desk.journal.entries),
        "undoable": canvas.undoable,
        "redoable": canvas.redoable,
        "done": canvas.done,
    }
