"""The settings of a run: typed, each with its reason, saved beside the model as YAML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pixelwise.errors import SettingError, quoted, unknown_name
from pixelwise.io.atomic import write_text
from pixelwise.io.yaml_text import load_yaml
from pixelwise.losses import make_loss, parse_loss
from pixelwise.preprocessing import Edge

ARGUMENTS_OF_BUILDING = frozenset({"name", "classes", "encoder", "pretrained", "in_channels", "preprocessing"})
"""What :func:`pixelwise.build_model` takes beside the options of a model."""


ACTED_ON = (
    "model",
    "encoder",
    "weights",
    "loss",
    "crop",
    "batch",
    "accumulate",
    "learning_rate",
    "steps",
    "validate_every",
    "seed",
)
"""The settings that people change most; a plan shows these unless it is asked for all."""


class _SettingsLoader(yaml.SafeLoader):
    """Reads ``1e-3`` as the number that it is in YAML 1.2; in YAML 1.1 it is a word."""


_SettingsLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), [*"-+0123456789"]
)

POSITIVE = Field(gt=0)
SHARE = Field(ge=0, le=1)


class Settings(BaseModel):
    """All settings of a run; :mod:`pixelwise.training.planning` chooses those that are not given."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    model: str
    encoder: str | None = None
    """The encoder of the network; None where it has a trunk of its own."""
    model_options: dict[str, Any] = {}
    weights: str
    """``auto`` (ImageNet weights if available), ``none``, or a pixelwise model file to start from."""
    partial: bool = False
    """Whether a model file to start from may fill less than half of the network's tensors."""
    in_channels: int = POSITIVE
    value_range: tuple[float, float] | None = None
    """The stored values that become black and white; None for all of 8 bits."""
    number_type: str | None = None
    """Type of the stored numbers; pictures of another one are refused. ``any``: ``value_range`` holds for all types."""

    crop: tuple[int, int]
    """Height and width in pixels of a training crop."""
    shorter: int = Field(default=0, ge=0)
    """The most pixels by which the crops of a step are lower and narrower than ``crop``, so that networks which label
    pixels learn from sides that are no whole periods, and what lies beyond the right and the bottom edge of
    pictures."""
    edge: Edge = "zeros"
    """What lies beyond these edges; runs without this setting are older than the setting."""
    batch: int = POSITIVE
    """Crops per step, over all devices together."""
    accumulate: int = Field(default=1, gt=0)
    """Parts into which the crops of a step are divided to save memory; their gradients are averaged."""
    scale: tuple[float, float] = (0.5, 2.0)
    """Range of the random zoom."""
    rotation: float = Field(default=0.0, ge=0, le=180)
    """Largest random rotation in degrees, either way."""
    hflip: bool = True
    vflip: bool = False
    color: float = SHARE
    """Strength of random brightness, contrast and saturation."""
    elastic: float = Field(default=0.0, ge=0)
    """Deviation in pixels of the displacements that bend a crop; 0 for none."""
    rare_class_probability: float = SHARE
    """Share of crops that are centred on a pixel, or an object, of a class that is drawn with preference for rare
    classes."""

    loss: str = "ce"
    """The loss of networks that label pixels, as :func:`pixelwise.losses.make_loss` reads it."""
    class_weights: tuple[float, ...] = ()
    """Weight of each class in the loss of networks that label pixels."""
    regions: int = Field(default=512, gt=0)
    """Proposals per crop that a network which finds objects learns from in a step."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of the target spread evenly over the classes in cross-entropies."""
    border_weight: float = Field(default=0.0, ge=0)
    """The weight of a pixel between two touching objects in addition to that of its class (w0 of U-Net); 0 for none."""

    learning_rate: float = POSITIVE
    encoder_rate: float = Field(ge=0)
    """Learning rate of the encoder relative to the decoder's."""
    weight_decay: float = Field(ge=0)
    schedule: Literal["poly", "cosine"] = "poly"
    warmup: float = SHARE
    """Share of the steps over which the learning rate rises from zero."""
    ema_decay: float = Field(ge=0, lt=1)
    """Decay of the running average of the weights, which is what is validated and saved."""
    gradient_clip: float = Field(default=0.0, ge=0)
    """Largest norm of the gradients; 0 for no limit."""

    steps: int = POSITIVE
    validate_every: int = POSITIVE
    """Steps between two validations; divides ``steps``, so that the last weights are validated too."""
    precision: Literal["bf16-mixed", "16-mixed", "32-true"]
    channels_last: bool = True
    workers: int = Field(ge=0)
    """Processes that prepare crops beside the training process."""
    cache_bytes: int = Field(ge=0)
    """Memory for decoded pictures; border weights may take half as much in addition."""
    seed: int = Field(default=0, ge=0)
    devices: int = POSITIVE
    nodes: int = POSITIVE

    reasons: dict[str, str] = {}
    """Setting -> why it has the value it has."""

    @model_validator(mode="after")
    def _check_loss(self) -> Settings:
        try:
            make_loss(self.loss, label_smoothing=self.label_smoothing)
        except SettingError as error:
            raise ValueError(f"loss: {error}") from None
        return self

    @model_validator(mode="after")
    def _check_options(self) -> Settings:
        _check_own(self.model_options)
        return self

    @model_validator(mode="after")
    def _check_interval(self) -> Settings:
        if self.steps % self.validate_every:
            raise ValueError(f"steps {self.steps} is no multiple of validate_every {self.validate_every}")
        return self

    @classmethod
    def make(cls, values: Mapping[str, Any]) -> Settings:
        """Check values and build settings from them.

        Raises:
            SettingError: a value is missing, unknown or out of range; the message names it.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise SettingError(_explain(error)) from None

    def rows(self, *, brief: bool = False) -> list[tuple[str, str, str]]:
        """Name, value and reason of every setting that was decided, for people to read.

        Args:
            brief: whether to give those of :data:`ACTED_ON` only.
        """
        values = self.model_dump(exclude={"reasons"})
        rows = []
        for name, value in values.items():
            if brief and name not in ACTED_ON:
                continue
            if name in self.reasons and value is not None:
                rows.append((name.replace("_", " "), _show(value), self.reasons[name]))
            if name == "model_options":  # those with a reason of their own follow one by one
                of_options = {option: self.reasons.get(f"{name}.{option}") for option in value}
                rows += [
                    (option.replace("_", " "), _show(value[option]), reason)
                    for option, reason in of_options.items()
                    if reason is not None
                ]
        return rows

    def save(self, path: Path) -> None:
        """Write the settings as YAML, reasons last."""
        write_text(path, yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True))

    @classmethod
    def load(cls, path: Path) -> Settings:
        """Read the settings of a run."""
        return cls.make(read_yaml(path))


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds one mapping.

    Raises:
        SettingError: no such file, no YAML, or no mapping.
    """
    try:
        values = load_yaml(path.read_text(encoding="utf-8"), _SettingsLoader)
    except OSError as error:
        raise SettingError(f"{path}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingError(f"{path}: is no YAML ({' '.join(str(error).split())})") from None
    if not isinstance(values, dict):
        raise SettingError(f"{path}: expected one `setting: value` a line")
    return values


def read_overrides(config: Path | None, assignments: list[str]) -> dict[str, Any]:
    """Collect the settings given by hand, first from a YAML file, then from ``key=value`` on the command line.

    Raises:
        SettingError: an unknown setting, or an assignment without "=".
    """
    overrides = read_yaml(config) if config else {}
    overrides.pop("reasons", None)
    overrides.update(read_assignments(assignments))
    check_names(overrides)
    return overrides


def check_names(overrides: Mapping[str, Any]) -> None:
    """Make sure that all names are names of settings, that options of the model are options, and the loss a loss.

    Raises:
        SettingError: a name is not that of a setting, an option is a setting or an argument of its own, or the loss
            cannot be read.
    """
    for key in overrides:
        if key not in Settings.model_fields:
            raise SettingError(unknown_name("setting", key, Settings.model_fields))
    if isinstance(overrides.get("loss"), str):
        parse_loss(overrides["loss"])
    options = overrides.get("model_options")
    if isinstance(options, Mapping):
        try:
            _check_own(options)
        except ValueError as error:
            raise SettingError(f"model_options: {error}") from None


def _check_own(options: Mapping[str, Any]) -> None:
    """Refuse options that are arguments of :func:`pixelwise.build_model` itself; ``pretrained`` would ask the network.

    Raises:
        ValueError: one is.
    """
    for name in options:
        if name in ARGUMENTS_OF_BUILDING:
            setting = "weights" if name == "pretrained" else name
            mend = f"give the setting {setting}" if setting in Settings.model_fields else "leave it out"
            raise ValueError(f"'{name}' is no option of a model; {mend}")


def read_assignments(assignments: list[str], *, example: str = "learning_rate=0.001") -> dict[str, Any]:
    """Read ``key=value`` as given on the command line; values are YAML, such as ``0.1``, ``true`` or ``{width: 0.5}``.

    Args:
        assignments: the assignments.
        example: an example of one, for the message.

    Raises:
        SettingError: an assignment without "=", or a value that is no YAML.
    """
    values = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals or not key.strip():
            raise SettingError(f"{assignment}: expected KEY=VALUE, such as {example}", argument="set")
        try:
            values[key.strip()] = load_yaml(value, _SettingsLoader)
        except yaml.YAMLError as error:
            reason = quoted(" ".join(str(error).split()))
            raise SettingError(f"{quoted(assignment)}: is no YAML ({reason})", argument="set") from None
    return values


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    if not name:  # a rule between settings
        return f"settings do not agree: {first['msg'].removeprefix('Value error, ')}"
    if first["type"] == "extra_forbidden":
        return unknown_name("setting", name, Settings.model_fields)
    return f"setting '{name}' cannot be {quoted(first['input'])}: {first['msg'][:1].lower()}{first['msg'][1:]}"


def _show(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, tuple | list):
        printed = [_show(item) for item in value]
        return " ".join(printed if len(printed) <= 12 else [*printed[:12], "..."])
    return str(value) if value != {} else "-"
