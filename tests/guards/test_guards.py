"""The list of guards fits the code: what is to be removed is there, and the tests that are named are too."""

import re
from pathlib import Path

import pytest

from guards.guard import SCHEMA, Edit, Guard
from guards.listed import GUARDS
from guards.scratch import PROJECT


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_a_guard_stands_where_the_list_says_and_its_tests_exist(guard: Guard) -> None:
    if isinstance(guard.removal, Edit):
        text = (PROJECT / guard.removal.file).read_text(encoding="utf-8")
        assert guard.removal.edited(text) != text
    else:
        schema = (PROJECT / SCHEMA).read_text(encoding="utf-8")
        assert [old for old in guard.removal.found if old not in schema] == []
    for test in guard.caught_by:
        file, _, name = test.partition("::")
        body = Path(PROJECT, file).read_text(encoding="utf-8")
        function = name.partition("[")[0]
        assert not function or re.search(rf"^(async )?def {function}\(", body, re.MULTILINE), test


def test_every_guard_has_a_name_of_its_own() -> None:
    names = [guard.name for guard in GUARDS]
    assert sorted(set(names)) == sorted(names)
