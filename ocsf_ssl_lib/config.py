"""The base of every configuration: frozen, refuses unknown keys and bad values, round-trips through JSON."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from ocsf_ssl_lib.errors import InputError

__all__ = ["FrozenConfig", "NamedConfig"]

C = TypeVar("C", bound="FrozenConfig")


class FrozenConfig(BaseModel):
    """An immutable, validated set of options.

    ``Config.from_dict`` turns pydantic's multi-line report into one line; ``Config(...)`` raises
    ``pydantic.ValidationError``, which is a ``ValueError`` too.

    Example:
        >>> from ocsf_ssl_lib import TrainingConfig
        >>> TrainingConfig(batch_size=128).batch_size
        128
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, validate_default=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _name_the_nearest_key(cls, values: Any) -> Any:
        """Refuse an unknown key by name, with the valid key it most resembles."""
        if isinstance(values, Mapping):
            for key in values:
                if key not in cls.model_fields:
                    near = difflib.get_close_matches(str(key), list(cls.model_fields), n=1, cutoff=0.5)
                    hint = f"did you mean {near[0]!r}?" if near else f"valid keys: {', '.join(cls.model_fields)}"
                    raise ValueError(f"unknown option {key!r}; {hint}")
        return values

    @classmethod
    def from_dict(cls: type[C], values: Mapping[str, Any]) -> C:
        """Build the config from a mapping (parsed JSON, say).

        Raises:
            InputError: an unknown key or a value out of range, named in one line.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            first = error.errors()[0]
            message = first["msg"].removeprefix("Value error, ")
            if first["loc"]:
                where = ".".join(str(part) for part in first["loc"])
                message = f"{where}: {message} (got {first['input']!r:.80})"
            raise InputError(f"{cls.__name__}: {message}") from None


class NamedConfig(FrozenConfig):
    """A config that JSON can tell from its siblings by ``name``.

    A direct subclass founds a family (encoders, say) and sets ``family``. Every subclass of it whose ``name`` has a
    default joins the family under that name, a user's own too, and ``parse`` finds it again.
    """

    name: str = ""
    family: ClassVar[dict[str, type[NamedConfig]]]

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        name = cls.model_fields["name"].default
        if isinstance(name, str) and name:
            cls.family[name] = cls

    @classmethod
    def parse(cls: type[C], value: Any) -> Any:
        """A mapping -> the config of the family that its ``name`` asks for; anything else is given back as it is.

        Raises:
            InputError: a name that no member of the family has, or a value that this member refuses.
        """
        if not isinstance(value, Mapping):
            return value
        family: dict[str, type[FrozenConfig]] = cls.family  # type: ignore[attr-defined]
        name = value.get("name", cls.model_fields["name"].default or next(iter(family)))
        if name not in family:
            near = difflib.get_close_matches(str(name), list(family), n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise InputError(f"name must be one of {', '.join(map(repr, family))}, however: {name!r}{hint}")
        return family[name].from_dict(value)
