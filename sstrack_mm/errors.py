"""The exceptions that users of the package may want to catch."""


class DataError(ValueError):
    """Data on disk is not as it must be; the message names the file and the way out."""
