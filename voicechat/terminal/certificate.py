"""A certificate authority of one's own, and a certificate from it: phones allow the microphone on secure pages only.

The authority can vouch for private addresses and local names, and for those it was made with; whoever steals its key
can pose as no other site. Blocking.
"""

import datetime
import ipaddress
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aioice.ice import get_host_addresses
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from voicechat.errors import VoicechatError

AUTHORITY_DAYS: Final = 3650
CERTIFICATE_DAYS: Final = 397
"""Longer ones are refused by some browsers."""

EARLIER: Final = datetime.timedelta(hours=1)
"""For clocks that are slow."""

_LOCAL_NAMES: Final = ("localhost", "local", "lan", "home", "internal", "home.arpa", "test")
_LOCAL_NETWORKS: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10"),
            *("::1/128", "fc00::/7", "fe80::/10"),
        ),
    )
)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Made:
    """Where everything lies, what it is good for, and until when."""

    authority: Path
    certificate: Path
    key: Path
    names: Sequence[str]
    until: datetime.datetime


@dataclass(frozen=True, slots=True)
class _Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def make(folder: Path, names: Sequence[str], now: datetime.datetime | None = None) -> Made:
    """Writes ca.pem, ca.key, server.pem and server.key; an authority that is there is kept. Raises VoicechatError."""
    now = now or datetime.datetime.now(datetime.UTC)
    wanted, own = [_checked(name) for name in names], here()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        authority = _authority(folder, [*wanted, *own], now)
        _check_cover(authority.certificate, wanted, folder)
        wanted += [name for name in own if name not in wanted and _covers(authority.certificate, name)]
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(authority, key, wanted, now)
        _write(folder / "server.key", _private(key), 0o600)
        _write(folder / "server.pem", _public(certificate) + _public(authority.certificate), 0o644)
    except OSError as error:
        raise VoicechatError("cannot_write", f"{error.filename or folder}: {error.strerror}") from None
    until = certificate.not_valid_after_utc
    return Made(folder / "ca.pem", folder / "server.pem", folder / "server.key", wanted, until)


def told(made: Made) -> str:
    """What was made, and what to do with it."""
    return f"""\
{made.certificate}  until {made.until:%Y-%m-%d}, for {", ".join(made.names)}
{made.key}  its key
{made.authority}  the authority behind it

Serve with it, and with a key (voicechat key NAME >> keys.txt; chmod 600 keys.txt):
  VOICECHAT__ACCESS__KEYS=keys.txt VOICECHAT__ACCESS__HOSTS={",".join(filter(_is_asked, made.names))} \\
  voicechat serve --host 0.0.0.0 --tls-cert {made.certificate} --tls-key {made.key}

Every phone and computer that opens the page has to trust the authority, once. Send it ca.pem, and never ca.key:
  iPhone, iPad   open it; Settings: Profile Downloaded: Install; then
                 Settings: General: About: Certificate Trust Settings: switch it on
  Android        Settings: Security: Encryption & credentials: Install a certificate: CA certificate
  Firefox        Settings: Privacy & Security: View Certificates: Authorities: Import
  Chrome         chrome://certificate-manager: Custom: Installed by you: Trusted Certificates: Import
"""


def _is_asked(name: str) -> bool:
    """Whether the server has to be told of the name: it knows addresses and localhost."""
    return _address(name) is None and name != "localhost"


def here() -> list[str]:
    """This machine's names, and its addresses in private networks."""
    name = socket.gethostname().partition(".")[0].lower()
    own = [name, f"{name}.local"] if _is_name(name) and name != "localhost" else []
    addresses = [each.partition("%")[0] for each in get_host_addresses(use_ipv4=True, use_ipv6=True)]
    return [*own, "localhost", "127.0.0.1", "::1", *(each for each in addresses if _is_local(each))]


