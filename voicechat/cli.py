"""The command line. Each command only calls the part that does the work, and imports it when it runs."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from voicechat.errors import ConfigError, VoicechatError

if TYPE_CHECKING:
    from voicechat.config import Settings
    from voicechat.terminal.inventory import Model

BAD_CONFIG: Final = 78
"""EX_CONFIG of sysexits.h."""

cli = typer.Typer(
    help="Self-hosted realtime voice chat: speak, be understood, hear an answer you can interrupt.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

models = typer.Typer(help="The models in the models' folder, and those of a running server.", no_args_is_help=True)
cli.add_typer(models, name="models")

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="Settings; without it the built-in ones.")
]

JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]
NameArgument = Annotated[str, typer.Argument(help="As `models list` shows it.")]
ServerOption = Annotated[str | None, typer.Option("--url", help="Of this running server, not of the folder here.")]
KeyOption = Annotated[str | None, typer.Option("--key", envvar="VOICECHAT_KEY", help="A key of that server.")]
RunningOption = Annotated[str, typer.Option("--url", help="The running server.")]
HERE: Final = "http://127.0.0.1:8080"


def main() -> NoReturn:
    """Run the command line. What goes wrong is a line on stderr and an exit status, never a traceback."""
    try:
        sys.exit(cli())
    except ConfigError as error:
        _complain(error)
        sys.exit(BAD_CONFIG)
    except VoicechatError as error:
        _complain(error)
        sys.exit(1)


@cli.command()
def serve(
    config: ConfigOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0: any free port.")] = None,
    tls_cert: Annotated[Path | None, typer.Option(metavar="PEM", help="A certificate, for TLS.")] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="PEM", help="Its key.")] = None,
    behind_proxy: Annotated[
        str | None, typer.Option(metavar="ADDRESS,…", help="Proxies that may ask in the name of others.")
    ] = None,
) -> None:
    """Run the server until SIGINT or SIGTERM.

    Where others reach it, which --host 0.0.0.0 means, it wants a key, and TLS or a proxy that has it.
    """
    given = {
        "server.host": host,
        "server.port": port,
        "server.tls_cert": tls_cert,
        "server.tls_key": tls_key,
        "access.behind_proxy": behind_proxy,
    }

    from voicechat import config as configuration

    changes = {key: str(value) for key, value in given.items() if value is not None}
    settings = configuration.changed(_settings(config), changes, "serve")

    from voicechat import app

    app.serve(settings)


@cli.command()
def demo(
    config: ConfigOption = None,
    out: Annotated[Path, typer.Option(help="A stereo WAV of the call: the caller left, the server right.")] = Path(
        "demo.wav"
    ),
) -> None:
    """Hold a three-turn conversation with a real server over WebRTC, and interrupt it once."""
    settings = _settings(config)

    from voicechat.terminal import demo

    demo.run(config, settings, out)


@cli.command()
def talk(
    url: Annotated[str, typer.Option(help="A running server.")] = "http://127.0.0.1:8080",
    wav: Annotated[
        Path | None, typer.Option(metavar="IN", help="Speak this WAV in place of the microphone, then end.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="OUT", help="Keep the answer as a WAV, with --wav.")] = None,
    canceller: Annotated[
        str, typer.Option(help="Takes the loudspeaker out of the microphone: auto (if it is installed), webrtc, none.")
    ] = "auto",
    key: KeyOption = None,
) -> None:
    """Talk to a running server from the terminal."""
    if out is not None and wav is None:
        raise typer.BadParameter("--out goes together with --wav")

    from voicechat.terminal import talk

    talk.run(url, wav, out, canceller, key)


@cli.command()
def say(
    text: str,
    out: Annotated[Path, typer.Option("--out", "-o", help="The WAV to write.")],
    voice: Annotated[str, typer.Option(help="One of the engine's voices.")] = "",
    config: ConfigOption = None,
) -> None:
    """Write TEXT as speech to a WAV."""
    settings = _settings(config)

    from voicechat.terminal import offline

    typer.echo(offline.say(settings, text, voice or settings.tts.voice, out))


@cli.command()
def transcribe(
    file: Annotated[Path, typer.Argument(help="A WAV at 8 to 48 kHz.")],
    words: Annotated[
        bool, typer.Option("--words", help="A line for each word, with when it is said; by the recogniser whisperx.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Print what is said in a WAV, and how sure the recogniser is."""
    settings = _settings(config)

    from voicechat.terminal import offline

    transcript = offline.transcribe(settings, file, words=words)
    for word in transcript.words if words else ():
        typer.echo(f"{word.start:.2f}\t{word.end:.2f}\t{word.text}")
    if not words:
        typer.echo(transcript.text or "(nothing understood)")
    typer.echo(f"confidence {transcript.confidence:.2f}", err=words)


