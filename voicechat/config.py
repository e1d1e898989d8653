"""Settings: built-in defaults, then a YAML file, then `.env`, then the environment.

`VOICECHAT__ASR__DEVICE=cpu` sets `asr.device`. Every mistake is a ConfigError that names the key, where it was set,
what was found and what is allowed.
"""

import difflib
import os
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

import yaml
from dotenv import dotenv_values
from pydantic import BaseModel, ByteSize, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from voicechat.errors import ConfigError

PREFIX: Final = "VOICECHAT__"

Seconds = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Device = Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ServerSettings(Section):
    """Where we listen, and for how many."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    max_sessions: Count = 100
    setup_seconds: Seconds = 10.0
    """A WebRTC peer that is not connected by then loses its place."""
    media_silence_seconds: Seconds = 10.0
    """A connected WebRTC peer that sends no packet for this long has vanished."""
    idle_seconds: Seconds = 300.0
    """A session without speech, typing or answer for this long ends."""
    session_seconds: Seconds = 3600.0
    message_bytes: Count = 262_144
    offer_bytes: Count = 32_768
    offer_candidates: Count = 32
    offer_media_lines: Count = 3


class WaitingSettings(Section):
    """How readily the caller's voice stops an answer that is still being made; seconds of audio."""

    pause_after: Seconds = 0.06
    """Voiced sound that holds the answer back."""
    confirm: Seconds = 0.2
    """Speech that is an interruption, where something tells that it is no back-channel."""
    confirm_alone: Seconds = 0.3
    """The same where nothing tells: no spotter, and no words yet."""
    threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Probability that counts as speech; null: that of all speech."""
    min_words: Annotated[int, Field(ge=0)] = 2
    """So many words understood, back-channels left out, are an interruption at once; 0: words never are."""


class BargeInSettings(WaitingSettings):
    """Who speaks over an answer: what of it stops the answer, and what comes then."""

    first: Literal["pause", "duck"] = "pause"
    """What the first voiced sound does; with duck, the answer is paused when it proves to be speech."""
    duck_db: Annotated[float, Field(ge=0, le=60)] = 18.0
    confirm_alone: Seconds = 0.5
    release: Seconds = 0.3
    """Quiet after a pause that lets the answer go on."""
    longest_back_channel: Seconds = 1.0
    """So long a back-channel is waited for; who speaks on interrupts."""
    back_channels: tuple[str, ...] = (
        "mhm", "mm", "hmm", "uh huh", "uh", "um", "er", "erm", "ah", "oh", "okay", "ok", "right", "yeah", "yes", "yep",
        "sure", "i see", "got it", "go on", "all right", "alright", "wow", "really", "good", "great", "nice", "cool",
        "exactly", "of course",
    )  # fmt: skip
    """Said without wanting the floor."""
    stop_phrases: tuple[str, ...] = (
        "stop", "wait", "hold on", "hang on", "be quiet", "shut up", "enough", "that's enough", "pause", "never mind",
        "one moment", "excuse me",
    )  # fmt: skip
    """They interrupt at once."""
    when_empty: Literal["resume", "offer", "rest"] = "resume"
    """When nothing was said after all: say the rest of the answer, offer to, or be silent."""
    offer: str = "Shall I go on?"
    note: str = ""
    """What the agent reads after an answer that was interrupted; empty: nothing."""
    spotter: str = "auto"
    """Tells back-channels by their sound: an adapter's name; auto: the best that is present; none."""
    waiting: WaitingSettings = WaitingSettings()


class EndpointingSettings(Section):
    """How long a silence must last to end the caller's turn, by what is known of it; seconds of quiet."""

    adaptive: bool = True
    """False: always `turn.silence`, which is also what a client gets who asks for a silence of their own."""
    least: Seconds = 0.25
    """After a short answer to a question, or a sentence that was expected."""
    usual: Seconds = 0.4
    """Where nothing tells that the caller has finished, nor that they have not; grows with their own pauses."""
    most: Seconds = 1.8
    """After "and", "the", "um", and while a number is read out."""
    words: Annotated[float, Field(ge=0, le=1)] | None = None
    """How far partial transcripts are believed; null: by the recogniser, whisper 1.0 and pocketsphinx 0.4."""


