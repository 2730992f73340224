"""The errors and warnings a user meets: one line each, naming what is wrong and the remedy."""

__all__ = ["DataWarning", "InputError", "TrainingError", "TrainingWarning"]


class InputError(ValueError):
    """Input that cannot be used: a file, a line, a column or a value, named in the message with the remedy.

    The command line prints the message as one line and exits with code 2.
    """


class DataWarning(UserWarning):
    """Input that was used, but not all of it or not as given (values that do not parse, say)."""


class TrainingError(RuntimeError):
    """Training cannot go on: the loss is not a finite number."""


class TrainingWarning(UserWarning):
    """Training goes on, but not all went well: a checkpoint that could not be written, or was passed over."""
