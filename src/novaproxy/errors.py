"""The errors of NovaProxy.

    Exception
      +- Refusal              the caller asked for something that is not to be had; told to him in one sentence
      |    +- ...             one class for each documented sentence, beside the rule it belongs to
      +- OperatorError        the operator's command cannot be done; told on standard error, no traceback

A refusal's sentence is written once, in its class; its facts are attributes.
"""

from typing import ClassVar


class Refusal(Exception):  # noqa: N818 -- a refusal is an answer, not a fault of the program
    """An answer of status 400 and above: one sentence, and a code that a program can act on.

    Attributes:
        status: the HTTP status.
        code: the stable machine code, sent as ``X-Error-Code`` (contract, section 1).
        sentence: what the body's ``error`` says.
    """

    status: ClassVar[int] = 422
    code: ClassVar[str]

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class OperatorError(Exception):
    """A command that cannot be done; *lines* are one fault each."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


ECHO_LIMIT = 100
"""Characters of the caller's own text that a sentence repeats (contract, section 1)."""


def echo(text: str) -> str:
    """Return *text* as a sentence may repeat it: cut to 100 characters."""
    return text[:ECHO_LIMIT]
