"""What only this device can read: AES-256-GCM with a key that never stands in a database.

The key is a file of 32 random bytes with mode 0600, made on first use, or a systemd credential of the same
content. A copied database is useless elsewhere; a stolen card with the key file on it is not (see the
README: put the key on a TPM-backed credential if that matters).

A sealed record is ``version (1 byte) | nonce (12) | ciphertext and tag``. The associated data names what the
record is and whose, so that a record moved to another row does not open.
"""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from edge.errors import VaultError
from edge.store import twofold

KEY_BYTES = 32
CREDENTIAL = "gatehouse-vault-key"
"""Name of the systemd credential that takes the place of the key file."""

_VERSION = b"\x01"
_NONCE_BYTES = 12
_TAG_BYTES = 16


class Vault:
    """Seals and opens records. Any thread."""

    def __init__(self, key: bytes) -> None:
        """Take a key of 32 bytes.

        Raises:
            VaultError: It has another length.
        """
        if len(key) != KEY_BYTES:
            raise VaultError(f"the device key has {len(key)} bytes, not {KEY_BYTES}")
        self._key, self._cipher = key, AESGCM(key)
        self.notice = ""
        """One line when the key file had to be put back from its copy."""

    def derive(self, purpose: bytes) -> bytes:
        """Another key of 32 bytes, the same each time, from which this one cannot be learnt (RFC 5869)."""
        return HKDF(SHA256(), KEY_BYTES, None, purpose).derive(self._key)

    def seal(self, plain: bytes | bytearray | memoryview, about: bytes) -> bytes:
        """Encrypt; ``about`` is not stored, must be given again to open, and says whose record this is."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, plain, _VERSION + about)

    def open(self, sealed: bytes, about: bytes) -> bytes:
        """Decrypt what ``seal`` made with the same ``about``.

        Raises:
            VaultError: Altered, cut, moved from another row, or sealed with another device's key.
        """
        return bytes(self.open_wipeable(sealed, about))

    def open_wipeable(self, sealed: bytes, about: bytes) -> bytearray:
        """Decrypt into a buffer that the caller overwrites when done: ``bytes`` would linger in freed memory.

        Raises:
            VaultError: As ``open``.
        """
        if sealed[:1] != _VERSION or len(sealed) < 1 + _NONCE_BYTES + _TAG_BYTES:
            raise VaultError("a sealed record is cut or of an unknown kind")
        nonce, rest = sealed[1 : 1 + _NONCE_BYTES], memoryview(sealed)[1 + _NONCE_BYTES :]
        plain = bytearray(len(rest) - _TAG_BYTES)
        try:
            self._cipher.decrypt_into(nonce, rest, _VERSION + about, plain)
        except InvalidTag:
            raise VaultError(
                "a sealed record does not open: altered, or sealed with another device's key"
            ) from None
        return plain


def open_vault(key_file: Path, environ: Mapping[str, str] = MappingProxyType(os.environ)) -> Vault:
    """The vault of this device: from the systemd credential if there is one, else from the key file.

    Args:
        key_file: 32 bytes; made, with mode 0600, when it does not exist.
        environ: Where ``CREDENTIALS_DIRECTORY`` is looked up (systemd.exec(5)).

    Raises:
        VaultError: The key cannot be read or made, has the wrong length, or others may read it.
    """
    folder = environ.get("CREDENTIALS_DIRECTORY")
    credential = Path(folder) / CREDENTIAL if folder else None
    if credential is not None and credential.exists():
        return Vault(_read_key(credential))
    if not key_file.exists() and not twofold.copy_of(key_file).exists():
        _make_key(key_file)
    content = _read_twofold(key_file)
    try:
        mode = key_file.stat().st_mode & 0o077
    except OSError as error:
        raise VaultError(f"{key_file}: the device key cannot be read: {error.strerror}") from error
    if mode:
        raise VaultError(f"{key_file}: others may read the device key; run: chmod 600 {key_file}")
    vault = Vault(_checked_key(key_file, content.data))
    vault.notice = content.notice
    return vault


def _read_key(path: Path) -> bytes:
    try:
        return _checked_key(path, path.read_bytes())
    except OSError as error:
        raise VaultError(f"{path}: the device key cannot be read: {error.strerror}") from error


def _read_twofold(path: Path) -> twofold.Content:
    try:
        return twofold.read(path, lambda data: len(data) == KEY_BYTES and any(data))
    except OSError as error:
        raise VaultError(f"{path}: the device key cannot be read: {error.strerror}") from error


def _checked_key(path: Path, key: bytes) -> bytes:
    if len(key) != KEY_BYTES:
        raise VaultError(
            f"{path}: the device key has {len(key)} bytes, not {KEY_BYTES}; restore it from its backup"
        )
    return key


def _make_key(path: Path) -> None:
    """Make the key durable under its name, whole or not at all; whoever is first wins."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, secrets.token_bytes(KEY_BYTES))
            os.fsync(handle)
        finally:
            os.close(handle)
        try:
            path.hardlink_to(draft)  # unlike rename, it never replaces the key of another process
        except FileExistsError:
            return
        finally:
            draft.unlink()
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise VaultError(f"{path}: the device key cannot be made: {error.strerror}") from error