class EchoSettings(Section):
    """Callers without headphones whose device does not cancel our echo."""

    gate: bool = True
    """Sound that is only our own coming back is no voice."""
    margin_db: Annotated[float, Field(ge=3, le=20)] = 7.0
    """By how much a voice must stand out from the echo; less hears softer callers and pauses more answers."""


class TurnSettings(Section):
    """Who holds the floor; seconds of audio."""

    silence: Seconds = 0.3
    """Quiet after speech that ends the caller's turn, where `endpointing` is not adaptive."""
    prefix: Seconds = 0.3
    """Sound from before the speech that the recogniser hears too."""
    start: Seconds = 0.1
    """Speech needed before the caller's turn begins."""
    max_utterance: Seconds = 30.0
    """A longer utterance is taken as finished."""
    endpointing: EndpointingSettings = EndpointingSettings()
    detector: str = ""
    """An end-of-turn model of the Smart Turn family: a path, or a name in the models' folder; empty: none."""
    preempt: bool = True
    """An answer may be begun, for nobody's ears, before it is sure that the caller has finished."""
    preempt_after: Seconds = 0.16
    """Quiet after speech that makes the end of a turn likely."""
    last_words: Seconds = 0.2
    """A voice over so little of an answer's end belongs to the next turn."""
    give_up: Annotated[float, Field(ge=5)] = 60.0
    """An answer of which nothing has come for this long is given up."""
    barge_in: BargeInSettings = BargeInSettings()
    echo: EchoSettings = EchoSettings()


class WebrtcVadSettings(Section):
    aggressiveness: Annotated[int, Field(ge=0, le=3)] = 2
    gate_db: Annotated[float, Field(ge=0, le=40)] = 6.0
    """How far above the background a sound must be to count as voice."""
    floor_db: Annotated[float, Field(ge=-100, le=0)] = -60.0
    """Nothing below this level is voice."""


class SileroSettings(Section):
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Probability from which a window counts as speech; it stays speech down to 0.15 below."""


class VadSettings(Section):
    webrtc: WebrtcVadSettings = WebrtcVadSettings()
    silero: SileroSettings = SileroSettings()


class WhisperSettings(Section):
    model: str = ""
    """A model's name, e.g. small.en, or a directory; empty: the best that is present."""
    compute_type: str = "default"
    """default: float16 or int8_float16 on a GPU that can, int8 on a processor."""
    threads: Count = 2
    """Of a processor's cores, for each worker."""
    workers: Annotated[int, Field(ge=1, le=16)] = 1
    """Readings at the same time. One is quickest where they share a processor; on a GPU each takes its own memory."""
    beam_size: Count = 1
    fitted_window: bool = False
    """Encode what was said and little more, instead of always 30 s. Far less work; not every model hears as well."""


class WhisperXSettings(Section):
    """The model, its threads and numbers are those of `whisper`."""

    batch: Annotated[int, Field(ge=1, le=64)] = 8
    """Parts of a long recording that are read at once."""
    aligner: str = ""
    """A wav2vec2 model's directory, or its name in the models' folder align/: exact times of words, by the package
    whisperx. Empty: Whisper's own, good to a tenth of a second."""


class PocketsphinxSettings(Section):
    decoders: Count = 4
    """Utterances recognised as they are spoken; of more at a time, the others are recognised when they end."""


class ScriptedAsrSettings(Section):
    text: str = "Where can I see the dinosaurs?"
    """Understood in whatever is heard."""


class AsrSettings(Section):
    engine: str = "auto"
    device: Device = "auto"
    language: str = "en"
    deadline: Seconds = 20.0
    """A step of recognition that takes longer has failed."""
    preload: tuple[str, ...] = ()
    """Models that are loaded at start beside the engine's own."""
    whisper: WhisperSettings = WhisperSettings()
    whisperx: WhisperXSettings = WhisperXSettings()
    pocketsphinx: PocketsphinxSettings = PocketsphinxSettings()
    scripted: ScriptedAsrSettings = ScriptedAsrSettings()


