"""What the database promises by itself: rows that keep every promise of a table, and rows that break one alone.

A column's value is an SQL expression; in it ``<n>`` is the number of the row. The first rows of each table stand in the
tests' database, and the next one is tried beside them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

Row = Mapping[str, str]

TABLES: Mapping[str, Row] = {
    "account": {
        "id": "1000 + <n>",
        "uuid": "'00000000-0000-7000-9000-00000000000<n>'",
        "kind": "'customer'",
        "email": "'buyer<n>@example.com'",
        "email_key": "'buyer<n>@example.com'",
        "name": "'Buyer'",
        "status": "'active'",
        "balance_cents": "500",
        "ledger_version": "1",
        "created_at": "now()",
    },
    "api_token": {
        "id": "<n>",
        "account_id": "1001",
        "name": "'token <n>'",
        "token_hash": "sha256('<n>')",
        "created_at": "now()",
        "revoked_at": "NULL",
    },
    "catalog_revision": {"id": "<n>", "document": "'{}'", "actor": "'test'", "created_at": "now()"},
    "plan": {"id": "<n>", "slug": "'plan-<n>'", "type": "'bandwidth'"},
    "plan_tier": {"id": "<n>", "plan_id": "1", "bandwidth_gb": "<n>"},
    "plan_duration": {"id": "<n>", "plan_id": "1", "slug": "'<n>_day'"},
    "plan_option": {"id": "<n>", "duration_id": "1", "name": "'option <n>'"},
    "discount_code": {"id": "<n>", "code": "'CODE<n>'", "uses": "1", "use_ceiling": "2"},
    "sealing_key": {"id": "<n>", "fingerprint": "sha256('<n>')", "created_at": "now()"},
    "orders": {
        "id": "<n>",
        "uuid": "'00000000-0000-7000-9000-00000000000<n>'",
        "account_id": "1001",
        "plan_id": "1",
        "catalog_revision": "1",
        "status": "'active'",
        "gross_cents": "10",
        "discount_cents": "2",
        "net_cents": "8",
        "discount_code_id": "1",
        "bandwidth_gb": "1",
        "term": "'1_month'",
        "options": "'[]'",
        "idempotency_key": "'key <n>'",
        "request_hash": "sha256('<n>')",
        "username": "'abcdefghijklmn<n>'",
        "password_sealed": "sha256('<n>')",
        "sealing_key_id": "1",
        "expires_at": "'2030-01-01'",
        "created_at": "now()",
        "updated_at": "now()",
    },
    "account_code": {"account_id": "1000 + <n>", "code_id": "1", "uses": "1"},
    "account_plan": {"account_id": "1000 + <n>", "plan_id": "1", "orders": "1"},
    "order_move": {
        "id": "<n>",
        "account_id": "1001",
        "order_id": "1",
        "from_status": "'active'",
        "to_status": "'inactive'",
        "cause": "'test'",
        "actor": "'test'",
        "created_at": "now()",
    },
    "account_move": {
        "id": "<n>",
        "account_id": "1001",
        "from_status": "'active'",
        "to_status": "'suspended'",
        "cause": "'test'",
        "actor": "'test'",
        "created_at": "now()",
    },
    "meter": {
        "order_id": "<n>",
        "account_id": "1001",
        "initial_bytes": "10",
        "consumed_bytes": "1",
        "leased_bytes": "1",
    },
    "gateway": {
        "id": "<n>",
        "uuid": "'00000000-0000-7000-9000-00000000000<n>'",
        "host": "'host <n>'",
        "started_at": "now()",
        "seen_at": "now()",
        "ended_at": "NULL",
        "is_lost": "false",
        "round": "0",
        "refusal_batch": "0",
    },
    "lease": {
        "gateway_id": "<n>",
        "order_id": "1",
        "account_id": "1001",
        "leased_bytes": "1",
        "up_bytes": "1",
        "down_bytes": "1",
        "connections": "1",
        "tunnels": "1",
        "bytes_per_second": "1",
        "wished_per_second": "1",
    },
    "lost_lease": {
        "id": "<n>",
        "gateway_id": "<n>",
        "order_id": "1",
        "account_id": "1001",
        "bytes": "1",
        "charged_at": "now()",
    },
    "usage_hour": {
        "order_id": "<n>",
        "hour": "'2026-01-01 00:00:00Z'",
        "account_id": "1001",
        "up_bytes": "1",
        "down_bytes": "1",
        "lost_bytes": "1",
        "connections": "1",
    },
    "usage_refusal": {
        "order_id": "<n>",
        "hour": "'2026-01-01 00:00:00Z'",
        "reason": "'wrong_port'",
        "account_id": "1001",
        "refusals": "1",
    },
    "whitelist_address": {
        "id": "<n>",
        "order_id": "1",
        "account_id": "1001",
        "address": "'192.0.2.<n>'",
        "created_at": "now()",
    },
    "transfer": {
        "id": "<n>",
        "account_id": "1001",
        "debit_account_id": "2",
        "credit_account_id": "1001",
        "amount_cents": "8",
        "kind": "'credit'",
        "order_id": "NULL",
        "reason": "'test'",
        "reference": "'reference <n>'",
        "actor": "'test'",
        "version": "<n>",
        "balance_after_cents": "500",
        "created_at": "now()",
    },
    "audit_run": {
        "id": "<n>",
        "started_at": "now()",
        "finished_at": "now()",
        "findings": "'{}'",
        "breaches": "0",
        "form": "'whole'",
        "covered": "'{}'",
    },
    "audit_mark": {
        "is_only": "true",
        "order_id": "0",
        "order_move_id": "0",
        "transfer_id": "0",
        "account_move_id": "0",
        "marked_at": "now()",
    },
    "schema_grant": {"role_name": "'role <n>'", "checksum": "'test'", "granted_at": "now()"},
    "schema_migration": {"version": "9000 + <n>", "name": "'test'", "checksum": "'test'", "applied_at": "now()"},
}
"""The tables, each before those that refer to it."""

PARENTS = ("account", "catalog_revision", "plan", "plan_duration", "discount_code", "sealing_key", "orders", "gateway")
"""Tables whose third row stands there too, for a third row of a table that refers to it."""

NULLABLE: Mapping[str, frozenset[str]] = {
    "account": frozenset({"email", "email_key", "balance_cents"}),
    "api_token": frozenset({"revoked_at"}),
    "discount_code": frozenset({"use_ceiling"}),
    "gateway": frozenset({"ended_at"}),
    "meter": frozenset({"initial_bytes"}),
    "orders": frozenset(
        {
            *("discount_code_id", "bandwidth_gb", "term", "idempotency_key", "request_hash"),
            *("username", "password_sealed", "sealing_key_id", "expires_at"),
        }
    ),
    "transfer": frozenset({"order_id", "reason", "reference"}),
}
"""The columns that may be null; all others may not."""


@dataclass(frozen=True, slots=True)
class Break:
    """A row that breaks one promise and no other.

    Attributes:
        promise: the name of the constraint, or of the unique index.
        table: where the row is tried.
        row: the columns in which it differs from a good one.
        beside: a row that is written before it, by its differences; None: those of every test are enough.
    """

    promise: str
    table: str
    row: Row
    beside: Row | None = None

    @property
    def insertion(self) -> str:
        """The statement that the promise must refuse."""
        return trial(self.table, self.row)

    @property
    def preparation(self) -> str | None:
        """The statement that is run before it, None where there is none."""
        return None if self.beside is None else insertion(self.table, _BESIDE, self.beside)


_BESIDE = 5


def standing(table: str) -> range:
    """Return the numbers of the rows that stand in *table*."""
    if table == "audit_mark":
        # It holds one row at most.
        return range(1, 1)
    return range(1, 4 if table in PARENTS else 3)


def trial(table: str, row: Row) -> str:
    """Return the statement that tries a row beside those that stand in *table*."""
    return insertion(table, standing(table).stop, row)


def insertion(table: str, number: int, row: Row) -> str:
    """Return the statement that writes row *number* of *table*, with *row* over its good columns."""
    values = {**TABLES[table], **row}
    text = f"INSERT INTO {table} ({', '.join(values)}) OVERRIDING SYSTEM VALUE VALUES ({', '.join(values.values())})"  # noqa: S608 -- names and values of ours
    return text.replace("<n>", str(number))


def _breaks() -> Iterator[Break]:
    yield from _checks()
    for name, (table, columns) in _UNIQUE.items():
        # What the second row has, the first has already.
        yield Break(name, table, {column: TABLES[table][column].replace("<n>", "1") for column in columns})
    for table, column in _REFERENCES:
        yield Break(f"{table}_{column}_fkey", table, {column: "9999", **_REFERRING.get((table, column), {})})
    yield Break("audit_mark_pkey", "audit_mark", {}, {})
    yield Break("discount_code_code_key", "discount_code", {"code": "'code1'"})
    yield Break("transfer_order_kind", "transfer", _CHARGE, {**_CHARGE, "reference": "'other'"})


_CHARGE = {"debit_account_id": "1001", "credit_account_id": "1", "kind": "'charge'", "order_id": "1"}
_NOTHING_HOUSE = {"balance_cents": "NULL", "email": "NULL", "email_key": "NULL"}
_NO_CREDENTIALS = {"username": "NULL", "password_sealed": "NULL", "sealing_key_id": "NULL"}

_CHECKS: Mapping[str, list[tuple[str, Row]]] = {
    "account": [
        ("balance_cents_check", {"balance_cents": "-1"}),
        ("balance_cents_check", {"balance_cents": "1000000000000"}),
        ("email_check", {"email": "'a@'"}),
        ("house_has_no_balance", {"balance_cents": "NULL"}),
        ("house_has_no_email", {"email": "NULL"}),
        ("kind_check", {"kind": "'guest'", **_NOTHING_HOUSE}),
        ("ledger_version_check", {"ledger_version": "-1"}),
        ("name_check", {"name": "repeat('x', 201)"}),
        ("status_check", {"status": "'gone'"}),
    ],
    "account_code": [("uses_check", {"uses": "-1"})],
    "account_plan": [("orders_check", {"orders": "-1"})],
    "account_move": [
        ("cause_check", {"cause": "''"}),
        ("is_legal", {"to_status": "'active'"}),
    ],
    "api_token": [("name_check", {"name": "''"}), ("token_hash_check", {"token_hash": "'short'"})],
    "audit_run": [
        ("breaches_check", {"breaches": "-1"}),
        ("check", {"finished_at": "now() - interval '1 second'"}),
        ("form_check", {"form": "'half'"}),
    ],
    "audit_mark": [("is_only_check", {"is_only": "false"})],
    "catalog_revision": [("id_check", {"id": "0"})],
    "discount_code": [
        ("code_check", {"code": "'two words'"}),
        ("uses_check", {"uses": "-1"}),
        ("within_ceiling", {"uses": "3"}),
    ],
    "gateway": [
        ("host_check", {"host": "''"}),
        ("lost_has_ended", {"is_lost": "true"}),
        ("seen_since_start", {"seen_at": "now() - interval '1 second'"}),
    ],
    "lease": [
        (f"{column}_check", {column: "-1"})
        for column in (
            "leased_bytes",
            "up_bytes",
            "down_bytes",
            "connections",
            "tunnels",
            "bytes_per_second",
            "wished_per_second",
        )
    ],
    "lost_lease": [("bytes_check", {"bytes": "0"})],
    "usage_hour": [
        *((f"{column}_check", {column: "-1"}) for column in ("up_bytes", "down_bytes", "lost_bytes", "connections")),
        ("hour_check", {"hour": "'2026-01-01 00:30:00Z'"}),
    ],
    "usage_refusal": [
        ("hour_check", {"hour": "'2026-01-01 00:30:00Z'"}),
        ("reason_check", {"reason": "'Two Words'"}),
        ("refusals_check", {"refusals": "0"}),
    ],
    "whitelist_address": [("address_check", {"address": "'192.0.2.0/24'"})],
    "meter": [
        ("consumed_bytes_check", {"consumed_bytes": "-1"}),
        ("initial_bytes_check", {"initial_bytes": "0", "consumed_bytes": "0", "leased_bytes": "0"}),
        ("leased_bytes_check", {"leased_bytes": "-1"}),
        ("within_initial", {"consumed_bytes": "10"}),
    ],
    "order_move": [
        ("has_cause", {"cause": "''"}),
        ("is_legal", {"from_status": "'failed'", "to_status": "'active'"}),
        ("is_legal", {"from_status": "'pending'", "to_status": "'pending'"}),
    ],
    "orders": [
        ("bandwidth_gb_check", {"bandwidth_gb": "0"}),
        ("bandwidth_gb_check", {"bandwidth_gb": "8388609"}),
        ("credentials_fit_status", {"status": "'pending'"}),
        ("credentials_fit_status", _NO_CREDENTIALS),
        ("credentials_whole", {"password_sealed": "NULL"}),
        ("discount_cents_check", {"discount_cents": "-2", "net_cents": "12"}),
        ("discount_has_code", {"discount_code_id": "NULL"}),
        ("expires_at_check", {"expires_at": "'2030-01-01 00:00:00.5'"}),
        ("gross_cents_check", {"gross_cents": "1000000000000", "net_cents": "999999999998"}),
        ("idempotency_key_check", {"idempotency_key": "''"}),
        ("key_has_hash", {"request_hash": "NULL"}),
        ("net_cents_check", {"gross_cents": "1", "net_cents": "-1"}),
        ("net_is_gross_less_discount", {"net_cents": "9"}),
        ("request_hash_check", {"request_hash": "'short'"}),
        ("sells_traffic_or_time", {"bandwidth_gb": "NULL", "term": "NULL"}),
        ("status_check", {"status": "'gone'"}),
        ("username_check", {"username": "'ABCDEFGHIJKLMNO'"}),
    ],
    "plan": [("type_check", {"type": "'gift'"})],
    "plan_tier": [("bandwidth_gb_check", {"bandwidth_gb": "0"})],
    "sealing_key": [("fingerprint_check", {"fingerprint": "'short'"})],
    "transfer": [
        ("amount_cents_check", {"amount_cents": "0"}),
        ("balance_after_cents_check", {"balance_after_cents": "-1"}),
        ("is_a_customers", {"account_id": "3", "credit_account_id": "3"}),
        ("order_fits_kind", {"order_id": "1"}),
        ("reason_check", {"reason": "''"}),
        ("reference_check", {"reference": "''"}),
        ("sides", {"debit_account_id": "3"}),
        ("sides", {"kind": "'gift'"}),
        ("version_check", {"version": "0"}),
    ],
}


def _checks() -> Iterator[Break]:
    for table, checks in _CHECKS.items():
        for name, row in checks:
            yield Break(f"{table}_{name}", table, row)


_KEYS = {
    "account_code": ("account_id", "code_id"),
    "account_plan": ("account_id", "plan_id"),
    "meter": ("order_id",),
    "lease": ("gateway_id", "order_id"),
    "usage_hour": ("order_id", "hour"),
    "usage_refusal": ("order_id", "hour", "reason"),
    "schema_migration": ("version",),
    "schema_grant": ("role_name",),
}
_UNIQUE: Mapping[str, tuple[str, tuple[str, ...]]] = {
    **{f"{table}_pkey": (table, _KEYS.get(table, ("id",))) for table in TABLES if table != "audit_mark"},
    "account_email_key_key": ("account", ("email_key",)),
    "account_uuid_key": ("account", ("uuid",)),
    "api_token_account_id_name_key": ("api_token", ("account_id", "name")),
    "api_token_token_hash_key": ("api_token", ("token_hash",)),
    "gateway_uuid_key": ("gateway", ("uuid",)),
    "lost_lease_gateway_id_order_id_key": ("lost_lease", ("gateway_id", "order_id")),
    "whitelist_address_order_id_address_key": ("whitelist_address", ("order_id", "address")),
    "orders_account_idempotency_key": ("orders", ("account_id", "idempotency_key")),
    "orders_username_key": ("orders", ("username",)),
    "orders_uuid_key": ("orders", ("uuid",)),
    "plan_duration_plan_id_slug_key": ("plan_duration", ("plan_id", "slug")),
    "plan_option_duration_id_name_key": ("plan_option", ("duration_id", "name")),
    "plan_slug_key": ("plan", ("slug",)),
    "plan_tier_plan_id_bandwidth_gb_key": ("plan_tier", ("plan_id", "bandwidth_gb")),
    "sealing_key_fingerprint_key": ("sealing_key", ("fingerprint",)),
    "transfer_account_id_version_key": ("transfer", ("account_id", "version")),
    "transfer_account_reference": ("transfer", ("account_id", "reference")),
}
_REFERENCES = [
    *(("account_code", "account_id"), ("account_code", "code_id")),
    *(("account_move", "account_id"), ("account_plan", "account_id"), ("account_plan", "plan_id")),
    *(("api_token", "account_id"), ("meter", "order_id"), ("order_move", "account_id"), ("order_move", "order_id")),
    *(("lease", "gateway_id"), ("lease", "order_id"), ("lease", "account_id")),
    *(("lost_lease", "gateway_id"), ("lost_lease", "order_id"), ("lost_lease", "account_id")),
    *(("usage_hour", "order_id"), ("usage_hour", "account_id")),
    *(("usage_refusal", "order_id"), ("usage_refusal", "account_id")),
    *(("whitelist_address", "order_id"), ("whitelist_address", "account_id")),
    *(("orders", "account_id"), ("orders", "catalog_revision"), ("orders", "discount_code_id")),
    *(("orders", "plan_id"), ("orders", "sealing_key_id"), ("plan_duration", "plan_id")),
    *(("plan_option", "duration_id"), ("plan_tier", "plan_id"), ("transfer", "account_id"), ("transfer", "order_id")),
]
_REFERRING: Mapping[tuple[str, str], Row] = {
    ("transfer", "account_id"): {"credit_account_id": "9999"},
    ("transfer", "order_id"): {**_CHARGE, "order_id": "9999"},
}

BREAKS = tuple(_breaks())
"""One or more for every CHECK, UNIQUE, primary and foreign key of the schema."""


def break_names() -> list[str]:
    """Return a name for each of BREAKS: its promise's, and from the second row on its number."""
    names: list[str] = []
    for place, one in enumerate(BREAKS):
        earlier = sum(before.promise == one.promise for before in BREAKS[:place])
        names.append(f"{one.promise}-{earlier + 1}" if earlier else one.promise)
    return names


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger that lets rows only ever be inserted."""

    name: str
    table: str
    statements: Mapping[str, str] = field(default_factory=dict)


def _only_inserted(table: str) -> Trigger:
    statements = {
        "update": f"UPDATE {table} SET actor = 'somebody'",  # noqa: S608 -- names of ours
        "delete": f"DELETE FROM {table}",  # noqa: S608 -- as above
        "truncate": f"TRUNCATE {table} CASCADE",
    }
    return Trigger(f"{table}_only_inserted", table, statements)


TRIGGERS = tuple(_only_inserted(table) for table in ("account_move", "catalog_revision", "order_move", "transfer"))


def required_columns() -> list[tuple[str, str]]:
    """Return every table and column that may not be null."""
    return [
        (table, column)
        for table, row in TABLES.items()
        for column in row
        if column not in NULLABLE.get(table, frozenset())
    ]
