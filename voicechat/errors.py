"""Everything that can go wrong, as one tree.

    VoicechatError
    ├── ConfigError              the operator's settings; exit status 78
    ├── AdapterError
    │   ├── AdapterUnavailable   an engine that cannot be loaded here: no model, no library
    │   ├── NoReplica            no loaded engine can do what a reply needs
    │   ├── ModelBusy            a model that cannot be unloaded now: it is in use, or has to stay
    │   └── EngineFailed         a loaded engine that broke or ran past its deadline
    ├── NoRoom                   the server is full (503)
    ├── AgentError               no answer could be had; worth another try
    ├── ToolFailed               a tool gave no result; the agent is told
    ├── PeerError
    │   ├── BadOffer             an SDP offer we refuse
    │   ├── BadMessage           a message we cannot take
    │   └── NotAllowed           somebody who may not do this here
    └── IllegalMove              a bug: the floor was asked for a move it does not know
"""

from collections.abc import Mapping


class VoicechatError(Exception):
    """Base of the tree.

    `code` is for programs and never changes its meaning; `message` is for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class ConfigError(VoicechatError):
    """A setting that cannot be used: its key, what was found and what is allowed."""


class AdapterError(VoicechatError):
    """An engine did not do its work."""


class AdapterUnavailable(AdapterError):
    """An engine that cannot be loaded on this machine, and why."""


class EngineFailed(AdapterError):
    """A loaded engine that raised, or ran past its deadline."""


class ModelBusy(AdapterError):
    """A model that cannot be unloaded now, and why."""


class NoReplica(AdapterError):
    """No replica fits a wish; `excluded` says how many each requirement left out."""

    def __init__(self, message: str, excluded: Mapping[str, int]) -> None:
        super().__init__("no_replica", message)
        self.excluded = excluded


class NoRoom(VoicechatError):
    """All places are taken; `retry_after` says in how many seconds to ask again."""

    def __init__(self, message: str, retry_after: int = 5) -> None:
        super().__init__("server_full", message)
        self.retry_after = retry_after


class AgentError(VoicechatError):
    """The agent gave no answer; asking again may help."""


class ToolFailed(VoicechatError):
    """A tool broke, refused or ran past its deadline, and why."""


class PeerError(VoicechatError):
    """The far end sent something we cannot take."""


class BadOffer(PeerError):
    """A session description that is malformed, too large or offers nothing we speak."""


class BadMessage(PeerError):
    """A message that is malformed, too large or out of place.

    `param` names the offending field, `event_id` the client's own id for the message.
    """

    def __init__(
        self, code: str, message: str, *, param: str | None = None, event_id: str | None = None
    ) -> None:
        super().__init__(code, message)
        self.param = param
        self.event_id = event_id


class NotAllowed(PeerError):
    """Who asks may not, by key, address or origin.

    `code` is invalid_api_key, insufficient_scope, foreign_origin, unknown_host, not_by_proxy or too_many_attempts.
    """


class IllegalMove(VoicechatError):
    """The floor was asked for a move that its table does not have."""
