"""The caller says nothing after an answer, for longer than their program expects."""

from voicechat.events import State


class LongSilence:
    """Counts from the end of each answer, in seconds of sound; nothing but silence may follow it."""

    def __init__(self) -> None:
        self._since: float | None = None

    def begin(self, clock: float) -> None:
        """An answer is over."""
        self._since = clock

    def hear(self, state: State, clock: float, limit: float | None) -> float | None:
        """When the silence began, once it has lasted for the limit; None: it has not, or there is no limit."""
        if state is not State.IDLE:
            self._since = None
        since = self._since
        if since is None or limit is None or clock - since < limit:
            return None
        self._since = None
        return since
