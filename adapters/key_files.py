"""Secret keys of an installation: made on first use, kept in a file that only its owner reads."""

import os
import secrets
from pathlib import Path


def read_or_make_key(key_file: Path) -> bytes:
    """The key in the file; made of 32 random bytes, as text, where there is none."""
    key_file.parent.mkdir(parents=True, exist_ok=True)
    # Written whole under another name and then linked: two first starts at once agree on one key.
    made = key_file.with_name(f"{key_file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_hex(32).encode())
    try:
        os.link(made, key_file)
    except FileExistsError:
        pass
    finally:
        made.unlink()
    return key_file.read_bytes()
