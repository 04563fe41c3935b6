"""What people write first: FastAPI and a torch network in eager float32, as the peer of ``benchmarks/serve.py``.

    PIXELWISE_MODEL=runs/first uvicorn --app-dir benchmarks serve_plain:app --port 8001

It takes a picture as the field ``file`` of a form, as FastAPI's own documentation does it, and gives an index PNG. The
handler is a plain function, so that FastAPI runs it in its threads.
"""

from __future__ import annotations

import io
import os

import numpy as np
import torch
from fastapi import FastAPI, Response, UploadFile
from PIL import Image

from pixelwise.models import SegmentationModel, load_model

model = load_model(os.environ["PIXELWISE_MODEL"]).eval()
assert isinstance(model, SegmentationModel)
prepared = model.card.preprocessing
mean = torch.tensor(prepared.mean).view(1, -1, 1, 1)
std = torch.tensor(prepared.std).view(1, -1, 1, 1)
app = FastAPI()


@app.post("/predict")
def predict(file: UploadFile) -> Response:
    """Label a picture."""
    pixels = np.array(Image.open(file.file).convert("RGB"))
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255  # (1, 3, H, W)
    with torch.inference_mode():
        labels = model((image - mean) / std).argmax(1)[0].byte().numpy()  # (H, W)
    stream = io.BytesIO()
    Image.fromarray(labels).save(stream, "PNG")
    return Response(stream.getvalue(), media_type="image/png")
