"""TLS for our own port."""

import datetime
import ssl
from pathlib import Path

from voicechat.config import Settings
from voicechat.errors import ConfigError


def context(settings: Settings) -> ssl.SSLContext | None:
    """None: the port speaks plainly. Reads two small files. Raises ConfigError."""
    certificate, key = settings.server.tls_cert, settings.server.tls_key
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        missing = "server.tls_cert" if certificate is None else "server.tls_key"
        raise ConfigError("bad_config", f"{missing}: is missing; a certificate and its key go together")
    _check_certificate(certificate)
    _check_key(key)
    secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secure.minimum_version = ssl.TLSVersion.TLSv1_2
    secure.set_alpn_protocols(["http/1.1"])
    try:
        secure.load_cert_chain(certificate, key, password=_nobody)
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or "it has a password"
        raise ConfigError("bad_config", f"server.tls_key: {key} is no key of {certificate}: {reason}") from None
    return secure


def _check_certificate(path: Path) -> None:
    from cryptography import x509  # takes a moment that a start without TLS need not wait for

    try:
        found = x509.load_pem_x509_certificate(_read("server.tls_cert", path))
    except ValueError:
        raise ConfigError("bad_config", f"server.tls_cert: {path} is no certificate in PEM") from None
    now = datetime.datetime.now(datetime.UTC)
    if found.not_valid_after_utc < now:
        raise ConfigError("bad_config", f"server.tls_cert: {path} expired on {found.not_valid_after_utc:%Y-%m-%d}")
    if found.not_valid_before_utc > now:
        raise ConfigError("bad_config", f"server.tls_cert: {path} begins on {found.not_valid_before_utc:%Y-%m-%d} only")


def _check_key(path: Path) -> None:
    _read("server.tls_key", path)
    mode = path.stat().st_mode & 0o777
    if mode & 0o007:
        raise ConfigError(
            "bad_config", f"server.tls_key: {path} has mode {mode:04o}, so everybody may read it; do: chmod 600 {path}"
        )


def _read(setting: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError("bad_config", f"{setting}: {path} cannot be read: {error.strerror}") from None


def _nobody() -> str:
    """In place of a question on the terminal, which would hold the server up for ever."""
    raise ValueError
