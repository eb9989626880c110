"""Commands on a database that only reads, as a replica does: what is read is told, what would change it is refused."""

import pytest

from commands import Operator
from novaproxy.database.pool import Target
from roles import administered
from shop import CATALOG

READ_ONLY = (
    "The database takes no changes: it is a replica, or read-only for now. "
    "What changes something needs the primary's address in NOVAPROXY_DATABASE_URL."
)


@pytest.fixture(scope="module")
def replica(common_operator: Operator, module_database: Target) -> Operator:
    common_operator("catalog", "apply", str(CATALOG))
    common_operator("account", "create", "ada@example.com")
    common_operator("account", "credit", "ada@example.com", "10", "--reason", "welcome")
    administered(
        module_database, f"ALTER DATABASE {module_database['database']} SET default_transaction_read_only = on"
    )
    return common_operator


@pytest.mark.parametrize(
    "words",
    [
        "account ledger ada@example.com",
        "audit",
    ],
)
def test_what_reads_is_told(replica: Operator, words: str) -> None:
    assert replica(*words.split()).said


def test_a_backup_is_made(replica: Operator) -> None:
    ran = replica("backup", "--force", str(replica.directory / "shop.novaproxy"))
    assert (ran.status, ran.out[:20]) == (0, "Backed up 0 orders a")


@pytest.mark.parametrize(
    "words",
    [
        "account create eve@example.com",
        "account credit ada@example.com 10 --reason again",
        "serve --port 0",
    ],
)
def test_what_would_change_something_is_refused_with_a_sentence(replica: Operator, words: str) -> None:
    assert replica(*words.split()).fault == READ_ONLY
