"""What can be wrong with a model. Each message is one that its owner can read."""

from __future__ import annotations


class UnusableModel(Exception):
    """The model cannot be loaded, does not fit the frames, or gives what nobody can use.

    The message is for people: which model, what is wrong, what to do.
    """
