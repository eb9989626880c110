"""The guards of the database: every promise of the schema, attacked by tests/database/test_promises.py."""

from collections.abc import Iterator

from guards.guard import Alteration, Guard
from promises import BREAKS, TRIGGERS, break_names, required_columns

_TESTS = "tests/database/test_promises.py"
_BREAKS = f"{_TESTS}::test_a_row_that_breaks_a_promise_is_refused_by_that_promise_alone"
_NULLS = f"{_TESTS}::test_what_must_be_known_is_never_null"
_REWRITES = f"{_TESTS}::test_what_was_written_is_never_rewritten"

_PROTECTED = {
    "account_balance_cents_check": "M2",
    "account_email_key_key": "one account an e-mail",
    "account_code_pkey": "L1",
    "account_code_uses_check": "L1",
    "account_plan_pkey": "L2",
    "account_plan_orders_check": "L2",
    "account_move_is_legal": "S1",
    "discount_code_code_key": "L1",
    "discount_code_within_ceiling": "L1",
    "orders_account_idempotency_key": "M4",
    "orders_key_has_hash": "M4",
    "orders_username_key": "S2",
    "orders_credentials_fit_status": "S2",
    "orders_credentials_whole": "S2",
    "orders_catalog_revision_fkey": "M8",
    "order_move_is_legal": "S1",
    "transfer_account_id_version_key": "M6",
    "transfer_account_reference": "a reference has one effect",
    "transfer_order_kind": "M3, M7",
    "transfer_order_fits_kind": "M3",
    "transfer_sides": "M1",
    "transfer_order_id_fkey": "M3",
    "api_token_token_hash_key": "who asks",
}
_BY_TABLE = {
    "account": "M1",
    "account_code": "L1",
    "account_move": "S1",
    "account_plan": "L2",
    "api_token": "who asks",
    "audit_mark": "what audits saw",
    "audit_run": "what audits found",
    "catalog_revision": "M8",
    "discount_code": "L1",
    "gateway": "S5",
    "lease": "S5",
    "lost_lease": "S6",
    "meter": "S3",
    "order_move": "S1",
    "orders": "M3",
    "plan": "M8",
    "plan_duration": "M8",
    "plan_option": "M8",
    "plan_tier": "M8",
    "schema_grant": "who may what",
    "schema_migration": "the schema",
    "sealing_key": "sealed passwords",
    "transfer": "M1, M6",
    "usage_hour": "S4",
    "usage_refusal": "refusals by reason",
    "whitelist_address": "who needs no password",
}

_MONEY = (
    *(
        "account",
        "account_code",
        "account_plan",
        "api_token",
        "discount_code",
        "gateway",
        "lease",
        "lost_lease",
        "meter",
    ),
    *("orders", "transfer", "usage_hour"),
)
"""Tables of which each column that may not be null is a guard of its own; those of a primary key cannot be let go."""


def schema_guards() -> Iterator[Guard]:
    """Yield every promise of the schema as a guard."""
    names = break_names()
    for promise in dict.fromkeys(one.promise for one in BREAKS):
        table = next(one.table for one in BREAKS if one.promise == promise)
        caught_by = tuple(
            f"{_BREAKS}[{name}]" for name, one in zip(names, BREAKS, strict=True) if one.promise == promise
        )
        protects = _PROTECTED.get(promise, _BY_TABLE[table])
        yield Guard(promise, _kind(promise), protects, Alteration(_dropped(table, promise)), caught_by, is_promise=True)
    for trigger in TRIGGERS:
        caught_by = tuple(f"{_REWRITES}[{way}-{trigger.name}]" for way in trigger.statements)
        removal = Alteration(f"DROP TRIGGER {trigger.name} ON {trigger.table}")
        protects = "M6" if trigger.table == "transfer" else _BY_TABLE[trigger.table]
        yield Guard(trigger.name, "trigger", protects, removal, caught_by, is_promise=True)
    for table, column in required_columns():
        if table in _MONEY and not _is_in_key(table, column):
            removal = Alteration(f"ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL")
            caught_by = (f"{_NULLS}[{table}-{column}]",)
            yield Guard(f"{table}.{column}", "NOT NULL", _BY_TABLE[table], removal, caught_by, is_promise=True)


def _is_in_key(table: str, column: str) -> bool:
    if table in ("account_code", "account_plan"):
        return column in ("account_id", "code_id", "plan_id")
    if table in ("lease", "usage_hour"):
        return column in ("gateway_id", "order_id", "hour")
    return column == ("order_id" if table == "meter" else "id")


def _kind(promise: str) -> str:
    if promise.endswith("_fkey"):
        return "FOREIGN KEY"
    if promise.endswith("_pkey"):
        return "PRIMARY KEY"
    if promise.endswith("_key") or promise in ("transfer_order_kind", "transfer_account_reference"):
        return "UNIQUE"
    return "CHECK"


_INDEXES = (
    "discount_code_code_key",
    "orders_account_idempotency_key",
    "transfer_order_kind",
    "transfer_account_reference",
)


def _dropped(table: str, promise: str) -> str:
    if promise in _INDEXES:
        return f"DROP INDEX {promise}"
    return f"ALTER TABLE {table} DROP CONSTRAINT {promise} CASCADE"
