"""Why nothing can be learned."""


class CannotTrain(Exception):
    """The message is for people: what is wrong, and what to do."""


class UnusablePicture(CannotTrain):
    """A file is no picture to learn from."""


class NoFeatures(CannotTrain):
    """VGG16's weights are not there."""


class NothingToStartFrom(CannotTrain):
    """No style is shipped for the network."""


class TrainingDiverged(CannotTrain):
    """The weights have become useless."""
