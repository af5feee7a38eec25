"""What a record does not have, though somebody named it."""


class NotFoundError(Exception):
    """What was named is not in the record, in words."""