@cli.command()
def tune(
    recordings: Annotated[list[Path], typer.Argument(help="WAVs at 8 to 48 kHz; a second channel is the bot.")],
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Its labels; otherwise NAME.labels.txt beside NAME.wav.")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE[,VALUE…]", help="Try these; several --set make a grid."),
    ] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.svg", help="Draw the settings side by side.")] = None,
    out: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Keep the figures, and what happened when.")
    ] = None,
    recognise: Annotated[
        bool, typer.Option("--recognise", help="Let the recogniser listen too: better, and several times slower.")
    ] = False,
    show: Annotated[bool, typer.Option("--show", help="Say what happened when, with the first setting.")] = False,
    config: ConfigOption = None,
) -> None:
    """Try turn-taking settings on recordings, faster than real time.

    A label file has a line for each label, as Audacity exports them: start, end and name between tabs, in seconds.
    Names: speech (one utterance, with its pauses), interruption (one over the bot), backchannel ("mhm"), noise, and
    bot (when it speaks; without it, it speaks from 2 s before each thing that happens over it).

    Without labels, speech with less than 1 s of silence within is one utterance; over the second channel's bot it is
    an interruption, or a back-channel when it is shorter than 0.8 s.
    """
    settings = _settings(config)

    from voicechat import clip
    from voicechat.rehearsal import tune

    for path in (plot, out):
        if path is not None:
            clip.reserve(path)
    tapes, tried = tune.run(settings, recordings, labels, changes or [], recognises=recognise)
    tune.tell(tapes, tried, show=show)
    if plot is not None:
        tune.write(plot, tune.plot(tried))
    if out is not None:
        tune.write(out, tune.as_json(tapes, tried))


@cli.command()
def check(config: Annotated[Path, typer.Argument(help="A configuration file.")]) -> None:
    """Say whether a configuration can be used."""
    settings = _settings(config)

    from voicechat import adapters, bind
    from voicechat.config import variables
    from voicechat.transport.access import keys, tls

    bind.check(settings, keys.load(settings.access.keys, variables()))
    tls.context(settings)
    adapters.choose("agent", settings.agent.engine, settings)  # reads the questions and answers; models may still come
    typer.echo(f"{config}: good")


@cli.command("key")
def make_key(
    name: Annotated[str, typer.Argument(help="Whose it is, such as kitchen.")],
    scopes: Annotated[str, typer.Argument(help="What it may do: talk, operate, metrics, with commas.")] = "talk",
) -> None:
    """Make a key. Its line for the file of keys goes to standard output, the key itself to standard error, once."""
    from voicechat.transport.access import keys

    line, secret = keys.make(name, scopes)
    typer.echo(line)
    typer.echo(f"The key, which nobody can read from that line: {secret}", err=True)


@cli.command("cert")
def make_certificate(
    names: Annotated[list[str] | None, typer.Argument(help="More names and addresses of this machine.")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="A folder; its authority is used again.")] = Path("tls"),
) -> None:
    """Make a certificate for this machine, from an authority of your own that phones can be told to trust."""
    from voicechat.terminal import certificate

    typer.echo(certificate.told(certificate.make(out, names or [])))


@models.command("list")
def list_models(
    url: ServerOption = None, key: KeyOption = None, json: JsonOption = False, config: ConfigOption = None
) -> None:
    """Show the models that there are; of a running server also what is loaded."""
    from voicechat.terminal import inventory

    found = inventory.listed(_settings(config), url, key)
    if json:
        typer.echo(inventory.as_json(found))
    else:
        inventory.tell(found)


@models.command("show")
def show_model(
    name: NameArgument,
    url: ServerOption = None,
    key: KeyOption = None,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show all that is known of a model, and everything that is wrong with it."""
    from voicechat.terminal import inventory

    model = inventory.shown(_settings(config), name, url, key)
    if json:
        typer.echo(inventory.as_json(model))
    else:
        inventory.tell_one(model)


@models.command("load")
def load_model(
    name: NameArgument, url: RunningOption = HERE, key: KeyOption = None, json: JsonOption = False
) -> None:
    """Let a running server load a model, and wait for it."""
    from voicechat.terminal import inventory

    model = inventory.load(url, name, key)
    _tell(model, json, f"{model['name']}: {model.get('state', 'loaded')}")


@models.command("unload")
def unload_model(
    name: NameArgument, url: RunningOption = HERE, key: KeyOption = None, json: JsonOption = False
) -> None:
    """Let a running server unload a model that nobody uses."""
    from voicechat.terminal import inventory

    model = inventory.unload(url, name, key)
    _tell(model, json, f"{model['name']}: {model.get('state', 'unloaded')}")


@models.command("pull")
def pull_model(
    name: Annotated[str, typer.Argument(help="A Piper voice, such as piper-en_US-amy-medium, or whisper-small.en.")],
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Fetch a model from the hub. One that was cut off goes on where it was."""
    from voicechat.terminal import inventory

    model = inventory.fetch(_settings(config), name)
    _tell(model, json, f"{model['name']}: {model['place']}, licence {model['licence'] or 'not stated'}")


def _tell(model: "Model", json: bool, line: str) -> None:
    from voicechat.terminal import inventory

    typer.echo(inventory.as_json(model) if json else line)


def _settings(path: Path | None) -> "Settings":
    """Loaded, and naming engines that exist; said before anything heavy is imported. Raises ConfigError."""
    from voicechat import adapters, config

    settings = config.load(path)
    wanted = {"asr": settings.asr.engine, "agent": settings.agent.engine, "tts": settings.tts.engine}
    mistakes = []
    for kind, engine in wanted.items():
        allowed = adapters.names(kind) if kind == "agent" else ["auto", *adapters.names(kind)]
        if engine not in allowed:
            mistakes.append(f"{path or 'defaults'}: {kind}.engine: found '{engine}'; allowed: {', '.join(allowed)}")
    if mistakes:
        raise ConfigError("bad_config", "\n".join(mistakes))
    return settings


def _complain(error: VoicechatError) -> None:
    typer.echo(error.message, err=True)