class FaqSettings(Section):
    file: Path | None = None
    """Questions and answers; relative to the configuration file. Empty: the built-in welcome."""
    cutoff: Annotated[float, Field(ge=0, le=100)] = 78.0
    """Likeness from which a sentence counts as a known question."""


class OpenaiSettings(Section):
    base_url: Annotated[str, Field(pattern=r"^https?://[^/\s]+")] = "http://127.0.0.1:11434/v1"
    model: str = "llama3.2"
    api_key: str = "none"
    first_token: Seconds = 10.0
    """Deadline for the first token."""
    next_token: Seconds = 5.0
    """Deadline for each token after it."""
    max_tokens: Count = 500
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.7
    speculate: bool = True
    """The server is asked while the caller may still go on (`turn.preempt`); some answers are then thrown away."""


class ScriptedAgentSettings(Section):
    sentences: Count = 5
    words: Count = 10
    """In a sentence; each is a token."""
    token: Seconds = 0.005
    """Between two of them."""
    delay: Seconds = 0.0
    """Before the first: what engines would take that take no time here."""


class AgentSettings(Section):
    engine: str = "faq"
    instructions: str = (
        "You are a friendly voice assistant. Answer in one or two short spoken sentences, without lists or markup."
    )
    greeting: str = ""
    """Spoken when a caller connects; empty: wait for them."""
    fallback: str = "Sorry, something went wrong on my side. Please ask me again."
    """Spoken when the agent fails."""
    faq: FaqSettings = FaqSettings()
    openai: OpenaiSettings = OpenaiSettings()
    scripted: ScriptedAgentSettings = ScriptedAgentSettings()


class EspeakSettings(Section):
    words_per_minute: Annotated[int, Field(ge=80, le=450)] = 165


class PiperSettings(Section):
    model: str = ""
    """A voice's name, e.g. en_US-amy-medium, or a path to its .onnx; empty: the first that is present."""
    threads: Count = 1


class TtsSettings(Section):
    engine: str = "auto"
    device: Device = "auto"
    voice: str = ""
    """The default voice; empty: the engine's first."""
    interim: str = ""
    """The model that speaks while one that is asked for loads; empty: the one that spoke before."""
    preload: tuple[str, ...] = ()
    """Models that are loaded at start beside the engine's own."""
    copies: Count = 1
    """Of the engine's own model, each on the device with the most free memory: for more than one GPU."""
    deadline: Seconds = 20.0
    """A step of synthesis that takes longer has failed."""
    workers: Count | None = None
    """Threads that speak at the same time with one engine; null: by its kind and the cores, at most four."""
    in_flight: Count = 2
    """Sentences of one answer that may be in work at the same time."""
    per_device: Count | None = None
    """Sentences in work at the same time on one device, of all engines; null: one for each core, two on a GPU."""
    espeak: EspeakSettings = EspeakSettings()
    piper: PiperSettings = PiperSettings()


class PlayoutSettings(Section):
    ahead: Annotated[float, Field(ge=0.1, le=5)] = 0.6
    """Seconds of sound that may wait for the speaker."""
    websocket_lead: Annotated[float, Field(ge=0, le=0.4)] = 0.2
    """Seconds that WebSocket callers get ahead of real time."""
    bitrate: Annotated[int, Field(ge=6_000, le=128_000)] = 32_000
    """Opus, bits a second."""
    complexity: Annotated[int, Field(ge=0, le=10)] = 5
    """Opus, 0 cheapest to 10 best."""
    fec: Literal["auto", "always", "never"] = "auto"
    """Opus packets that repair the loss of others, for callers who report losses, for all, or for none."""
    dtx: bool = False
    """Silence is not sent to WebRTC callers, but for a packet now and then."""


class TransportSettings(Section):
    media: Literal["own", "stock"] = "own"
    """The path of WebRTC sound: our own, or aiortc's as it comes, should an update of it break ours."""


