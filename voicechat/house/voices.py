"""All that can speak here: the models that do, their workers, and who chooses between them."""

from collections.abc import Callable

from voicechat.config import Settings
from voicechat.ensemble import Ensemble
from voicechat.errors import ConfigError
from voicechat.house.engines import Engines
from voicechat.metrics import Metrics
from voicechat.models.stock import Model
from voicechat.placement import Router
from voicechat.placement.affinity import Affinity
from voicechat.pool import Pool, Spoken, places_on, workers_for
from voicechat.protocols import TtsEngine
from voicechat.turnstile import Turnstile, Worker


def gathered(settings: Settings, engines: Engines, affinity: Affinity, metrics: Metrics) -> Ensemble:
    """The house's voices. All their workers pass one turnstile, since they share the devices."""
    turnstile = Turnstile(lambda device: places_on(device, settings.tts.per_device))

    def pool(model: Model[TtsEngine], tell: Callable[[Spoken], None]) -> Pool:
        lanes = model.lanes[: workers_for(model.engine, settings.tts.workers)]
        workers = [Worker(model.engine, lane, model.device) for lane in lanes]
        return Pool(workers, turnstile, [metrics.observe_synthesis, tell])

    routing = settings.routing
    router = Router(
        routing.strategy,
        stale_seconds=routing.stale_seconds,
        fallback=routing.fallback,
        observers=[metrics.observe_routing],
    )
    return Ensemble(
        engines.tts, router, affinity, pool=pool, interim=settings.tts.interim, alias=engines.shelf.alias
    )


def check(ensemble: Ensemble, wanted: str) -> None:
    """Raises ConfigError where nobody has the voice.

    A caller who asks for a voice that is not there gets the default; an operator is told.
    """
    if ensemble.find(wanted) is None:
        names = [voice.name for voice in ensemble.any().model.engine.voices]
        allowed = f"allowed with {ensemble.models.default}: {', '.join(names)}"
        raise ConfigError("bad_config", f"tts.voice: found '{wanted}'; {allowed}")
