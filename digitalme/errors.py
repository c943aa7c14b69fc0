"""What can go wrong, said in one line: what was expected, what came, what to do."""


class DigitalMeError(Exception):
    """Base of every error that a user may see without a traceback. Exit code 1."""


class InputError(DigitalMeError):
    """The command line, or a file given by the user, cannot be used. Exit code 2."""


class PipelineError(DigitalMeError):
    """The graph is wrong, or a stage failed. Exit code 1."""


class MissingExtraError(DigitalMeError):
    """An optional dependency is needed; the message carries the pip command that brings it. Exit code 1."""
