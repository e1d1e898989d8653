"""What a caller's program asks, done: the history, the settings and the answer by command."""

from collections.abc import Callable
from dataclasses import replace

from voicechat.answering import Answering
from voicechat.audio import AudioFrame
from voicechat.commands import (
    AddItem,
    Ask,
    CancelReply,
    ClearOutput,
    Command,
    CreateReply,
    DeleteItem,
    GiveResult,
    RetrieveItem,
    TruncateItem,
    UpdateSettings,
)
from voicechat.conversation import Item, Kind, Role
from voicechat.errors import BadMessage, VoicechatError
from voicechat.events import DraftFate, ItemDeleted, ItemRetrieved, ItemTruncated, SettingsChanged, ToolsListed
from voicechat.session import Session
from voicechat.turntaking.pairs import awaited


class Obeying:
    """One session's. `create` makes an answer, now or as soon as the caller has been understood and the answer under
    way is over, and `owed` says whether one waits for that; `hurry` is told how soon the program wants a turn to end;
    `listen` understands the sound of a new item, if it has any.
    """

    def __init__(
        self,
        session: Session,
        answering: Answering,
        *,
        create: Callable[[CreateReply], None],
        owed: Callable[[], bool],
        hurry: Callable[[str], None],
        listen: Callable[[Item, AudioFrame | None], None],
    ) -> None:
        self._session, self._answering = session, answering
        self._make_answer, self._owed, self._hurry, self._listen = create, owed, hurry, listen

    def obey(self, command: Command) -> None:
        """Does what a command asks; what cannot be done is told and changes nothing."""
        session = self._session
        try:
            match command:
                case UpdateSettings():
                    self._update(command)
                case AddItem():
                    session.add(command.item, command.after)
                    self._listen(command.item, command.sound)
                case RetrieveItem():
                    place = session.place(command.item, "item_retrieve_invalid_item_id")
                    session.emit(ItemRetrieved(session.history[place]))
                case DeleteItem():
                    session.remove(command.item)
                    session.emit(ItemDeleted(command.item))
                case TruncateItem():
                    self._truncate(command)
                case CreateReply():
                    self._create(command)
                case Ask():
                    self._ask(command)
                case GiveResult():
                    self._give_result(command)
                case CancelReply():
                    self._cancel(command)
                case ClearOutput():
                    self._answering.hush()
        except VoicechatError as error:
            session.fail(error, command.event_id)

    def _update(self, command: UpdateSettings) -> None:
        session = self._session
        self._answering.discard(DraftFate.CHANGED)
        known = (session.settings.labels, session.settings.allowed)
        session.update(dict(command.changes))
        if not session.settings.answers:
            self._answering.fall_silent()
        turns = session.settings.turns
        self._hurry(turns.eagerness if turns and turns.kind == "semantic_vad" else "auto")
        session.emit(SettingsChanged(session.settings))
        if (session.settings.labels, session.settings.allowed) != known:
            for label in session.settings.labels:
                tools = self._answering.tools(label)
                session.emit(ToolsListed(session.new_id("item"), label, tools, session.last_id()))

    def _create(self, command: CreateReply) -> None:
        self._check_answers()
        if command.items is not None:
            command = replace(command, items=tuple(map(self._known, command.items)))
        if self._answering.put_in(command):
            return
        reply = self._answering.reply
        if self._owed() or (reply is not None and not reply.calls):  # what it has called for may be there already
            name = "that was asked for before" if reply is None else reply.id
            message = f"the answer {name} is not over: cancel it first"
            raise BadMessage("conversation_already_has_active_response", message)
        self._make_answer(command)

    def _known(self, item: Item | str) -> Item:
        """The item, or that of the history with this id."""
        return self._session.history[self._session.place(item)] if isinstance(item, str) else item

    def _check_answers(self) -> None:
        if not self._session.settings.answers:
            raise BadMessage("response_not_available", "this session only transcribes: nothing is answered in it")

    def _ask(self, command: Ask) -> None:
        self._check_answers()
        self._answering.give_way(command.text)
        self._session.add(Item(self._session.new_id("item"), Role.USER, command.text))
        self._make_answer(CreateReply(speaks=command.speaks))

    def _give_result(self, command: GiveResult) -> None:
        session = self._session
        if not any(item.kind is Kind.CALL and item.call == command.call for item in session.history):
            raise BadMessage("call_not_found", f"no tool was called as {command.call[:64]!r}", param="call_id")
        result = Item(session.new_id("item"), Role.USER, command.output, kind=Kind.OUTPUT, call=command.call)
        session.add(result)
        if session.settings.answers and not awaited(session.history):
            self._make_answer(CreateReply())

    def _cancel(self, command: CancelReply) -> None:
        if not self._answering.cancel(command.reply):
            message = "Cancellation failed: there is no such answer"  # the beginning is known to clients
            raise BadMessage("response_cancel_not_active", message, param="response_id")

    def _truncate(self, command: TruncateItem) -> None:
        session, answering = self._session, self._answering
        item = session.history[session.place(command.item, "item_truncate_invalid_item_id")]
        if answering.reply is not None and answering.reply.item.id == item.id:
            answering.hush()
        heard = answering.heard(item.id, command.end) if item.spoken else None
        if heard is None:
            raise BadMessage("invalid_value", f"{item.id} is not a recent spoken answer", param="item_id")
        changed = session.change(item.id, text=heard.text) or item
        session.emit(ItemTruncated(changed, command.end))
