"""Model files that someone else wrote: whatever they hold, they load, or end in a ModelError that names the file."""

from __future__ import annotations

import copy
import json
import struct
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from pixelwise import LabelSpace, Preprocessing, build_model, load_model, save_model
from pixelwise.errors import ModelError
from pixelwise.models import MODELS, Model, build, files
from pixelwise.models.build import read_options
from pixelwise.models.files import read_card
from pixelwise.models.importing.sources import TORCHVISION_OBJECT_MODELS, TORCHVISION_PIXEL_MODELS, find_recipe

Content = tuple[dict[str, Any], dict[str, Tensor]]

NAN, INFINITY = float("nan"), float("inf")


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Content:
    """The description and the tensors of a small model."""
    space = LabelSpace(("sea", "land"), mapping={0: 0, 7: 1, 255: 255}, background=0)
    seen = Preprocessing((0.5, 0.4), (0.2, 0.3))
    model = build_model("deeplabv1", classes=space, in_channels=2, width=0.01, preprocessing=seen)
    return content_of(model, tmp_path_factory.mktemp("content"))


def content_of(model: Model, folder: Path) -> Content:
    path = folder / "whole.safetensors"
    save_model(model, path)
    with safe_open(path, framework="pt") as opened:
        described = json.loads(opened.metadata()["pixelwise"])
        return described, {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118 (no mapping)


def write(path: Path, described: Any, tensors: dict[str, Tensor]) -> Path:
    text = described if isinstance(described, str) else json.dumps(described)
    save_file(tensors, path, metadata={"pixelwise": text})
    return path


def refused(path: Path, reason: str | None = None) -> None:
    with pytest.raises(ModelError, match=reason) as caught:
        load_model(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 1000


def changed(described: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    described = copy.deepcopy(described)
    *way, last = place.split(".")
    inner = described
    for key in way:
        inner = inner[key]
    inner[last] = value
    return described


@pytest.mark.parametrize(
    "text",
    [
        *("", "no JSON", "[]", "[1, 2]", "null", "5", '"name"', "{", "{}", "NaN", "1e999", '{"name": "fcn"}'),
        *("[" * 10**6, '{"options":' * 10**6, "9" * 5000, '{"fast_halo": ' + "9" * 5000 + "}", '"\\ud800"'),
    ],
)
def test_descriptions_that_are_none(tmp_path: Path, content: Content, text: str) -> None:
    refused(write(tmp_path / "a.safetensors", text, content[1]), "its description|what it says")


HUGE = 10**400
WRONG: dict[str, list[Any]] = {
    "fast_halo": ["abc", -5, 10**18, HUGE, 96.5, True, None, [96], NAN],
    "name": [5, None, ["unet"], "", "unknown", "x" * 10**6, "__class__", "\x00"],
    "version": [5, None, "x" * 10**6],
    "options": [None, [], "width", 5, [["width", 0.01]]],
    "options.width": ["0.01", None, [0.01], {}, True, NAN, INFINITY, 1e300, HUGE, 1e6],
    "options.in_channels": [0, -2, 3, "2", 2.5, None, 10**9, 2**63, True],
    **{f"options.{name}": [None, True, 2] for name in ("pretrained", "classes", "preprocessing", "name", "self", "x")},
    **{f"options.{name}": ["vgg11"] for name in ("encoder", "trunk", "label_space", "x" * 10**6)},
    "label_space": [None, [], {}, "sea", 2],
    "label_space.names": [
        *([], "ab", [1, 2], ["sea"], ["sea", "sea"], {"sea": 0, "land": 1}, ["x"] * 60_000, 10**9, [["sea"]]),
        *([str(i) for i in range(65_537)], [str(i) for i in range(60_000)], ["sea", "\ud800"], [None, "a"]),
    ],
    "label_space.colors": [
        *([[0, 0, 0]], [[0, 0], [1, 1]], [[0, 0, 256]] * 2, [[0, 0, -1]] * 2, [[0, 0, HUGE]] * 2),
        *("red", [0, 0], [[0, 0, 1.5]] * 2, None),
    ],
    "label_space.ignore_index": [0, 1, -1, 65_536, HUGE, "255", 255.0, None, True],
    "label_space.background": [2, -1, "0", 0.0, True, [0], HUGE],
    "label_space.mapping": [
        *(None, {}, {"0": 0}, [[0]], [[0, 0, 0]], [[0, 5]], [[-1, 0]], [[HUGE, 0]], [["0", 0]], [[0, 0], [0, 1]]),
        *([[0.5, 0]], [[[0, 0], 0]], [[[0, 0, 0], 0], [1, 1]], [[[0, 0, 300], 0]]),
    ],
    "preprocessing": [None, [], {}, "imagenet"],
    "preprocessing.mean": [
        *("grey", [], [0.5], [0.5, "a"], [NAN, 0], [INFINITY, 0], [1e300, 0], [0.5, True], None, 0.5, [HUGE, 0]),
        [[0.5], [0.5]],
    ],
    "preprocessing.std": [[NAN, 1], [0, 1], [-1, 1], [1e-300, 1], [1], "ab", [INFINITY, 1]],
    "preprocessing.value_range": [
        *([1, 0], [0], [0, 1, 2], "01", [NAN, 1], [0, INFINITY], True, [-1e308, 1e308], [0, HUGE]),
    ],
    "preprocessing.resize": [
        *("none", "", 5, True, {}, [], [800], [800, 1333, 3], [1333, 800], [0, 5], [-800, 1333], [800.0, 1333.0]),
        *(["800", "1333"], [True, 1333], [None, None], [NAN, 5], [INFINITY, INFINITY], [800, HUGE], [800, 8193]),
        *([[800], [1333]], {"shorter": 800, "longer": 1333}),
    ],
    "edge": [5, None, True, "", "wrapped", ["mirror"], "ZEROS", {}, "x" * 10**6],
    "object_rule": [[], "any", 5, {}, {"score": 0.5}],
    "object_rule.score": ["high", NAN, -0.1, 1.1, True, None, HUGE],
    "object_rule.min_area": ["large", -1, 0.5, True, None, HUGE],
    **{f"{part}more": [1] for part in ("", "label_space.", "preprocessing.", "object_rule.")},
}


@pytest.mark.parametrize("place", WRONG, ids=lambda place: place[:30])
def test_values_that_make_no_sense(tmp_path: Path, content: Content, place: str) -> None:
    described, tensors = content
    for value in WRONG[place]:
        refused(write(tmp_path / "a.safetensors", changed(described, place, value), tensors))


@pytest.mark.parametrize("part", ["name", "options", "label_space", "preprocessing"])
def test_parts_that_are_missing(tmp_path: Path, content: Content, part: str) -> None:
    described = {key: value for key, value in content[0].items() if key != part}
    refused(write(tmp_path / "a.safetensors", described, content[1]), f"lacks '{part}'")


def test_parts_that_the_first_files_lacked(tmp_path: Path, content: Content) -> None:
    described = {key: content[0][key] for key in ("name", "options", "label_space", "preprocessing")}
    loaded = load_model(write(tmp_path / "a.safetensors", described, content[1]))
    assert loaded.label_space.names == ("sea", "land")
    described["options"] = {key: value for key, value in described["options"].items() if key == "width"}
    refused(write(tmp_path / "a.safetensors", described, content[1]), "preprocessing is for 2 channels")


def test_a_file_cannot_ask_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = build_model("fcn", classes=2, encoder="resnet10t")
    described, tensors = content_of(model, tmp_path)
    monkeypatch.setattr(build, "load_encoder_weights", lambda encoder: pytest.fail("the network was asked"))
    refused(write(tmp_path / "a.safetensors", changed(described, "options.pretrained", True), tensors), "no option")
    for encoder in (
        5,
        None,
        [],
        "",
        "hf-hub:timm/resnet18.a1_in1k",
        "local-dir:/",
        "https://localhost/a",
        "smp-",
        "../a",
    ):
        refused(
            write(tmp_path / "a.safetensors", changed(described, "options.encoder", encoder), tensors), "encoder|smp"
        )
    assert load_model(write(tmp_path / "a.safetensors", described, tensors)).options["encoder"] == "resnet10t"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("decoder_channels", value) for value in ([-5], [], [0], [2**20], [8] * 65, [[8]], "8", 8, [True], [8.5])),
        *(("upsampling", value) for value in ("cubic", 1, None)),
        *(("encoder", value) for value in ("resnet18", "convnext_xxlarge")),
        *(("in_channels", value) for value in (1, 2**20)),
    ],
)
def test_options_beyond_the_tensors_are_refused_before_they_take_memory(
    tmp_path: Path, option: str, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build_model("unet", classes=2, encoder="resnet10t", decoder_channels=(8, 8, 8, 8, 8))
    described, tensors = content_of(model, tmp_path)
    channels = [0.5] * value if option == "in_channels" else [0.5] * 3
    described = changed(described, "preprocessing", {"mean": channels, "std": channels, "value_range": None})
    path = write(tmp_path / "a.safetensors", changed(described, f"options.{option}", value), tensors)
    allocated = []
    enter = files.AllocationLimit.__exit__

    def leave(limit: files.AllocationLimit, *error: Any) -> Any:
        allocated.append(limit)
        return enter(limit, *error)

    monkeypatch.setattr(files.AllocationLimit, "__exit__", leave)
    refused(path)
    bytes_of_tensors = sum(tensor.nbytes for tensor in tensors.values())
    assert all(limit.limit < 4 * bytes_of_tensors + 2**27 for limit in allocated)


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        *(("mask_rcnn", "samples", value) for value in (65, 2**20, 0)),
        *(("mask_rcnn", "norm_eps", value) for value in (-1, "0")),
        *(("mask_rcnn", "anchor_sizes", value) for value in ([[32]], [[0]] * 5, [], [32] * 5, [[NAN]] * 5)),
        *(("mask_rcnn", "neck", value) for value in ("other", 5)),
        *(("deeplabv2", "scales", value) for value in ([1, 1e6], [1, 5], [0.5], [], [1, 0])),
        *(("deeplabv2", "trunk", value) for value in ("resnet18", 5)),
        *(("unet2015", "width", value) for value in (50, 1e6, -1e6)),
        *(("unet2015", "dropout", value) for value in (7, -1)),
    ],
)
def test_options_that_tensors_do_not_hold_are_bounded(tmp_path: Path, name: str, option: str, value: Any) -> None:
    small = {"encoder": "resnet10t", "channels": 8, "head": 8, "mask_head": 8}
    model = build_model(name, classes=2, **(small if name == "mask_rcnn" else {"width": 0.02}))
    described, tensors = content_of(model, tmp_path)
    refused(write(tmp_path / "a.safetensors", changed(described, f"options.{option}", value), tensors))


