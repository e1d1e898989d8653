"""The whole configuration: every section by its name."""

from voicechat.config.answering import AgentSettings
from voicechat.config.hearing import AsrSettings, VadSettings
from voicechat.config.models import ModelSettings, RoutingSettings
from voicechat.config.section import Section
from voicechat.config.serving import LogSettings, PlayoutSettings, ServerSettings, TransportSettings
from voicechat.config.speaking import TtsSettings
from voicechat.config.turns import TurnSettings


class Settings(Section):
    """Frozen; without arguments, the defaults."""

    server: ServerSettings = ServerSettings()
    turn: TurnSettings = TurnSettings()
    vad: VadSettings = VadSettings()
    asr: AsrSettings = AsrSettings()
    agent: AgentSettings = AgentSettings()
    tts: TtsSettings = TtsSettings()
    playout: PlayoutSettings = PlayoutSettings()
    transport: TransportSettings = TransportSettings()
    models: ModelSettings = ModelSettings()
    routing: RoutingSettings = RoutingSettings()
    log: LogSettings = LogSettings()
