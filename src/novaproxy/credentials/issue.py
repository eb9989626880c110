"""New proxy usernames and passwords."""

import os

ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
LENGTH = 15
"""Lower-case letters and digits of a username and of a password (contract, section 4): 77 bits."""


def new_name() -> str:
    """Return 15 random lower-case letters and digits, for a username or a password.

    128 random bits are spread over 36**15 values: no name is more than 2**-50 likelier than another.
    """
    number = int.from_bytes(os.urandom(16))
    letters = []
    for _ in range(LENGTH):
        number, letter = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[letter])
    return "".join(letters)
