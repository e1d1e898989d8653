"""Functions as an operator might write them."""

import asyncio
import threading
from typing import Annotated, Any, Literal

from pydantic import Field

started, ended = asyncio.Event(), asyncio.Event()
gate = threading.Event()


def weather(city: Annotated[str, Field(description="Its name")], unit: Literal["c", "f"] = "c") -> dict[str, Any]:
    """Tells the weather.

    This is for programmers.
    """
    if city == "Atlantis":
        raise ValueError("no such city")
    return {"city": city, "unit": unit, "thread": threading.current_thread().name}


async def slow() -> str:
    """Takes its time."""
    started.set()
    try:
        await asyncio.sleep(30)
    finally:
        ended.set()
    return "done"


def stuck() -> str:
    gate.wait(30)
    return "free"


def broken() -> None:
    raise KeyError("password=swordfish")


def odd() -> object:
    return object()


def loose(**anything: Any) -> str:
    return str(anything)


def unknown(value: "NoSuchType") -> str:  # type: ignore[name-defined]  # noqa: F821
    return str(value)


number = 42
