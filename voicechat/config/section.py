"""What every section of the settings is made of."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _split(given: object) -> object:
    """A text, as the environment has it, is a list with commas between."""
    if not isinstance(given, str):
        return given
    return [each.strip() for each in given.strip().removeprefix("[").removesuffix("]").split(",") if each.strip()]


List = BeforeValidator(_split)
"""Beside a tuple of texts, in `Annotated`."""

Seconds = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Texts = Annotated[tuple[str, ...], List]
Device = Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
