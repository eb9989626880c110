"""New proxy usernames and passwords."""

import os

ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
LENGTH = 15
"""Lower-case letters and digits of a username and of a password (contract, section 4): 77 bits."""


_OF_A_BYTE = bytes(ord(ALPHABET[byte % len(ALPHABET)]) for byte in range(256))
_LEFT_OUT = bytes(range(256 // len(ALPHABET) * len(ALPHABET), 256))
"""Bytes that would make the first letters of the alphabet likelier than the others."""


def new_name() -> str:
    """Return 15 random lower-case letters and digits, for a username or a password, each as likely as any other."""
    while True:
        # Of 24 bytes nearly always 15 are left and more.
        letters = os.urandom(24).translate(_OF_A_BYTE, _LEFT_OUT)
        if len(letters) >= LENGTH:
            return letters[:LENGTH].decode("ascii")
