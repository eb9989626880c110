"""``novaproxy catalog`` by the real command."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from commands import Operator, database_url
from novaproxy.catalog.file import demo_text
from novaproxy.catalog.store import lock_for_apply
from novaproxy.cli.catalog import apply
from novaproxy.database.pool import SoleConnection, Target
from roles import as_service
from services import within
from shop import CATALOG, Shop

SMALL = """\
currency: EUR
plans:
  - {slug: basic, name: Basic, type: bandwidth, bandwidths: [{bandwidth: 1, price_per_gb: 5.00}]}
discount_codes: [{code: TEN, percent: 10}]
"""


def applied(operator: Operator, text: str | bytes, *more: str) -> list[str]:
    stdin = text.encode() if isinstance(text, str) else text
    return operator("catalog", "apply", "-", *more, stdin=stdin).said.splitlines()


def faults(operator: Operator, text: str | bytes, *more: str) -> list[str]:
    stdin = text.encode() if isinstance(text, str) else text
    return operator("catalog", "apply", "-", *more, stdin=stdin).faults


@pytest.mark.parametrize("text", [demo_text(), CATALOG.read_bytes()], ids=["demo", "test"])
def test_an_export_can_be_applied_again_and_gives_the_same_bytes(operator: Operator, text: bytes) -> None:
    applied(operator, text)
    exported = operator("catalog", "export").said
    Path(operator.directory, "exported.yaml").write_text(exported, encoding="utf-8")
    again, dry, export = operator.all(
        ("catalog", "apply", "exported.yaml"), ("catalog", "apply", "exported.yaml", "--dry-run"), ("catalog", "export")
    )
    assert again.said == "Nothing changed.\n"
    assert dry.said == "Nothing changes.\n"
    assert export.said == exported


def test_an_apply_says_what_changed_line_by_line_and_a_dry_run_changes_nothing(operator: Operator) -> None:
    sold = ["+ plan basic: bandwidth, 1 tier from 5.00 per GB", "+ discount code TEN: 10 %"]
    told = ["~ currency: none -> EUR", *sold]
    assert applied(operator, SMALL, "--dry-run") == [*told, "Nothing was applied: this was a dry run."]
    assert operator("catalog", "export").said == "plans: []\n"
    assert applied(operator, SMALL) == [*told, "Applied as revision 1."]
    assert applied(operator, SMALL) == ["Nothing changed."]
    dearer = SMALL.replace("5.00", "6.00").replace("percent: 10", "percent: 20")
    lines = applied(operator, dearer)
    assert len(lines) == 3
    assert lines[-1] == "Applied as revision 2."


def test_every_fault_is_one_line_and_nothing_is_applied(operator: Operator) -> None:
    applied(operator, SMALL)
    before = operator("catalog", "export").said
    broken = SMALL.replace("price_per_gb: 5.00", "price_per_gb: -1").replace("percent: 10", "percent: 0, colour: red")
    for more in ((), ("--dry-run",)):
        lines = faults(operator, broken, *more)
        assert len(lines) == 3
        assert lines[0].startswith("plans[0].bandwidths[0].price_per_gb: ")
        assert all(line.startswith("discount_codes[0].") for line in lines[1:])
        assert [line.rpartition(" (")[2] for line in lines] == ["line 3)", "line 4)", "line 4)"]
    assert operator("catalog", "export").said == before


def test_what_is_no_catalog_is_refused_in_one_line(common_operator: Operator, tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(bytes(range(256)) * 10)
    missing, directory, strange, odd, empty, nothing = common_operator.all(
        ("catalog", "apply", "missing\n.yaml"),
        ("catalog", "apply", str(tmp_path)),
        ("catalog", "apply", str(binary)),
        ("catalog", "apply", b"\xff.yaml"),
        ("catalog", "apply", ""),
        ("catalog", "apply", "-"),
    )
    assert missing.fault == "missing\\n.yaml: No such file or directory."
    assert directory.fault == f"{tmp_path}: Is a directory."
    assert len(strange.faults) == 1
    assert odd.fault == "\\udcff.yaml: No such file or directory."
    assert empty.fault == "The name of the catalog's file must not be empty."
    assert len(nothing.faults) >= 1
    assert common_operator("catalog", "export").said == "plans: []\n"


def test_of_two_applies_at_once_one_comes_after_the_other(operator: Operator) -> None:
    one, other = Path(operator.directory, "one.yaml"), Path(operator.directory, "other.yaml")
    one.write_text(SMALL, encoding="utf-8")
    other.write_text(SMALL.replace("5.00", "7.00"), encoding="utf-8")
    ran = operator.all(*(("catalog", "apply", path.name) for path in (one, other, one, other)))
    assert all(result.status == 0 and result.errors == "" for result in ran)
    revisions = [result.out.splitlines()[-1] for result in ran if "Applied" in result.out]
    assert len(set(revisions)) == len(revisions)
    assert operator("catalog", "export").said.count("price_per_gb") == 1


def test_a_currency_is_fixed_once_there_is_an_account_and_a_type_for_ever(operator: Operator) -> None:
    applied(operator, SMALL)
    assert applied(operator, SMALL.replace("EUR", "USD"))[0] == "~ currency: EUR -> USD"
    operator("account", "create", "a@example.com")
    (refused,) = faults(operator, SMALL)
    assert refused.startswith("currency: ")
    timed = (
        "currency: USD\nplans: [{slug: basic, name: B, type: duration, durations: [{slug: 1_day, name: D, price: 1}]}]"
    )
    (refused,) = faults(operator, timed)
    assert refused.startswith("plans[0].type: ")


def test_what_is_left_out_rests_and_comes_back_with_its_id_and_its_uses(database: Target, operator: Operator) -> None:
    assert operator.settings["NOVAPROXY_DATABASE_URL"] == database_url(as_service(database))
    shop = Shop(database, "http://127.0.0.1")
    applied(operator, SMALL)
    shop.sql("UPDATE discount_code SET uses = 3")
    before = shop.sql("SELECT id, code, uses FROM discount_code")
    plan_before = shop.sql("SELECT id, slug FROM plan")
    plan_line, code_line, _ = applied(operator, "currency: EUR\nplans: []\n")
    assert plan_line.startswith("- plan basic")
    assert code_line.startswith("- discount code TEN")
    resting = operator("catalog", "export").said
    assert "active: false" in resting
    assert "TEN" not in resting
    assert applied(operator, SMALL)[-1] == "Applied as revision 3."
    assert shop.sql("SELECT id, code, uses FROM discount_code") == before
    assert shop.sql("SELECT id, slug FROM plan") == plan_before


@contextmanager
def apply_under_way(database: Target) -> Iterator[tuple[Shop, Callable[[], None]]]:
    """Hold what another apply holds, until the function that is given ends it."""
    shop = Shop(database, "http://127.0.0.1")
    ended, held = threading.Event(), threading.Event()

    async def hold(connection: SoleConnection) -> None:
        async with connection.transaction():
            await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            await lock_for_apply(connection)
            held.set()
            await asyncio.to_thread(ended.wait, 20)

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(shop.run, hold)
        assert held.wait(20)
        try:
            yield shop, ended.set
        finally:
            ended.set()
            holding.result()


WAITING = "FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


def test_a_file_is_read_before_anything_is_locked(database: Target, operator: Operator) -> None:
    wrong = SMALL.replace("5.00", "x")
    operator("account", "list")
    with apply_under_way(database):
        begun_at = time.monotonic()
        assert faults(operator, wrong)[0].startswith("plans[0].bandwidths[0].price_per_gb: ")
        assert time.monotonic() - begun_at < 10


def test_a_file_is_read_again_where_another_apply_came_between(database: Target, operator: Operator) -> None:
    operator("account", "list")
    with apply_under_way(database) as (shop, end), ThreadPoolExecutor(1) as pool:
        applying = pool.submit(faults, operator, SMALL.replace("slug: basic", "slug: other"))
        within(20, lambda: bool(shop.value(f"SELECT count(*) > 0 {WAITING}")), "the command waits")
        shop.sql("INSERT INTO plan (slug, type) VALUES ('other', 'duration')")
        end()
        assert applying.result() == [
            "plans[0].type: cannot change from 'duration' to 'bandwidth'; sell a new plan instead (line 3)"
        ]


def test_a_rollback_that_fails_does_not_hide_why(database: Target, operator: Operator) -> None:
    operator("account", "list")
    with apply_under_way(database) as (shop, _), ThreadPoolExecutor(1) as pool:
        applying = pool.submit(faults, operator, SMALL)
        within(20, lambda: bool(shop.value(f"SELECT count(*) > 0 {WAITING}")), "the command waits")
        shop.sql(f"SELECT pg_terminate_backend(pid) {WAITING}")
        (gone,) = applying.result()
    assert gone.endswith("terminating connection due to administrator command.")


def test_an_apply_ends_when_no_process_shows_the_catalog_before(
    database: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "catalog.yaml"
    file.write_text(SMALL)
    monkeypatch.setenv("NOVAPROXY_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("NOVAPROXY_DATABASE_URL", database_url(as_service(database)))
    # Longer than it is, so that nothing else takes as long.
    monkeypatch.setattr("novaproxy.cli.catalog.KNOWN_SECONDS", 2.0)

    began = time.monotonic()
    apply(str(file))

    assert time.monotonic() - began > 2