def test_networks_that_shed_a_classifier_load(
    tmp_path: Path, content: Content, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As encoders of VGG do; here a limit of nothing stands for their memory."""
    monkeypatch.setattr(files, "MEASURING_BYTES", -(10**12))
    path = write(tmp_path / "a.safetensors", *content)
    for key, value in load_model(path).state_dict().items():
        assert torch.equal(value, content[1][key])
    refused(write(path, changed(content[0], "options.width", 0.02), content[1]), "more than")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda tensor: tensor.double(), "holds torch.float64, expected torch.float32"),
        (lambda tensor: tensor.half(), "holds torch.float16, expected torch.float32"),
        (lambda tensor: tensor.to(torch.int64), "holds torch.int64, expected torch.float32"),
        (lambda tensor: tensor.to(torch.bool), "holds torch.bool"),
        (lambda tensor: tensor.to(torch.float8_e4m3fn), "holds torch.float8"),
        (lambda tensor: tensor.to(torch.complex64), "holds torch.complex64"),
        (lambda tensor: tensor[:-1].clone(), "size mismatch"),
        (lambda tensor: tensor[None], "size mismatch"),
        (lambda tensor: tensor.new_zeros(0), "size mismatch"),
    ],
)
def test_tensors_of_another_kind(tmp_path: Path, content: Content, change: Any, reason: str) -> None:
    described, tensors = content
    last = list(tensors)[-1]
    refused(write(tmp_path / "a.safetensors", described, {**tensors, last: change(tensors[last])}), reason)


def test_tensors_too_many_or_too_few(tmp_path: Path, content: Content) -> None:
    described, tensors = content
    path = tmp_path / "a.safetensors"
    refused(write(path, described, dict(list(tensors.items())[1:])), "does not fit its description .*Missing")
    more = {**tensors, "network.more": torch.zeros(1)}
    refused(write(path, described, more), "does not fit its description .*Unexpected")
    refused(write(path, described, {}), "does not fit its description")
    both = {**tensors, "encoder.x": torch.zeros(1), "network.encoder.x": torch.zeros(1)}
    refused(write(path, described, both), "there twice")


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_files_of_one_kind_of_floats_load(tmp_path: Path, content: Content, kind: torch.dtype) -> None:
    described, tensors = content
    written = {key: value.to(kind) if value.is_floating_point() else value for key, value in tensors.items()}
    loaded = load_model(write(tmp_path / "a.safetensors", described, written)).state_dict()
    for key, value in written.items():
        assert loaded[key].dtype == tensors[key].dtype
        assert torch.equal(loaded[key], value.to(tensors[key].dtype))


def test_truncated_files(tmp_path: Path, content: Content) -> None:
    whole = write(tmp_path / "a.safetensors", *content).read_bytes()
    for length in (*range(0, 20), *range(20, len(whole), len(whole) // 40), len(whole) - 1):
        (tmp_path / "a.safetensors").write_bytes(whole[:length])
        refused(tmp_path / "a.safetensors", "no safetensors")
    for size in (0, 1, 2**31, 2**63 - 1, 2**63, 2**64 - 1, len(whole), len(whole) - 8, len(whole) - 7):
        (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", size) + whole[8:])
        refused(tmp_path / "a.safetensors", "no safetensors")


def test_a_file_that_may_not_be_read(tmp_path: Path, content: Content, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.safetensors", *content)

    def deny(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files, "safe_open", deny)
    monkeypatch.setattr(Path, "open", deny)
    refused(path, "cannot be read")


@pytest.mark.parametrize("name", MODELS)
def test_options_of_every_model_pass(name: str) -> None:
    narrow = {"encoder": "resnet10t"} if MODELS[name].encoder is not None else {}
    with torch.device("meta"):
        model = build_model(name, classes=2, **narrow)
    options = json.loads(json.dumps(model.options))
    shared, own = read_options(name, options)
    assert json.loads(json.dumps({**asdict(shared), **asdict(own)})).items() >= options.items()


@pytest.mark.parametrize(
    "source", [*TORCHVISION_PIXEL_MODELS, *TORCHVISION_OBJECT_MODELS, "smp-unet-resnet34", "smp-deeplabv3plus-resnet50"]
)
def test_options_of_imported_networks_pass(source: str) -> None:
    recipe = find_recipe(source, {})
    options = json.loads(json.dumps({**recipe.options, **recipe.assumed, "in_channels": 4}))
    shared, own = read_options(recipe.model, options)
    assert json.loads(json.dumps({**asdict(shared), **asdict(own)})).items() >= options.items()


DEEP = "what lies deep"
SWAPS: list[Any] = [
    *(None, True, False, 0, -1, 1, 255, 65_536, 2**63, 10**18, 10**400, 0.5, -1e300, NAN, INFINITY, "", "abc", "0.5"),
    *("x" * 1000, "\ud800", [], {}, [[]], [0], ["a"], {"a": 1}, [[0, 0, 0]], [NAN]),
]


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value within."""
    if way:
        yield way
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*way, key))


