"""New identifiers."""

import os
from datetime import UTC, datetime, timedelta
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def new_uuid(now: datetime) -> UUID:
    """Return a UUID of version 7 (RFC 9562, section 5.7) for *now*: new orders sit side by side in the index."""
    milliseconds = (now - _EPOCH) // timedelta(milliseconds=1)
    number = (milliseconds & (2**48 - 1)) << 80 | int.from_bytes(os.urandom(10))
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=number)
