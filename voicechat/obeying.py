"""What a caller's program asks, done: the history, the settings and the answer by command."""

from collections.abc import Callable

from voicechat.answering import Answering
from voicechat.commands import (
    AddItem,
    CancelReply,
    ClearOutput,
    Command,
    CreateReply,
    DeleteItem,
    RetrieveItem,
    TruncateItem,
    UpdateSettings,
)
from voicechat.errors import BadMessage, VoicechatError
from voicechat.events import DraftFate, ItemDeleted, ItemRetrieved, ItemTruncated, SettingsChanged
from voicechat.session import Session


class Obeying:
    """One session's. `create` makes an answer, now or when the caller has been understood; `hurry` is told how soon
    the program wants a turn to end.
    """

    def __init__(
        self,
        session: Session,
        answering: Answering,
        *,
        create: Callable[[CreateReply], None],
        hurry: Callable[[str], None],
    ) -> None:
        self._session, self._answering = session, answering
        self._make_answer, self._hurry = create, hurry

    def obey(self, command: Command) -> None:
        """Does what a command asks; what cannot be done is told and changes nothing."""
        session = self._session
        try:
            match command:
                case UpdateSettings():
                    self._update(command)
                case AddItem():
                    session.add(command.item, command.after)
                case RetrieveItem():
                    session.emit(ItemRetrieved(session.history[session.place(command.item)]))
                case DeleteItem():
                    session.remove(command.item)
                    session.emit(ItemDeleted(command.item))
                case TruncateItem():
                    self._truncate(command)
                case CreateReply():
                    self._create(command)
                case CancelReply():
                    self._cancel(command)
                case ClearOutput():
                    self._answering.hush()
        except VoicechatError as error:
            session.fail(error, command.event_id)

    def _update(self, command: UpdateSettings) -> None:
        session = self._session
        self._answering.discard(DraftFate.CHANGED)
        session.update(dict(command.changes))
        turns = session.settings.turns
        self._hurry(turns.eagerness if turns and turns.kind == "semantic_vad" else "auto")
        session.emit(SettingsChanged(session.settings))

    def _create(self, command: CreateReply) -> None:
        if (reply := self._answering.reply) is not None:
            raise BadMessage(
                "conversation_already_has_active_response", f"the answer {reply.id} is not over: cancel it first"
            )
        self._make_answer(command)

    def _cancel(self, command: CancelReply) -> None:
        reply = self._answering.reply
        if reply is None or command.reply not in (None, reply.id):
            raise BadMessage("response_cancel_not_active", "there is no such answer to cancel", param="response_id")
        self._answering.hush()

    def _truncate(self, command: TruncateItem) -> None:
        session, answering = self._session, self._answering
        item = session.history[session.place(command.item)]
        if answering.reply is not None and answering.reply.item.id == item.id:
            answering.hush()
        heard = answering.heard(item.id, command.end) if item.spoken else None
        if heard is None:
            raise BadMessage("invalid_value", f"{item.id} is not a recent spoken answer", param="item_id")
        changed = session.change(item.id, text=heard.text) or item
        session.emit(ItemTruncated(changed, command.end))
