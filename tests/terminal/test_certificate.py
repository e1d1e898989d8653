"""The authority and its certificates, judged by another program that knows them: openssl."""

import datetime
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from voicechat.errors import VoicechatError
from voicechat.terminal import certificate

NOW = datetime.datetime.now(datetime.UTC)


def verified(made: certificate.Made, name: str) -> bool:
    option = "-verify_ip" if name.replace(".", "").isdigit() or ":" in name else "-verify_hostname"
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", option, name]
    command += ["-CAfile", str(made.authority), str(made.certificate)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_certificate_is_good_for_this_machine_and_the_names_that_were_given(tmp_path: Path) -> None:
    made = certificate.make(tmp_path / "tls", ["Kiosk.local", "voice.example.org", "192.168.7.7"])
    for name in ("localhost", "127.0.0.1", "::1", "kiosk.local", "voice.example.org", "192.168.7.7"):
        assert name in made.names and verified(made, name)
    for name in ("example.org", "evil.example", "192.168.7.8", "a.kiosk.local"):
        assert not verified(made, name)


def test_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    made = certificate.make(tmp_path / "tls", [])
    assert mode(made.key) == mode(tmp_path / "tls" / "ca.key") == 0o600
    assert mode(tmp_path / "tls") == 0o700
    names = {path.name for path in (tmp_path / "tls").iterdir()}
    assert names == {"ca.pem", "ca.key", "server.pem", "server.key"}


def test_authority_lives_ten_years_and_a_certificate_as_long_as_browsers_take_it(tmp_path: Path) -> None:
    made = certificate.make(tmp_path, [])
    authority = x509.load_pem_x509_certificate(made.authority.read_bytes())
    server = x509.load_pem_x509_certificates(made.certificate.read_bytes())[0]
    assert (authority.not_valid_after_utc - authority.not_valid_before_utc).days == 3650
    assert (server.not_valid_after_utc - server.not_valid_before_utc) <= datetime.timedelta(days=398)
    assert made.until == server.not_valid_after_utc


def test_authority_is_used_again_so_that_phones_are_told_once(tmp_path: Path) -> None:
    first = certificate.make(tmp_path, ["kiosk.local"])
    authority, key = first.authority.read_bytes(), first.key.read_bytes()
    second = certificate.make(tmp_path, ["kiosk.local", "10.1.2.3"])
    assert second.authority.read_bytes() == authority
    assert second.key.read_bytes() != key
    assert verified(second, "10.1.2.3")


def test_certificate_does_not_outlive_its_authority(tmp_path: Path) -> None:
    certificate.make(tmp_path, [], NOW - datetime.timedelta(days=3600))
    made = certificate.make(tmp_path, [])
    assert (made.until - NOW).days in (49, 50)
    with pytest.raises(VoicechatError, match=r"ca\.pem expired; remove it and ca\.key to begin anew"):
        certificate.make(tmp_path, [], NOW + datetime.timedelta(days=60))


def test_stolen_authority_can_pose_as_no_other_site(tmp_path: Path) -> None:
    """Its own limits hold, not only our care: openssl refuses what they exclude."""
    certificate.make(tmp_path, ["voice.example.org"])
    with pytest.raises(VoicechatError, match=r"cannot vouch for bank\.example; remove it and ca\.key"):
        certificate.make(tmp_path, ["bank.example"])
    authority = certificate._authority(tmp_path, [], NOW)
    key = ec.generate_private_key(ec.SECP256R1())
    for name, good in (("voice.example.org", True), ("kiosk.local", True), ("bank.example", False), ("8.8.8.8", False)):
        forged = certificate._certificate(authority, key, [name], NOW)
        path = tmp_path / "forged.pem"
        path.write_bytes(certificate._public(forged))
        made = certificate.Made(tmp_path / "ca.pem", path, path, [name], NOW)
        assert verified(made, name) == good


@pytest.mark.parametrize("name", ["", " ", "*.local", "kiosk.local:80", "https://kiosk.local", "küche.local", "a..b"])
def test_odd_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(VoicechatError, match="is no name or address of a machine"):
        certificate.make(tmp_path / "tls", [name])
    assert not (tmp_path / "tls").exists()


def test_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("mine")
    for content in (None, "mine too"):
        if content is not None:
            (tmp_path / "ca.key").write_text(content)
        with pytest.raises(VoicechatError):
            certificate.make(tmp_path, [])
        assert (tmp_path / "ca.pem").read_text() == "mine"
    (tmp_path / "file").write_text("")
    with pytest.raises(VoicechatError, match="File exists|Not a directory"):
        certificate.make(tmp_path / "file", [])
    other = certificate.make(tmp_path / "one", []), certificate.make(tmp_path / "two", [])
    (tmp_path / "one" / "ca.key").write_bytes((tmp_path / "two" / "ca.key").read_bytes())
    with pytest.raises(VoicechatError, match=r"ca\.key is not the key of ca\.pem"):
        certificate.make(other[0].authority.parent, [])


def test_what_to_do_next_is_told(tmp_path: Path) -> None:
    made = certificate.make(tmp_path, ["kiosk.local"])
    told = certificate.told(made)
    assert f"--tls-cert {made.certificate} --tls-key {made.key}" in told
    assert "kiosk.local" in told and str(made.authority) in told
