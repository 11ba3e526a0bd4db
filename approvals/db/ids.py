"""Ids that sort by the time they were made (UUIDv7, RFC 9562)."""

from uuid import UUID

import uuid_utils.compat


def new_id() -> UUID:
    """A fresh UUIDv7. Not in commit order: a feed must follow the seal's number instead."""
    return uuid_utils.compat.uuid7()
