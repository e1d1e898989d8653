"""Settings: what may be set, what holds unless it is, and where it is read from."""

from voicechat.config.access import AccessSettings
from voicechat.config.answering import AgentSettings, OpenaiSettings, ScriptedAgentSettings
from voicechat.config.doors import NameSettings, RtviSettings, WyomingSettings
from voicechat.config.hearing import AsrSettings, VadSettings, WebrtcVadSettings
from voicechat.config.models import ModelSettings, RoutingSettings
from voicechat.config.serving import LogSettings, PlayoutSettings, ServerSettings, TransportSettings
from voicechat.config.settings import Settings
from voicechat.config.sources import changed, load, variables
from voicechat.config.speaking import EspeakSettings, PiperSettings, TtsSettings
from voicechat.config.tools import FunctionSettings, McpSettings, ToolSettings
from voicechat.config.turns import BargeInSettings, EndpointingSettings, TurnSettings, WaitingSettings

__all__ = [
    "AccessSettings",
    "AgentSettings",
    "AsrSettings",
    "BargeInSettings",
    "EndpointingSettings",
    "EspeakSettings",
    "FunctionSettings",
    "LogSettings",
    "McpSettings",
    "ModelSettings",
    "NameSettings",
    "OpenaiSettings",
    "PiperSettings",
    "PlayoutSettings",
    "RoutingSettings",
    "RtviSettings",
    "ScriptedAgentSettings",
    "ServerSettings",
    "Settings",
    "ToolSettings",
    "TransportSettings",
    "TtsSettings",
    "TurnSettings",
    "VadSettings",
    "WaitingSettings",
    "WebrtcVadSettings",
    "WyomingSettings",
    "changed",
    "load",
    "variables",
]
