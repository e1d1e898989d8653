"""A real Whisper for CTranslate2, about 1 MB, that hears one scripted sentence in any sound.

Written with ctranslate2.specs and numpy alone. All residual branches of the decoder are zero and its position encodings
are the embeddings of the script, so each step's most likely token is the next one of the script. The vocabulary has
the empty token, by which CTranslate2 4.8 knows a multilingual model.
"""

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from ctranslate2.specs import transformer_spec, whisper_spec
from numpy.typing import NDArray
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

LANGUAGES: Final = tuple(
    "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml"
    " cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am"
    " yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su".split()
)
END, START = "<|endoftext|>", "<|startoftranscript|>"
TASKS: Final = tuple(
    f"<|{task}|>" for task in ("translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps")
)
POSITIONS: Final = 448
WINDOW: Final = 1500
PROMPT: Final = 3
"""Tokens before the first answer: start, language, task."""


def build(
    directory: Path,
    say: str = " Hello, how are you?",
    *,
    language: str = "en",
    certainty: float = 1.0,
    speech: bool = True,
    multilingual: bool = True,
    width: int = 64,
    layers: int = 1,
) -> Path:
    """Writes the model into `directory`, which faster_whisper.WhisperModel loads; returns it.

    `say` begins with a space, as Whisper's texts do. With a `certainty` of 0.14 each word is a guess (logprob -0.5);
    without `speech` the model believes that nobody speaks, and says the sentence nevertheless. OpenAI's tiny has a
    `width` of 384 and 4 `layers`, its base 512 and 6: of that size it takes nearly as long as those.
    """
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(say, multilingual)
    tokenizer.save(str(directory / "tokenizer.json"))
    mel = {"feature_size": 80, "sampling_rate": 16_000, "hop_length": 160, "n_fft": 400, "chunk_length": 30}
    (directory / "preprocessor_config.json").write_text(json.dumps(mel))
    script = _script(tokenizer, say, language, speech, PROMPT if multilingual else 1)
    _model(tokenizer, script, certainty, multilingual, width, layers).save(str(directory))
    return directory


def build_translator(directory: Path, width: int = 64) -> None:
    """Writes a model of CTranslate2 that translates text, in place of one that hears."""
    random = np.random.default_rng(0)
    spec = transformer_spec.TransformerSpec.from_config((1, 1), 2)
    for half in (spec.encoder, spec.decoder):
        embeddings = half.embeddings[0] if isinstance(half.embeddings, list) else half.embeddings
        embeddings.weight = _noise(random, 4, width)
        half.position_encodings.encodings = _noise(random, WINDOW, width)
        for layer in half.layer:
            _attention(layer.self_attention, random, width, 3)
            _feed_forward(layer.ffn, random, width)
        _normal(half.layer_norm, width)
    for layer in spec.decoder.layer:
        _attention(layer.attention, random, width, 1, 2)
    _linear(spec.decoder.projection, random, 4, width)
    for register in (spec.register_source_vocabulary, spec.register_target_vocabulary):
        register(["<unk>", "<s>", "</s>", "a"])
    spec.validate()
    spec.save(str(directory))


