"""``novaproxy settings``: what the environment says."""

import os
from typing import Annotated

import typer

from novaproxy.cli.lists import AsJson
from novaproxy.cli.output import print_json, write
from novaproxy.cli.tables import Column, print_table
from novaproxy.cli.usage import examples
from novaproxy.errors import OperatorError
from novaproxy.settings import Setting, declared_settings, read_settings, settings_page

EXAMPLES = examples("novaproxy settings")

MASKED = "set"
"""What is shown of a secret."""


def settings(
    as_json: AsJson = False,
    is_page: Annotated[bool, typer.Option("--markdown", help="Print docs/settings.md, without their values.")] = False,
) -> None:
    """Show every setting, its value now, and what it does.

    Settings are variables of the environment. Of secrets it is only shown that they are set.
    """
    if is_page and as_json:
        raise OperatorError("Say either --json or --markdown, not both.")
    if is_page:
        write(settings_page())
        return
    declared = list(declared_settings().values())
    if as_json:
        print_json([_shown(setting) for setting in declared])
    else:
        columns = (Column("variable"), Column("value", least=16), Column("what it does", least=24, folds=True))
        print_table(columns, [(setting.name, _value(setting), _teaching(setting)) for setting in declared], "")
    read_settings(os.environ)


def _value(setting: Setting) -> str | None:
    written = setting.written(os.environ)
    return MASKED if written is not None and setting.is_secret else written or setting.default


def _teaching(setting: Setting) -> str:
    unset = f" Unset: {setting.unset}." if setting.unset and setting.written(os.environ) is None else ""
    return _plain(f"{setting.teaches}{unset}")


def _shown(setting: Setting) -> dict[str, str | bool | None]:
    return {
        "name": setting.name,
        "value": _value(setting),
        "is_set": setting.written(os.environ) is not None,
        "default": setting.default,
        "unset": _plain(setting.unset) or None,
        "teaches": _plain(setting.teaches),
    }


def _plain(text: str) -> str:
    return text.replace("`", "")