class ModelSettings(Section):
    root: Path = Path("~/.local/share/voicechat/models")
    """Holds whisper/<name>/, turn/<name>.onnx, piper/<name>.onnx with its .onnx.json, and voices/<name>/."""
    hub: Annotated[str, Field(pattern=r"^(https://[^/\s]+|http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?)(/\S*)?$")] = (
        "https://huggingface.co"
    )
    """Where `models pull` fetches from: this or a mirror of it."""
    ttl: Seconds | None = 900.0
    """A model that nobody uses is unloaded after so long, preloaded or not; null: never. The default ones stay."""
    evict_interval: Annotated[float, Field(gt=0)] = 30.0
    """How often such models are looked for."""
    resident_cap: Count | None = None
    """The most models in memory; of more, the one that was used least recently is unloaded. Null: no limit."""
    memory_budget: Annotated[ByteSize, Field(ge=1)] | None = None
    """The most that models may take on each device, e.g. 8GiB; null: no limit."""
    max_parallel_loads: Count = 2


class RoutingSettings(Section):
    """Which replica of which engine speaks a reply."""

    strategy: Literal["least_loaded", "round_robin", "least_latency", "random", "weighted"] = "least_loaded"
    affinity: Annotated[str, Field(pattern=r"^(memory|rediss?://[^/\s]+\S*)$")] = "memory"
    """Where it is kept which replica speaks for a caller."""
    stale_seconds: Annotated[float, Field(gt=0)] = 60.0
    """A replica without a sign of life for so long is left out."""
    fallback: str = ""
    """The engine that speaks where no other can; empty: none."""


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"
    """auto: console on a terminal, JSON lines elsewhere."""


class Settings(Section):
    """The whole configuration, frozen."""

    server: ServerSettings = ServerSettings()
    turn: TurnSettings = TurnSettings()
    vad: VadSettings = VadSettings()
    asr: AsrSettings = AsrSettings()
    agent: AgentSettings = AgentSettings()
    tts: TtsSettings = TtsSettings()
    playout: PlayoutSettings = PlayoutSettings()
    transport: TransportSettings = TransportSettings()
    models: ModelSettings = ModelSettings()
    routing: RoutingSettings = RoutingSettings()
    log: LogSettings = LogSettings()


def load(
    path: str | Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    dotenv: str | Path = ".env",
) -> Settings:
    """The settings of a file (None: the defaults), overridden by `.env` and the environment.

    Raises ConfigError with one line for each mistake.
    """
    values = read_yaml(Path(path)) if path is not None else {}
    sources: dict[str, str] = {}
    variables = {**_read_dotenv(Path(dotenv)), **(os.environ if environ is None else environ)}
    for name, text in variables.items():
        if name.upper().startswith(PREFIX):
            key = tuple(name[len(PREFIX) :].lower().split("__"))
            _put(values, key, _scalar(text))
            sources[".".join(key)] = name
    settings = _validate(values, str(path) if path is not None else "defaults", sources)
    return _resolve(settings, Path(path).parent if path is not None else Path())


def changed(settings: Settings, changes: Mapping[str, str], source: str) -> Settings:
    """Other values, given as text as in the environment, for keys such as "turn.silence".

    Raises ConfigError with one line for each mistake; `source` says where the values were given.
    """
    values = settings.model_dump()
    for key, text in changes.items():
        _put(values, tuple(key.split(".")), _scalar(text))
    return _validate(values, source, {})


def _validate(values: dict[str, Any], where: str, sources: Mapping[str, str]) -> Settings:
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        lines = [explain(details, where, sources) for details in error.errors()]
        raise ConfigError("bad_config", "\n".join(lines)) from None


