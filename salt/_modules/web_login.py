"""Logins as files of web servers hold them: a hash of the password, the same every time."""

import crypt
import hashlib

_ALPHABET = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_ROUNDS = "05"  # the passwords are random and long: a slow hash would only cost those who log in


def bcrypt(user, secret):
    """The bcrypt hash of a password in the node's pillar.

    The salt is made from the name and the password: passwords are generated, long and never used twice.
    """
    password = __pillar__["secrets"][secret]
    digest = hashlib.sha256(f"{user}:{password}".encode()).digest()
    # The last of the 22 characters holds two bits only.
    salt = "".join(_ALPHABET[byte % 64] for byte in digest[:21]) + _ALPHABET[digest[21] % 4 * 16]
    return crypt.crypt(password, f"$2b${_ROUNDS}${salt}")
