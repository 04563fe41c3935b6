"""What people write with segmentation_models_pytorch to label pictures; the peer of ``benchmarks/exported.py``.

python benchmarks/predict_plain.py deeplabv3plus|unet OUT PICTURE ...
"""

import sys
from pathlib import Path

import numpy as np
import segmentation_models_pytorch as smp
import torch
from PIL import Image

name, out, *files = sys.argv[1:]
if name == "unet":
    model = smp.Unet("resnet18", encoder_weights=None, classes=11).eval()
else:
    model = smp.DeepLabV3Plus("tu-tf_efficientnet_lite0", encoder_weights=None, classes=11).eval()
mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
Path(out).mkdir(parents=True)
with torch.inference_mode():
    for file in files:
        picture = Image.open(file).convert("RGB")
        width, height = picture.size
        pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255
        pixels = torch.nn.functional.pad((pixels - mean) / std, (0, -width % 32, 0, -height % 32))
        labels = model(pixels[None]).argmax(1)[0, :height, :width].byte().numpy()
        Image.fromarray(labels).save(Path(out, Path(file).stem + ".png"))
