"""The engines behind the protocols, one file each: the file's name is the adapter's name.

Each file has one function for the composition root, called on the engine's lane (it may block):

    vad/    load(settings: Settings) -> VadEngine
    asr/    load(settings: Settings, phrases: Sequence[str]) -> AsrEngine
    agent/  load(settings: Settings) -> Agent
    tts/    load(settings: Settings) -> TtsEngine

It raises AdapterUnavailable when the model or library it needs is not here, before importing anything heavy, or
EngineFailed when the model is here and broken.
"""