class _Loader(yaml.SafeLoader):
    """Does not let a key that comes twice hide the one before it."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        known: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in known and key.value != "<<":
                raise yaml.constructor.ConstructorError(None, None, f"'{key.value}' is there twice", key.start_mark)
            known.add(str(key.value))
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """The sections of a YAML file, {} when it is empty. Raises ConfigError with one line."""
    try:
        values = yaml.load(path.read_text(encoding="utf-8-sig"), _Loader)
    except OSError as error:
        raise ConfigError("no_config", f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        line = str(error).replace("\n", " ")
        raise ConfigError("bad_yaml", f"{path}: is not YAML: {' '.join(line.split())[:160]}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        found = type(values).__name__
        raise ConfigError("bad_yaml", f"{path}: found a {found}, sections such as 'server:' are expected")
    return values


def _read_dotenv(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    try:
        return {key: value for key, value in dotenv_values(path).items() if value is not None}
    except OSError as error:
        raise ConfigError("no_config", f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError("bad_dotenv", f"{path}: is not UTF-8 text: {error.reason} at byte {error.start}") from None


def _scalar(text: str) -> str | None:
    """An environment's text stays text, so that a key of digits is a key; pydantic reads numbers from it."""
    return None if text.strip().lower() == "null" else text


def _put(values: dict[str, Any], key: tuple[str, ...], value: Any) -> None:
    for part in key[:-1]:
        inner = values.get(part)
        values[part] = inner = dict(inner) if isinstance(inner, dict) else {}
        values = inner
    values[key[-1]] = value


def explain(
    details: ErrorDetails, where: str, sources: Mapping[str, str], schema: type[BaseModel] = Settings
) -> str:
    """One mistake as a line: where it is, what was found, and what is allowed; `sources` names keys set elsewhere."""
    key = ".".join(str(part) for part in details["loc"])
    source = next((name for path, name in sources.items() if path == key or path.startswith(key + ".")), None)
    place = f"{source}: {key}" if source else f"{where}: {key}"
    if details["type"] == "extra_forbidden":
        siblings = _fields(details["loc"][:-1], schema)
        near = difflib.get_close_matches(str(details["loc"][-1]), siblings, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"allowed here: {', '.join(siblings)}"
        return f"{place}: no such setting; {hint}"
    if details["type"] == "missing":
        return f"{place}: is missing"
    found = repr(details["input"])
    found = found if len(found) <= 60 else f"{found[:57]}..."
    return f"{place}: found {found}; {_allowed(details)}"


_PATTERNS: Final = {
    "affinity": "memory, or an address that begins with redis:// or rediss://",
    "base_url": "an address that begins with http:// or https://",
    "device": "auto, cpu, cuda or cuda:N",
    "hub": "an address that begins with https://, or http:// on this machine",
    "languages": "tags such as en or en-GB",
}
"""What a setting's pattern says, for people."""


def _allowed(details: ErrorDetails) -> str:
    """What pydantic wants, in words of our own where its are not plain."""
    match details["type"]:
        case "model_type" | "model_attributes_type":
            return "a section of settings is expected"
        case "string_pattern_mismatch" if words := _PATTERNS.get(_key(details)):
            return f"allowed: {words}"
    message = details["msg"]
    return f"{message[0].lower()}{message[1:]}".replace("input should be", "allowed:", 1)


def _key(details: ErrorDetails) -> str:
    """The setting's own name, without its place in a list."""
    return [part for part in details["loc"] if isinstance(part, str)][-1]


def _fields(location: tuple[int | str, ...], schema: type[BaseModel]) -> list[str]:
    for part in location:
        kind = schema.model_fields[str(part)].annotation
        schema = next(one for one in (kind, *get_args(kind)) if isinstance(one, type) and issubclass(one, BaseModel))
    return list(schema.model_fields)


def _resolve(settings: Settings, base: Path) -> Settings:
    """Paths made absolute: those of a file are relative to it; `~` is the home directory."""
    root = settings.models.root.expanduser()
    file = settings.agent.faq.file
    return settings.model_copy(
        update={
            "models": settings.models.model_copy(update={"root": root if root.is_absolute() else base / root}),
            "agent": settings.agent.model_copy(
                update={
                    "faq": settings.agent.faq.model_copy(
                        update={"file": None if file is None else (base / file.expanduser())}
                    )
                }
            ),
        }
    )
