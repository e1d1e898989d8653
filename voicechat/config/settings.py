"""The whole configuration: every section by its name."""

from voicechat.config.access import AccessSettings
from voicechat.config.answering import AgentSettings
from voicechat.config.doors import NameSettings, RtviSettings, WyomingSettings
from voicechat.config.hearing import AsrSettings, VadSettings
from voicechat.config.models import ModelSettings, RoutingSettings
from voicechat.config.section import Section
from voicechat.config.serving import LogSettings, PlayoutSettings, ServerSettings, TransportSettings
from voicechat.config.speaking import TtsSettings
from voicechat.config.turns import TurnSettings


class Settings(Section):
    """Frozen; without arguments, the defaults."""

    server: ServerSettings = ServerSettings()
    access: AccessSettings = AccessSettings()
    turn: TurnSettings = TurnSettings()
    vad: VadSettings = VadSettings()
    asr: AsrSettings = AsrSettings()
    agent: AgentSettings = AgentSettings()
    tts: TtsSettings = TtsSettings()
    playout: PlayoutSettings = PlayoutSettings()
    transport: TransportSettings = TransportSettings()
    names: NameSettings = NameSettings()
    rtvi: RtviSettings = RtviSettings()
    wyoming: WyomingSettings = WyomingSettings()
    models: ModelSettings = ModelSettings()
    routing: RoutingSettings = RoutingSettings()
    log: LogSettings = LogSettings()
