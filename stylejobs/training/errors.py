"""What cannot be learned from."""


class UnusablePicture(Exception):
    """A file is no picture to learn from. The message is for people."""
