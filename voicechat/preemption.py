"""An answer drafted before it is sure that the caller has finished: used if they had, thrown away if not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from voicechat.conversation import Item, SessionSettings
from voicechat.draft import Draft
from voicechat.events import DraftDecided, DraftFate
from voicechat.words.spoken import plain

MOST: Final = 3
"""Drafts for one utterance. Who pauses more often may go on once more."""


@dataclass(frozen=True, slots=True)
class _Bet:
    """What the agent was asked, and what has come of it so far."""

    history: Sequence[Item]
    settings: SessionSettings
    draft: Draft

    def is_of(self, history: Sequence[Item], settings: SessionSettings) -> bool:
        """Whether the same is asked now. Of what was said last only the words matter."""
        return (
            settings == self.settings
            and list(history[:-1]) == list(self.history[:-1])
            and [(item.role, plain(item.text)) for item in history[-1:]]
            == [(item.role, plain(item.text)) for item in self.history[-1:]]
        )


class Preemption:
    """One session's; holds at most one draft. `tell` is told what became of each."""

    def __init__(self, tell: Callable[[DraftDecided], None]) -> None:
        self._tell = tell
        self._bet: _Bet | None = None
        self._utterance = ""
        self._count = 0

    def bet(
        self, utterance: str, history: Sequence[Item], settings: SessionSettings, make: Callable[[], Draft]
    ) -> None:
        """Has a draft made of what the caller has said by now, unless this utterance had too many."""
        self.discard(DraftFate.CHANGED)
        self._count = self._count + 1 if utterance == self._utterance else 1
        self._utterance = utterance
        if self._count <= MOST:
            self._bet = _Bet(history, settings, make())

    def claim(self, history: Sequence[Item], settings: SessionSettings) -> Draft | None:
        """The draft, released, if this is what it answers and nothing has failed; otherwise it is thrown away."""
        bet = self._bet
        if bet is None:
            return None
        if bet.draft.error is None and bet.is_of(history, settings):
            self._bet = None
            bet.draft.release()
            self._tell(DraftDecided(DraftFate.USED))
            return bet.draft
        self.discard(DraftFate.CHANGED if bet.draft.error is None else DraftFate.FAILED)
        return None

    def discard(self, fate: DraftFate) -> None:
        """The draft is of no use, if there is one."""
        bet, self._bet = self._bet, None
        if bet is not None:
            bet.draft.drop()
            self._tell(DraftDecided(fate))