def damage(whole: bytes, described: dict[str, Any], random: np.random.Generator) -> bytes:
    """Damage a file: bits of its header flipped, its end cut off, values of its description exchanged or nested."""
    (length,) = struct.unpack("<Q", whole[:8])
    kind = random.integers(5)
    if kind == 0:
        flipped = bytearray(whole)
        for place in random.integers(0, 8 + length, random.integers(1, 6)):
            flipped[place] ^= 1 << random.integers(8)
        return bytes(flipped)
    if kind == 1:
        return whole[: random.integers(0, len(whole))]
    header = json.loads(whole[8 : 8 + length])
    ways = list(places(described))
    way = ways[random.integers(len(ways))]
    value = SWAPS[random.integers(len(SWAPS))]
    depth = int(random.integers(1, 3000))
    described = copy.deepcopy(described)
    inner: Any = described
    for key in way[:-1]:
        inner = inner[key]
    inner[way[-1]] = DEEP if kind == 2 else value
    text = json.dumps(described)
    if kind == 2:
        text = text.replace(f'"{DEEP}"', "[" * depth + json.dumps(value) + "]" * depth)
    if kind == 3:  # the text itself, which the header holds as a string
        characters = list(text)
        for place in random.integers(0, len(text), random.integers(1, 4)):
            characters[place] = chr(random.integers(32, 127))
        text = "".join(characters)
    header["__metadata__"]["pixelwise"] = text
    packed = json.dumps(header).encode()
    return struct.pack("<Q", len(packed)) + packed + whole[8 + length :]


def test_2000_damaged_headers(tmp_path: Path, content: Content) -> None:
    """Each is read up to the checked description, and every fourth that passes is loaded."""
    path = write(tmp_path / "a.safetensors", *content)
    whole, random = path.read_bytes(), np.random.default_rng(0)
    passed = loaded = longest = 0
    for number in range(2000):
        path.write_bytes(damage(whole, content[0], random))
        try:
            read_card(path)
            passed += 1
            if passed % 4 == 0:
                load_model(path)
                loaded += 1
        except ModelError as error:
            longest = max(longest, len(str(error)))
        except BaseException as error:
            raise AssertionError(f"file {number}: {error!r}"[:500]) from error
    assert longest < 1000
    assert 20 < passed < 1900  # such as another name of a class
    assert loaded > 5
