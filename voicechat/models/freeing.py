"""How a model goes: its engine is closed on its lane, when no other lane is at work in it."""

import asyncio
from typing import Any, Final

from voicechat.models.machine import plainly
from voicechat.models.stock import Model

UNLOAD_SECONDS: Final = 20.0
"""For jobs on the model's lanes that are not over, and for the engine's own close."""


async def free(model: Model[Any], *, urgent: bool = False) -> None:
    """Closes the engine. Raises VoicechatError where it cannot.

    One that is stuck is left alone: freeing what native code works on ends the process.
    """
    for lane in model.lanes[1:]:
        await lane.run(_nothing, urgent=urgent, deadline=UNLOAD_SECONDS)
    closing = model.lanes[0].run(model.engine.close, urgent=urgent, deadline=UNLOAD_SECONDS)
    await plainly(asyncio.ensure_future(closing))


def _nothing() -> None:
    pass