def _tokenizer(say: str, multilingual: bool) -> Tokenizer:
    """Bytes, and each word of the script as one token.

    faster-whisper forbids the first token of " -", " '" and " ♩"; without merges that would be the space itself.
    """
    words = [word for word, _ in pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(say)]
    vocabulary = {char: number for number, char in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    merges = list(dict.fromkeys(pair for word in ("Ġ-", "Ġ'", "Ġâ", *words) for pair in _merges(word)))
    for left, right in merges:
        vocabulary.setdefault(left + right, len(vocabulary))
    if multilingual:
        vocabulary[""] = len(vocabulary)
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    languages = [f"<|{code}|>" for code in LANGUAGES] if multilingual else []
    times = [f"<|{step * 0.02:.2f}|>" for step in range(WINDOW + 1)]
    special = [END, START, *languages, *TASKS, *times]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    return tokenizer


def _merges(word: str) -> Iterator[tuple[str, str]]:
    return ((word[:end], word[end]) for end in range(1, len(word)))


def _model(
    tokenizer: Tokenizer, script: list[int], certainty: float, multilingual: bool, width: int, layers: int
) -> whisper_spec.WhisperSpec:
    random = np.random.default_rng(0)
    size = tokenizer.get_vocab_size()
    heads = max(2, width // 64)
    spec = whisper_spec.WhisperSpec(layers, heads, layers, heads)
    _encoder(spec.encoder, random, width)
    embeddings = _noise(random, size, width)
    embeddings *= np.sqrt(width) / np.linalg.norm(embeddings, axis=1, keepdims=True)
    _decoder(spec.decoder, random, embeddings, np.float32(4) * embeddings[script])
    spec.decoder.projection.weight = np.float32(certainty) * embeddings
    ids = partial(_id, tokenizer)
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = [ids(END)]
    spec.config.lang_ids = [ids(f"<|{code}|>") for code in LANGUAGES] if multilingual else []
    spec.config.alignment_heads = [(0, 0)]
    spec.register_vocabulary([tokenizer.id_to_token(number) for number in range(size)])
    spec.validate()
    spec.optimize(quantization="int8")
    return spec


def _script(tokenizer: Tokenizer, say: str, language: str, speech: bool, prompt: int) -> list[int]:
    """The token that each position makes most likely: the language, then a time, the words and the end."""
    ids = partial(_id, tokenizer)
    first = ids(f"<|{language}|>") if prompt > 1 and speech else ids("<|nospeech|>")
    start = [first] * (prompt - 1) + [ids("<|0.00|>")]
    words: Sequence[int] = tokenizer.encode(say, add_special_tokens=False).ids
    script = [*start, *words]
    return script + [ids(END)] * (POSITIONS - len(script))


def _id(tokenizer: Tokenizer, token: str) -> int:
    number = tokenizer.token_to_id(token)
    assert number is not None, token
    return number


def _encoder(encoder: Any, random: np.random.Generator, width: int) -> None:
    encoder.conv1.weight, encoder.conv1.bias = _noise(random, width, 80, 3), _noise(random, width)
    encoder.conv2.weight, encoder.conv2.bias = _noise(random, width, width, 3), _noise(random, width)
    encoder.position_encodings.encodings = _noise(random, WINDOW, width)
    _normal(encoder.layer_norm, width)
    for layer in encoder.layer:
        _attention(layer.self_attention, random, width, 3)
        _feed_forward(layer.ffn, random, width)


def _decoder(
    decoder: Any, random: np.random.Generator, embeddings: NDArray[np.float32], positions: NDArray[np.float32]
) -> None:
    width = embeddings.shape[1]
    decoder.embeddings.weight = embeddings
    decoder.position_encodings.encodings = positions
    _normal(decoder.layer_norm, width)
    for layer in decoder.layer:
        _attention(layer.self_attention, random, width, 3)
        _attention(layer.attention, random, width, 1, 2)
        _feed_forward(layer.ffn, random, width)
        for last in (layer.self_attention.linear[1], layer.attention.linear[2], layer.ffn.linear_1):
            last.weight = np.zeros_like(last.weight)
            last.bias = np.zeros_like(last.bias)


def _attention(attention: Any, random: np.random.Generator, width: int, *outputs: int) -> None:
    """Self-attention projects once to queries, keys and values, cross-attention twice; both project back at the end."""
    _normal(attention.layer_norm, width)
    for linear, times in zip(attention.linear, (*outputs, 1), strict=True):
        _linear(linear, random, times * width, width)


def _feed_forward(layer: Any, random: np.random.Generator, width: int) -> None:
    _normal(layer.layer_norm, width)
    _linear(layer.linear_0, random, 2 * width, width)
    _linear(layer.linear_1, random, width, 2 * width)


def _linear(layer: Any, random: np.random.Generator, outputs: int, inputs: int) -> None:
    layer.weight, layer.bias = _noise(random, outputs, inputs), _noise(random, outputs)


def _normal(layer: Any, width: int) -> None:
    layer.gamma, layer.beta = np.ones(width, np.float32), np.zeros(width, np.float32)


def _noise(random: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    return (0.1 * random.standard_normal(shape)).astype(np.float32)
