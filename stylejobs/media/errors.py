"""What can be wrong with a file. Each message is one sentence that its uploader can read."""

from __future__ import annotations


class UnusableMedia(Exception):
    """The file cannot be painted, now or on a second try.

    Attributes:
        reason: what is wrong, a sentence.
        remedy: what its uploader can do, a sentence.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason} {remedy}")
        self.reason = reason
        self.remedy = remedy


def broken(error: Exception) -> UnusableMedia:
    """For a file that ffmpeg gave up on, with ffmpeg's own words."""
    cause = getattr(error, "strerror", None) or error
    return UnusableMedia(
        f"The file is broken ({cause}).",
        "Check that it plays to its end, then upload the whole file again.",
    )


def encrypted() -> UnusableMedia:
    """For a file with tracks that only a licensed player can decrypt."""
    return UnusableMedia(
        "The file is encrypted (DRM), so nothing in it can be decoded.",
        "Upload a copy without encryption.",
    )


class FramesMismatch(Exception):
    """Decoding a range of frames did not give the frames that the index promises."""
