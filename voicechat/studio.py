"""The house at work for who holds no session: words spoken, sound understood, so many at a time."""

from voicechat.casting import Ensemble
from voicechat.config import Settings
from voicechat.models.manager import ModelManager
from voicechat.protocols import AsrEngine, Studio


def build(settings: Settings, ensemble: Ensemble, recognisers: ModelManager[AsrEngine]) -> Studio | None:
    """The studio of a house; None: it has none."""
    return None
