"""One caller's state: the history, the settings, the turn, and who is told what happens."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace

from voicechat.config import TurnSettings, WaitingSettings
from voicechat.conversation import Item, ItemStatus, Kind, SessionSettings, TurnDetection
from voicechat.errors import BadMessage, VoicechatError
from voicechat.events import Event, Failed, ItemAdded, StateChanged
from voicechat.turn import Floor
from voicechat.turntaking.interjections import Interjections
from voicechat.turntaking.rules import Profile, Rules

HISTORY_ITEMS = 400
"""Older items are forgotten."""

HISTORY_CHARACTERS = 1_048_576
"""Of the text of all items; older ones are forgotten, but for the newest. A language model reads no more of them."""

PICTURES = 3
"""Of older ones only the words beside them are remembered: each may be half a megabyte, and goes to the language model
with every turn."""

Observer = Callable[[Event], None]


class Session:
    """One caller's conversation. On the loop; only the flow writes it, `pipeline` and what it is made of."""

    def __init__(
        self, id: str, settings: SessionSettings, knobs: TurnSettings, observers: Sequence[Observer] = ()
    ) -> None:
        self.id = id
        self.settings = settings
        self.history: list[Item] = []
        self.turn = 0
        self.reply: str | None = None
        """The answer that is being made or spoken."""
        self.knobs = knobs
        self.interjections = Interjections(knobs.barge_in.back_channels, knobs.barge_in.stop_phrases)
        self._observers = list(observers)
        self._ids = itertools.count(1)
        self._untold: set[str] = set()  # items that the caller's program does not know
        self.floor = Floor(self._rules())
        self._told = self.floor.state

    def emit(self, event: Event) -> None:
        """Tells every observer, in order."""
        for observe in self._observers:
            observe(event)

    def fail(self, error: VoicechatError, event_id: str | None = None, reply: str | None = None) -> None:
        """Tells that something went wrong, perhaps with an answer; the session goes on."""
        param = None
        if isinstance(error, BadMessage):
            param, event_id = error.param, error.event_id or event_id
        self.emit(Failed(error.code, error.message, param, event_id, reply))

    def tell_state(self) -> None:
        """Emits StateChanged when the floor has moved since the last time."""
        if self.floor.state is not self._told:
            self._told = self.floor.state
            self.emit(StateChanged(self._told))

    def new_id(self, kind: str) -> str:
        """An id no other item or answer of any session has, e.g. item_3f2a_7."""
        return f"{kind}_{self.id.removeprefix('sess_')}_{next(self._ids)}"

    def add(self, item: Item, after: str | None = None) -> None:
        """Put an item after the item `after`, at the front for "root", or at the end. Raises BadMessage."""
        if any(known.id == item.id for known in self.history):
            raise BadMessage("item_create_duplicate_item_id", f"there is an item {item.id} already", param="item.id")
        if after is None:
            place = len(self.history)
        else:
            place = 0 if after == "root" else self.place(after) + 1
        self.history.insert(place, item)
        self.emit(ItemAdded(item, self.previous(item.id)))
        self._forget()
        if item.pictures:
            self._forget_pictures()

    def append(self, item: Item) -> str | None:
        """Put an item of our own at the end, untold; the id of the one before it."""
        previous = self.last_id()
        self.history.append(item)
        self._forget()
        return previous

    def slip_in(self, items: Sequence[Item], before: str) -> None:
        """Put items of our own before another, or at the end where that is gone; nobody is ever told of them."""
        place = next((place for place, item in enumerate(self.history) if item.id == before), len(self.history))
        self.history[place:place] = items
        self._untold.update(item.id for item in items)
        self._forget()

    def drop(self, id: str) -> None:
        """Take an item out again that nobody was told of, if it is there."""
        self.history[:] = [item for item in self.history if item.id != id]

    def foreseen(self, item: Item) -> list[Item]:
        """The history as it will be with one more item."""
        return [*self.history, item][-HISTORY_ITEMS:]

    def _forget_pictures(self) -> None:
        left = PICTURES
        for place, item in reversed(list(enumerate(self.history))):
            if len(item.pictures) > left:
                self.history[place] = replace(item, pictures=item.pictures[len(item.pictures) - left :])
            left = max(0, left - len(item.pictures))

    def _forget(self) -> None:
        excess = len(self.history) - HISTORY_ITEMS
        characters = 0
        for place, item in reversed(list(enumerate(self.history))):
            characters += len(item.text)
            if characters > HISTORY_CHARACTERS:
                excess = max(excess, min(place, len(self.history) - 2) + 1)
                break
        if excess <= 0:
            return
        del self.history[:excess]
        while self.history and self.history[0].kind is Kind.OUTPUT:  # its call is gone
            del self.history[0]
        self._untold &= {item.id for item in self.history}

    def change(
        self, id: str, *, text: str | None = None, status: ItemStatus | None = None
    ) -> Item | None:
        """The item with a new text or status; None when it has been deleted meanwhile."""
        for place, item in enumerate(self.history):
            if item.id == id:
                changed = replace(
                    item, text=item.text if text is None else text, status=item.status if status is None else status
                )
                self.history[place] = changed
                return changed
        return None

    def remove(self, id: str) -> None:
        """Raises BadMessage when there is no such item."""
        del self.history[self.place(id, "item_delete_invalid_item_id")]

    def place(self, id: str, code: str = "item_not_found") -> int:
        """Where the item stands in the history. Raises BadMessage with the code."""
        for place, item in enumerate(self.history):
            if item.id == id:
                return place
        raise BadMessage(code, f"there is no item {id}", param="item_id")

    def previous(self, id: str) -> str | None:
        """The id of the item before, of those that are told; None for the first."""
        return self._last_told(self.history[: self.place(id)])

    def last_id(self) -> str | None:
        return self._last_told(self.history)

    def _last_told(self, items: Sequence[Item]) -> str | None:
        return next((item.id for item in reversed(items) if item.id not in self._untold), None)

    def update(self, changes: dict[str, object]) -> None:
        """Merges changes of `SessionSettings`; `turns` may be a mapping of `TurnDetection`'s fields, and `extras` adds
        to what is there."""
        turns, extras = changes.get("turns"), changes.get("extras")
        if isinstance(turns, dict):
            changes = {**changes, "turns": replace(self.settings.turns or self._detection(), **turns)}
        if isinstance(extras, tuple):
            changes = {**changes, "extras": tuple((dict(self.settings.extras) | dict(extras)).items())}
        self.settings = replace(self.settings, **changes)  # type: ignore[arg-type]  # the wire has validated them
        self.floor.rules = self._rules()

    @property
    def prefix(self) -> float:
        """Seconds of sound from before the speech that the recogniser hears too."""
        return (self.settings.turns or self._detection()).prefix

    def _detection(self) -> TurnDetection:
        return TurnDetection(silence=self.knobs.silence, prefix=self.knobs.prefix)

    def _rules(self) -> Rules:
        knobs, barge_in = self.knobs, self.knobs.barge_in
        turns = self.settings.turns
        given = turns or self._detection()
        return Rules(
            silence=given.silence,
            start=knobs.start,
            release=barge_in.release,
            longest_back_channel=barge_in.longest_back_channel,
            preempt_after=knobs.preempt_after if knobs.preempt else None,
            max_utterance=knobs.max_utterance,
            give_up=knobs.give_up,
            threshold=given.threshold,
            detects=turns is not None,
            adapts=given.adapts,
            interrupts=given.interrupt_reply,
            ducks=barge_in.first == "duck",
            speaking=_profile(barge_in),
            waiting=_profile(barge_in.waiting),
            interjections=self.interjections,
        )


def _profile(knobs: WaitingSettings) -> Profile:
    return Profile(knobs.pause_after, knobs.confirm, knobs.confirm_alone, knobs.threshold, knobs.min_words)