def _authority(folder: Path, names: Sequence[str], now: datetime.datetime) -> _Authority:
    """The one in the folder, or a new one, which may also vouch for `names`."""
    certificate, key = folder / "ca.pem", folder / "ca.key"
    if not certificate.exists() and not key.exists():
        made = _new_authority(names, now)
        _write(key, _private(made.key), 0o600)
        _write(certificate, _public(made.certificate), 0o644)
        return made
    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        private = serialization.load_pem_private_key(key.read_bytes(), None)
    except (ValueError, TypeError):
        raise VoicechatError("bad_authority", f"{folder}: ca.pem and ca.key are no authority of ours") from None
    if not isinstance(private, ec.EllipticCurvePrivateKey) or private.public_key() != found.public_key():
        raise VoicechatError("bad_authority", f"{folder}: ca.key is not the key of ca.pem")
    if found.not_valid_after_utc <= now:
        raise VoicechatError("bad_authority", f"{certificate} expired; remove it and ca.key to begin anew")
    return _Authority(found, private)


def _new_authority(names: Sequence[str], now: datetime.datetime) -> _Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"voicechat on {names[0]}"[:64])])
    permitted: list[x509.GeneralName] = [x509.DNSName(name) for name in _LOCAL_NAMES]
    permitted += [x509.IPAddress(network) for network in _LOCAL_NETWORKS]
    permitted += [_limit(name) for name in names if not _is_local(name)]
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(now + datetime.timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints(permitted, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return _Authority(builder.sign(key, hashes.SHA256()), key)


def _certificate(
    authority: _Authority, key: ec.EllipticCurvePrivateKey, names: Sequence[str], now: datetime.datetime
) -> x509.Certificate:
    until = min(now + datetime.timedelta(days=CERTIFICATE_DAYS), authority.certificate.not_valid_after_utc)
    issuer = authority.key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])]))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_named(name) for name in names]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), critical=False)
    )
    return builder.sign(authority.key, hashes.SHA256())


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _check_cover(authority: x509.Certificate, names: Sequence[str], folder: Path) -> None:
    """Raises VoicechatError for a name that the authority, made before, cannot vouch for."""
    for name in names:
        if not _covers(authority, name):
            why = f"{folder / 'ca.pem'} cannot vouch for {name}; remove it and ca.key to make one that does"
            raise VoicechatError("bad_authority", why)


def _covers(authority: x509.Certificate, name: str) -> bool:
    """Whether the authority may vouch for it; one that was made elsewhere, without limits, for everything."""
    try:
        limits = authority.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or ()
    except x509.ExtensionNotFound:
        return True
    address = _address(name)
    if address is not None:
        networks = [ipaddress.ip_network(limit.value) for limit in limits if isinstance(limit, x509.IPAddress)]
        return any(address in network for network in networks)
    domains = [limit.value for limit in limits if isinstance(limit, x509.DNSName)]
    return any(name == domain or name.endswith(f".{domain}") for domain in domains)


def _checked(name: str) -> str:
    """Raises VoicechatError."""
    address = _address(name)
    if address is None and not _is_name(name):
        raise VoicechatError("bad_name", f"{name!r} is no name or address of a machine, such as kiosk.local")
    return str(address or name.lower())


def _is_name(name: str) -> bool:
    labels = name.split(".")
    return len(name) < 254 and all(
        0 < len(label) < 64 and label.isascii() and label.replace("-", "a").isalnum() for label in labels
    )


def _is_local(name: str) -> bool:
    address = _address(name)
    if address is not None:
        return any(address in network for network in _LOCAL_NETWORKS)
    return any(name == local or name.endswith(f".{local}") for local in _LOCAL_NAMES)


def _named(name: str) -> x509.GeneralName:
    address = _address(name)
    return x509.DNSName(name) if address is None else x509.IPAddress(address)


def _limit(name: str) -> x509.GeneralName:
    address = _address(name)
    return x509.DNSName(name) if address is None else x509.IPAddress(ipaddress.ip_network(address))


def _address(name: str) -> Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _public(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes, mode: int) -> None:
    """Whole or not at all, and never readable for longer than `mode` says."""
    passing = path.with_name(f".{path.name}.new")
    passing.unlink(missing_ok=True)
    with os.fdopen(os.open(passing, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    passing.replace(path)
