"""What a guard is, and the ways to remove one from a scratch copy."""

from dataclasses import dataclass
from pathlib import Path

PROGRAM = Path("src/novaproxy")
SCHEMA = Path("src/novaproxy/database/schema.sql")


class Stale(Exception):  # noqa: N818 -- tells what the list is
    """The list says what is no longer so."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Replaces texts of one file of the program; each stands in it exactly once."""

    file: Path
    replaced: tuple[tuple[str, str], ...]

    @property
    def where(self) -> Path:
        """The file in which the guard stands."""
        return self.file

    def edited(self, text: str) -> str:
        """Return *text* without the guard.

        Raises:
            Stale: a text that is to be replaced is not there, or more than once.
        """
        for old, new in self.replaced:
            if text.count(old) != 1:
                raise Stale(f"{self.file} has {text.count(old)} times, and not once: {old}")
            text = text.replace(old, new)
        if self.file.suffix == ".py":
            compile(text, str(self.file), "exec")
        return text


@dataclass(frozen=True, slots=True)
class Alteration:
    """Alters the tests' migrated template database; what it drops must be there."""

    statement: str
    found: tuple[str, ...] = ()
    """Texts of the schema that it replaces."""

    @property
    def where(self) -> Path:
        """The file in which the guard stands."""
        return SCHEMA


@dataclass(frozen=True, slots=True)
class Guard:
    """Something that stands between a fault and the shop's promises.

    Attributes:
        name: how ``make guards ONLY=`` calls it.
        kind: CHECK, lock, WHERE guard, bound ...
        protects: the invariant (docs/data-model.md), or the promise in a few words.
        removal: how it is taken out.
        caught_by: the tests that must fail without it, by pytest's names.
        effort: NOVAPROXY_TEST_EFFORT of these tests.
        ends_with: the error by which a test notices, where that is no assertion.
        is_promise: whether it is one of the database's own, whose tests take any database as ``module_database``.
    """

    name: str
    kind: str
    protects: str
    removal: Edit | Alteration
    caught_by: tuple[str, ...]
    effort: int = 1
    ends_with: str = ""
    is_promise: bool = False


def edit(file: str, *replaced: tuple[str, str]) -> Edit:
    """Return the removal that replaces texts of a file of the program."""
    return Edit(PROGRAM / file, replaced)


def altered_function(name: str, *replaced: tuple[str, str]) -> Alteration:
    """Return the removal that replaces texts of a function of the database, each of which stands in it exactly once."""
    steps = "".join(
        f"IF length(body) - length(replace(body, {_quoted(old)}, '')) <> {len(old)} THEN RAISE 'stale: %', "
        f"{_quoted(old)}; END IF; body := replace(body, {_quoted(old)}, {_quoted(new)}); "
        for old, new in replaced
    )
    found = f"body text := pg_get_functiondef('{name}'::regproc)"
    return Alteration(
        f"DO $guard$ DECLARE {found}; BEGIN {steps} EXECUTE body; END $guard$", tuple(old for old, _ in replaced)
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
