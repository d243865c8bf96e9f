"""Why nothing can be learned."""


class UnusablePicture(Exception):
    """A file is no picture to learn from. The message is for people."""


class NoFeatures(Exception):
    """VGG16's weights are not there. The message is for people."""
