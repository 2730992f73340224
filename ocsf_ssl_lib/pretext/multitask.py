"""Several pretext tasks over one encoder: a weighted sum of their losses.

SubTab and SAINT mix contrastive learning and reconstruction in this way (Somepalli et al., "SAINT", section 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field, SerializeAsAny, field_validator, model_validator
from torch import Tensor, nn

from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.features import Batch, OCSFDataset
from ocsf_ssl_lib.pretext.base import SSLConfig, SSLModel
from ocsf_ssl_lib.pretext.contrastive import ContrastiveConfig
from ocsf_ssl_lib.pretext.masked import MaskedFeatureConfig

__all__ = ["MultiTaskConfig", "MultiTaskModel"]


class MultiTaskConfig(SSLConfig):
    """Options of ``MultiTaskModel``.

    The tasks' own ``encoder_config``, ``learning_rate`` and ``seed`` are not used. ``protected`` is handed on to the
    tasks that make views and have none of their own.
    """

    name: Literal["multitask"] = "multitask"
    tasks: tuple[SerializeAsAny[SSLConfig], ...] = Field(
        default_factory=lambda: (ContrastiveConfig(), MaskedFeatureConfig()),
        min_length=1,
        description="the configs of the tasks",
    )
    weights: tuple[float, ...] | None = Field(
        default=None, description="of each task's loss in the sum; None = all equal"
    )

    @field_validator("tasks", mode="before")
    @classmethod
    def _tasks_by_name(cls, value: Any) -> Any:
        return tuple(SSLConfig.parse(v) for v in value) if isinstance(value, list | tuple) else value

    @model_validator(mode="after")
    def _fits(self) -> MultiTaskConfig:
        if self.weights is not None and len(self.weights) != len(self.tasks):
            raise ValueError(f"{len(self.tasks)} tasks and {len(self.weights)} weights; give one weight for each task")
        if self.weights is not None and not (min(self.weights) >= 0 and sum(self.weights) > 0):
            raise ValueError(f"weights must not be negative, and one must be positive, however: {self.weights}")
        return self


class MultiTaskModel(SSLModel):
    """Models of several tasks that share one encoder.

    Args:
        tasks: models whose ``encoder`` is one and the same module.
        config: see ``MultiTaskConfig``.

    Raises:
        InputError: no task, or tasks with different encoders.
    """

    config_class: ClassVar[type[SSLConfig]] = MultiTaskConfig
    makes_views: ClassVar[bool] = True  # handed on to those tasks that do
    config: MultiTaskConfig

    def __init__(self, tasks: Sequence[SSLModel], config: MultiTaskConfig | None = None) -> None:
        if not tasks or any(task.encoder is not tasks[0].encoder for task in tasks):
            raise InputError("the tasks of a MultiTaskModel must share one encoder; build all of them around it")
        if config is None:
            configs = tuple(task.config for task in tasks)
            config = MultiTaskConfig(tasks=configs, encoder_config=configs[0].encoder_config)
        super().__init__(tasks[0].encoder, None, config)
        self.tasks = nn.ModuleList(tasks)
        self.register_state_dict_post_hook(_encoder_once)
        self.register_load_state_dict_pre_hook(_encoder_for_each)

    @classmethod
    def from_config(cls, config: Any, encoder: nn.Module, feature_names: Sequence[str]) -> MultiTaskModel:
        """See ``SSLModel.from_config``."""
        tasks = []
        for task in config.tasks:
            if task.name not in SSLModel.registry:
                raise InputError(f"no task has the name {task.name!r}; there are {', '.join(SSLModel.registry)}")
            if config.protected and not task.protected and SSLModel.registry[task.name].makes_views:
                task = task.model_copy(update={"protected": config.protected})
            tasks.append(SSLModel.registry[task.name].from_config(task, encoder, feature_names))
        return cls(tasks, config)

    def prepare(self, train: OCSFDataset) -> None:
        """Prepare each task."""
        for task in self.tasks:
            task.prepare(train)  # type: ignore[operator]

    def start_epoch(self, epoch: int) -> None:
        """Tell each task."""
        for task in self.tasks:
            task.start_epoch(epoch)  # type: ignore[operator]

    def calculate_loss(self, batch: Batch, generator: torch.Generator | None = None) -> Tensor:
        """Weighted sum of the tasks' losses, divided by the sum of the weights."""
        weights = self.config.weights or (1.0,) * len(self.tasks)
        losses = [w * task.calculate_loss(batch, generator) for w, task in zip(weights, self.tasks, strict=True)]  # type: ignore[operator]
        return torch.stack(losses).sum() / sum(weights)

    @torch.no_grad()
    def calculate_metrics(self, batch: Batch, generator: torch.Generator | None = None) -> dict[str, float]:
        """The metrics of each task, ``name.metric``; ``name[place].metric`` if there are two of one kind."""
        metrics: dict[str, float] = {}
        names = [task.name for task in self.config.tasks]
        for place, (name, task) in enumerate(zip(names, self.tasks, strict=True)):
            found: dict[str, float] = task.calculate_metrics(batch, generator)  # type: ignore[operator]
            label = name if names.count(name) == 1 else f"{name}[{place}]"
            metrics |= {f"{label}.{key}": value for key, value in found.items()}
        return metrics

    def cell_surprise(self, batch: Batch) -> Tensor:
        """That of the first task that has one.

        Raises:
            InputError: none of the tasks predicts cells.
        """
        for task in self.tasks:
            if hasattr(task, "cell_surprise"):
                return task.cell_surprise(batch)  # type: ignore[operator]
        raise InputError("none of the tasks predicts cells, so there is no likelihood; add a masked or denoising task")


def _encoder_once(model: nn.Module, state: dict[str, Any], prefix: str, metadata: Any) -> None:
    """The shared encoder would stand in the weights once more for each task."""
    copies = tuple(f"{prefix}tasks.{place}.encoder." for place in range(len(model.tasks)))  # type: ignore[arg-type]
    for key in [key for key in state if key.startswith(copies)]:
        del state[key]


def _encoder_for_each(model: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """The inverse of ``_encoder_once``."""
    shared = {k[len(prefix) :]: v for k, v in state.items() if k.startswith(f"{prefix}encoder.")}
    for place in range(len(model.tasks)):  # type: ignore[arg-type]
        state |= {f"{prefix}tasks.{place}.{key}": value for key, value in shared.items()}
