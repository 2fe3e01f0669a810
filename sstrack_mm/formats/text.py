"""Texts that formats can hold."""

import re


def escape(text: str, unwanted: re.Pattern[str]) -> str:
    """The text with each unwanted character as Python writes it, e.g. ``\\x07``."""
    return unwanted.sub(lambda found: found[0].encode('unicode_escape').decode(), text)
