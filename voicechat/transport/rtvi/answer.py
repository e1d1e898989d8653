"""One answer as RTVI tells it, from bot-llm-started to bot-stopped-speaking. No I/O.

Each clause is a segment of bot-output. It is new when its sound is handed to the speaker and completed when the next
is, some tenths of a second before its last word is heard. Of the one that an interruption cut, it is said how much
was heard.
"""

from voicechat.events import ReplyAudible, ReplyFinished, ReplyStarted, ReplyStatus, ReplyText

Message = dict[str, object]
"""A type and perhaps data; the wire adds the rest."""


class RtviAnswer:
    """Says what happens to one answer. `first` numbers its segments; `legacy` clients know no progress of them."""

    def __init__(self, started: ReplyStarted, first: int, *, legacy: bool) -> None:
        self.started = started
        self.segment = first
        """The number of the next one."""
        self._legacy = legacy
        self._clause = ""  # the segment that is being spoken
        self._before = 0  # words in those before it
        self._audible = False

    def text(self, event: ReplyText) -> list[Message]:
        told: list[Message] = [{"type": "bot-llm-text", "data": {"text": event.delta}}]
        clause = event.delta.strip()
        if not self.started.speaks or not clause:
            return told
        if self.segment_begun:
            told += self._progress(len(self._clause.split()))
            self._before += len(self._clause.split())
        else:
            told.append({"type": "bot-tts-started"})
        self._clause = clause
        self.segment += 1
        told.append({"type": "bot-tts-text", "data": {"text": clause}})
        return [*told, self._output("new", 0)]

    @property
    def segment_begun(self) -> bool:
        return bool(self._clause)

    def audible(self, event: ReplyAudible) -> list[Message]:
        self._audible = True
        return [{"type": "bot-started-speaking"}]

    def finish(self, event: ReplyFinished) -> list[Message]:
        told: list[Message] = []
        if event.status is ReplyStatus.CANCELLED:
            told.append({"type": "bot-interrupted"})
        if self.segment_begun:
            told += self._progress(len(event.item.text.split()) - self._before)
        elif event.text and not self.started.speaks:
            self.segment += 1
            told.append(self._written(event.text))
        told.append({"type": "bot-llm-stopped"})
        if self.segment_begun:
            told.append({"type": "bot-tts-stopped"})
        if self._audible:
            told.append({"type": "bot-stopped-speaking"})
        return told

    def _progress(self, words: int) -> list[Message]:
        """So many words of the clause have been heard."""
        if self._legacy:
            return []
        whole = words >= len(self._clause.split())
        return [self._output("completed" if whole else "in-progress", words)]

    def _output(self, status: str, words: int) -> Message:
        said = self._clause.split()
        if self._legacy:
            return _bot_output(self._clause, spoken=True)
        heard, rest = said[: max(0, words)], said[max(0, words) :]
        return _bot_output(
            self._clause,
            segment_id=self.segment,
            will_be_spoken=True,
            spoken_status=status,
            spoken_progress={"accumulated_text": " ".join(heard), "remaining_text": " ".join(rest)},
        )

    def _written(self, text: str) -> Message:
        if self._legacy:
            return _bot_output(text, spoken=False)
        return _bot_output(text, segment_id=self.segment, will_be_spoken=False, spoken_status="new")


def _bot_output(text: str, **data: object) -> Message:
    return {"type": "bot-output", "data": {"text": text, "aggregated_by": "sentence", **data}}
