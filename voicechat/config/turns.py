"""Settings of the floor: `turn`, with interruptions, the end of a turn and our own echo."""

from typing import Annotated, Literal

from pydantic import Field

from voicechat.config.section import Seconds, Section, Texts


class WaitingSettings(Section):
    """How readily the caller's voice stops an answer that is still being made; seconds of audio."""

    pause_after: Seconds = 0.06
    """Voiced sound that holds the answer back."""
    confirm: Seconds = 0.2
    """Speech that is an interruption, where the spotter tells that it is no back-channel."""
    confirm_alone: Seconds = 0.3
    """The same where nothing tells: there is no spotter, or it does not know yet. No less than `confirm`."""
    threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Probability from which sound counts as speech, until it falls 0.15 below; null: that of all speech."""
    min_words: Annotated[int, Field(ge=0)] = 2
    """So many words understood, back-channels left out, are an interruption at once, and fewer leave it to the sound;
    0: words never are, but stop phrases."""


class BargeInSettings(WaitingSettings):
    """Who speaks over an answer: what of it stops the answer, and what comes then."""

    first: Literal["pause", "duck"] = "pause"
    """What the first voiced sound does; with duck, the answer is paused when it proves to be speech."""
    duck_db: Annotated[float, Field(ge=0, le=60)] = 18.0
    confirm: Seconds = 0.12
    confirm_alone: Seconds = 0.5
    release: Seconds = 0.3
    """Quiet after a pause that lets the answer go on."""
    longest_back_channel: Seconds = 1.0
    """So long a back-channel is waited for, by its sound or its words; who speaks on interrupts. No less than
    `confirm`."""
    back_channels: Texts = (
        "mhm", "mm", "hmm", "uh huh", "uh", "um", "er", "erm", "ah", "oh", "okay", "ok", "right", "yeah", "yes", "yep",
        "sure", "i see", "got it", "go on", "all right", "alright", "wow", "really", "good", "great", "nice", "cool",
        "exactly", "of course",
    )  # fmt: skip
    """Said without wanting the floor, where words are understood. The spotter knows its own, whatever is listed."""
    stop_phrases: Texts = (
        "stop", "stop it", "wait", "wait a minute", "hold on", "hang on", "be quiet", "shut up", "enough",
        "that's enough", "pause", "never mind", "one moment", "excuse me",
    )  # fmt: skip
    """They interrupt at once. Who says nothing else over an answer wants silence and is not answered."""
    when_empty: Literal["resume", "offer", "rest"] = "resume"
    """When nothing was said after all: say the rest of the answer, offer to, or be silent."""
    offer: str = "Shall I go on?"
    note: str = ""
    """What the agent reads after an answer that was interrupted; empty: nothing."""
    spotter: str = "auto"
    """Tells back-channels by their sound: an adapter's name; auto: the best that is present; none: only words do."""
    waiting: WaitingSettings = WaitingSettings()


class EndpointingSettings(Section):
    """How long a silence must last to end the caller's turn, by what is known of it; seconds of quiet."""

    adaptive: bool = True
    """False: always `turn.silence`, which is also what a client gets who asks for a silence of their own."""
    least: Seconds = 0.25
    """After a short answer to a question, or a sentence that was expected."""
    usual: Seconds = 0.34
    """Where nothing tells that the caller has finished, nor that they have not; grows with their own pauses."""
    most: Seconds = 1.8
    """After "and", "the", "um", and while a number is read out."""
    words: Annotated[float, Field(ge=0, le=1)] | None = None
    """How far partial transcripts are believed; null: by the recogniser, whisper 1.0 and pocketsphinx 0.2."""


class EchoSettings(Section):
    """Callers without headphones whose device does not cancel our echo."""

    gate: bool = True
    """Sound that is only our own coming back is no voice."""
    margin_db: Annotated[float, Field(ge=3, le=20)] = 6.5
    """By how much a voice must stand out from the echo; less hears softer callers and pauses more answers."""


class TurnSettings(Section):
    """Who holds the floor; seconds of audio."""

    silence: Seconds = 0.3
    """Quiet after speech that ends the caller's turn, where `endpointing` is not adaptive."""
    prefix: Annotated[float, Field(ge=0, le=5)] = 0.3
    """Sound from before the speech that the recogniser hears too, as far as no other utterance has it."""
    start: Seconds = 0.1
    """Clear speech that begins the caller's turn; of what is only likely to be speech it takes four times as much."""
    max_utterance: Seconds = 30.0
    """A longer utterance is taken as finished."""
    endpointing: EndpointingSettings = EndpointingSettings()
    detector: str = ""
    """An end-of-turn model of the Smart Turn family: a path, or a name in the models' folder; empty: none."""
    preempt: bool = True
    """An answer may be begun, for nobody's ears, before it is sure that the caller has finished."""
    preempt_after: Seconds = 0.16
    """Quiet after speech that makes the end of a turn likely."""
    last_words: Annotated[float, Field(ge=0, le=1)] = 0.2
    """A voice over so little of an answer's words, or over the silence after them, belongs to the next turn. Words are
    the last ones only when it is known that no more come: the agent has ended, and their sound has been made."""
    give_up: Annotated[float, Field(ge=5)] = 60.0
    """An answer of which nothing has come for this long is given up."""
    barge_in: BargeInSettings = BargeInSettings()
    echo: EchoSettings = EchoSettings()
