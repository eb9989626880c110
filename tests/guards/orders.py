"""The guards of the way of an order, of its moves, and of the ledger."""

from guards.guard import Guard, altered_function, edit

_WAITS = "tests/races/test_waits.py"
_LAST = "tests/database/test_last_guards.py"
_EDGE = "tests/rules/test_edge.py"
_LANES = "tests/api/test_lanes.py"
_INJECTED = "tests/faults/test_injected_errors.py"
_ASIDE = "tests/races/test_aside.py"
_LOST = "tests/faults/test_lost_commits.py"
_KILLED = "tests/faults/test_killed_processes.py"
_BATCH = "tests/rules/test_batch.py"
_OPERATORS = "tests/races/test_operators.py"
_MOVES = "tests/api/test_order_moves.py"
_BY_ID = f"{_WAITS}::test_rows_are_locked_by_their_ids_wherever_they_lie"
_LOAD = "load_order_batch"
_NEWEST = (
    "    SELECT catalog_revision.id, catalog_revision.created_at INTO current_revision, current_applied_at\n"
    "    FROM catalog_revision\n    ORDER BY catalog_revision.id DESC\n    LIMIT 1;\n"
)

LOCKS = (
    Guard(
        "order-locks-account",
        "lock",
        "M2, L2",
        altered_function(_LOAD, ("ORDER BY account.id\n        FOR NO KEY UPDATE)", "ORDER BY account.id)")),
        (
            f"{_WAITS}::test_who_waits_for_an_account_finds_the_balance_that_is_left",
            f"{_WAITS}::test_who_waits_for_an_account_finds_its_places_taken",
        ),
    ),
    Guard(
        "order-locks-code",
        "lock",
        "L1",
        altered_function(_LOAD, ("ORDER BY discount_code.id\n    FOR NO KEY UPDATE", "ORDER BY discount_code.id")),
        (f"{_WAITS}::test_who_waits_for_a_code_finds_its_last_use_gone",),
        ends_with="novaproxy.orders.store.CodeTaken",
    ),
    Guard(
        "order-locks-accounts-by-id",
        "order of locks",
        "no circle of waits",
        altered_function(_LOAD, ("        ORDER BY account.id\n", "")),
        (f"{_BY_ID}[load_order_batch, accounts]",),
    ),
    Guard(
        "order-locks-codes-by-id",
        "order of locks",
        "no circle of waits",
        altered_function(_LOAD, ("    ORDER BY discount_code.id\n", "")),
        (f"{_BY_ID}[load_order_batch, codes]",),
    ),
    Guard(
        "order-counts-codes-by-id",
        "order of locks",
        "no circle of waits",
        edit(
            "orders/store.py",
            ("Counter(sorted(code_id for _, code_id in redeemed))", "Counter(code_id for _, code_id in redeemed)"),
        ),
        (f"{_WAITS}::test_codes_are_counted_by_their_ids",),
    ),
    Guard(
        "code-is-counted-within-its-limit",
        "WHERE guard",
        "L1",
        edit(
            "orders/sql/save_batch.sql",
            ("\n      AND (new.max_uses IS NULL OR discount_code.uses + new.uses <= new.max_uses)", ""),
        ),
        (f"{_WAITS}::test_who_counts_a_code_too_late_writes_nothing_and_is_decided_anew[take_uses]",),
    ),
    Guard(
        "code-under-lower-limit-is-decided-anew",
        "check",
        "L1",
        edit("orders/store.py", ("if error.constraint_name == _CEILING:", "if error.constraint_name is None:")),
        (f"{_WAITS}::test_who_counts_a_code_too_late_writes_nothing_and_is_decided_anew[lower_limit]",),
    ),
    Guard(
        "order-reads-counters-after-lock",
        "order of steps",
        "L2",
        altered_function(
            _LOAD,
            ("    current_revision integer;", "    current_revision integer; early bigint;"),
            (
                "    locked_accounts := ARRAY(\n",
                "    early := (SELECT COALESCE(max(account_plan.orders), 0) FROM account_plan JOIN api_token "
                "USING (account_id) WHERE api_token.token_hash = ANY (token_hashes));\n    locked_accounts := ARRAY(\n",
            ),
            ("ARRAY(SELECT account_plan.orders FROM", "ARRAY(SELECT least(account_plan.orders, early) FROM"),
        ),
        (f"{_WAITS}::test_who_waits_for_an_account_finds_its_places_taken",),
    ),
    Guard(
        "order-reads-revision-after-lock",
        "order of steps",
        "M8",
        altered_function(
            _LOAD,
            (_NEWEST, ""),
            ("    locked_accounts := ARRAY(\n", f"{_NEWEST}    locked_accounts := ARRAY(\n"),
        ),
        (f"{_WAITS}::test_who_waits_for_an_account_pays_the_price_that_holds_after_the_wait",),
    ),
    Guard(
        "order-reads-time-after-lock",
        "order of steps",
        "M6",
        altered_function(
            _LOAD,
            ("    after_the_wait := clock_timestamp();\n", ""),
            (
                "    locked_accounts := ARRAY(\n",
                "    after_the_wait := clock_timestamp();\n    locked_accounts := ARRAY(\n",
            ),
        ),
        (f"{_WAITS}::test_who_waits_for_an_account_orders_at_the_time_after_the_wait",),
    ),
    Guard(
        "order-reads-key-after-lock",
        "order of steps",
        "M4",
        altered_function(
            _LOAD,
            ("    current_revision integer;", "    current_revision integer; early bigint := 0;"),
            (
                "    locked_accounts := ARRAY(\n",
                "    early := (SELECT max(id) FROM orders);\n    locked_accounts := ARRAY(\n",
            ),
            ("AND orders.idempotency_key = ask.key", "AND orders.idempotency_key = ask.key AND orders.id <= early"),
        ),
        (f"{_WAITS}::test_who_waits_for_an_account_finds_the_key_used",),
    ),
    Guard(
        "settling-locks-accounts-by-id",
        "order of locks",
        "no circle of waits",
        edit("orders/sql/lock_accounts.sql", (" ORDER BY id", "")),
        (f"{_BY_ID}[lock_accounts]",),
    ),
    Guard(
        "apply-locks-codes-by-id",
        "order of locks",
        "no circle of waits",
        edit("catalog/sql/lock_codes.sql", (" ORDER BY id", "")),
        (f"{_BY_ID}[lock_codes]",),
    ),
    Guard(
        "apply-locks-codes",
        "lock",
        "L1",
        edit("catalog/sql/lock_codes.sql", (" FOR NO KEY UPDATE", "")),
        (f"{_BY_ID}[lock_codes]",),
    ),
    Guard(
        "apply-waits-for-apply",
        "advisory lock",
        "M8",
        edit("catalog/store.py", ("SELECT pg_advisory_xact_lock($1)", "SELECT $1::bigint")),
        (f"{_WAITS}::test_of_two_catalogs_at_once_one_follows_the_other",),
    ),
    Guard(
        "revocation-locks-account",
        "lock",
        "who asks",
        edit("accounts/sql/lock_account.sql", (" FOR NO KEY UPDATE", "")),
        (f"{_WAITS}::test_a_revocation_waits_for_the_order_under_way[revoke]",),
    ),
    Guard(
        "move-locks-order",
        "lock",
        "S1",
        edit("orders/sql/lock_order.sql", (" FOR NO KEY UPDATE", "")),
        (f"{_WAITS}::test_a_move_that_waits_for_another_finds_the_status_that_it_left",),
    ),
    Guard(
        "refund-locks-account-first",
        "order of locks",
        "no circle of waits",
        edit(
            "orders/moving.py",
            ('        await connection.execute(statement(_SQL, "lock_accounts"), [sold["account_id"]])\n', ""),
        ),
        (f"{_WAITS}::test_a_refund_locks_the_account_and_the_code_before_the_order[account]",),
    ),
    Guard(
        "refund-locks-code-before-order",
        "order of locks",
        "no circle of waits",
        edit(
            "orders/moving.py",
            ('        await connection.execute(statement(_SQL, "lock_code"), sold["discount_code_id"])\n', ""),
        ),
        (f"{_WAITS}::test_a_refund_locks_the_account_and_the_code_before_the_order[discount_code]",),
    ),
    Guard(
        "adjustment-locks-account",
        "lock",
        "M1, M6",
        edit("ledger/sql/lock_balance.sql", (" FOR NO KEY UPDATE", "")),
        (f"{_WAITS}::test_two_adjustments_of_one_account_both_count",),
    ),
    Guard(
        "adjustment-looks-for-reference-after-lock",
        "order of steps",
        "a reference has one effect",
        edit(
            "ledger/store.py",
            (
                '    account = await connection.fetchrow(statement(_SQL, "lock_balance"), account_id)\n',
                '    earlier = await connection.fetchrow(statement(_SQL, "find_reference"), account_id, reference)\n'
                '    account = await connection.fetchrow(statement(_SQL, "lock_balance"), account_id)\n',
            ),
            (
                '        earlier = await connection.fetchrow(statement(_SQL, "find_reference"), account_id, reference)\n'
                "        if earlier",
                "        if earlier",
            ),
        ),
        (f"{_WAITS}::test_of_two_credits_under_one_reference_the_second_finds_the_first",),
    ),
    Guard(
        "locks-let-references-pass",
        "strength of a lock",
        "L4",
        altered_function(
            _LOAD, ("ORDER BY account.id\n        FOR NO KEY UPDATE)", "ORDER BY account.id\n        FOR UPDATE)")
        ),
        (f"{_WAITS}::test_what_is_held_for_updates_does_not_stop_new_rows_that_refer_to_it",),
    ),
    Guard(
        "expiry-waits-for-nobody",
        "lock",
        "S1",
        edit("orders/sql/expire_orders.sql", (" SKIP LOCKED", "")),
        (f"{_MOVES}::test_an_order_that_somebody_holds_is_expired_later",),
        ends_with="asyncpg.exceptions.LockNotAvailableError",
    ),
)
"""Who waits for whom, in which order, and what is read only afterwards."""

_ASKS = "tests/api/test_authentication.py"

WRITES = (
    Guard(
        "order-asks-for-open-token",
        "WHERE guard",
        "who asks",
        altered_function(
            _LOAD,
            (
                "ON api_token.token_hash = ask.token_hash AND api_token.revoked_at IS NULL",
                "ON api_token.token_hash = ask.token_hash",
            ),
        ),
        (f"{_WAITS}::test_who_waits_behind_a_revocation_is_refused[revoke]",),
    ),
    Guard(
        "order-is-of-a-locked-account",
        "WHERE guard",
        "L2",
        altered_function(_LOAD, ("AND account.id = ANY (locked_accounts)", "")),
        ("tests/races/test_late_arrivals.py::test_a_token_of_the_last_moment_is_not_of_the_batch",),
    ),
    Guard(
        "order-asks-for-active-account",
        "WHERE guard",
        "who asks",
        altered_function(_LOAD, (" AND account.status = 'active'", "")),
        (f"{_ASKS}::test_the_token_of_a_suspended_account_is_unauthenticated",),
    ),
    Guard(
        "read-asks-for-open-token",
        "WHERE guard",
        "who asks",
        edit("accounts/sql/find_asking.sql", (" AND api_token.revoked_at IS NULL", "")),
        (f"{_ASKS}::test_a_revoked_token_is_unauthenticated_at_once",),
    ),
    Guard(
        "read-asks-for-active-account",
        "WHERE guard",
        "who asks",
        edit("accounts/sql/find_asking.sql", (" AND account.status = 'active'", "")),
        (f"{_ASKS}::test_the_token_of_a_suspended_account_is_unauthenticated",),
    ),
    Guard(
        "order-is-its-buyers",
        "WHERE guard",
        "who asks",
        edit("orders/sql/read_order.sql", ("orders.account_id = $1 AND orders.uuid", "$1::bigint > 0 AND orders.uuid")),
        ("tests/api/test_order_lists.py::test_an_order_is_shown_to_its_buyer_alone",),
    ),
    Guard(
        "entries-are-their-owners",
        "WHERE guard",
        "who asks",
        edit("ledger/sql/list_entries.sql", ("transfer.account_id = $1 AND", "$1::bigint > 0 AND")),
        ("tests/api/test_balance.py::test_entries_are_the_callers_own",),
    ),
    Guard(
        "save-checks-version",
        "WHERE guard",
        "M6",
        edit("orders/sql/save_batch.sql", (" AND account.ledger_version = new.version_before", "")),
        (f"{_LAST}::test_an_account_that_moved_since_it_was_read_is_not_overwritten",),
    ),
    Guard(
        "save-counts-rows",
        "row-count comparison",
        "M1, M3",
        edit("orders/store.py", ("if saved != decided:", "if not saved:")),
        (
            f"{_LAST}::test_an_order_whose_account_is_not_charged_is_no_order",
            f"{_LAST}::test_an_account_that_moved_since_it_was_read_is_not_overwritten",
        ),
    ),
    Guard(
        "move-checks-status",
        "WHERE guard",
        "S1",
        edit("orders/sql/move_order.sql", ("WHERE id = $1 AND status = $2", "WHERE id = $1")),
        (f"{_LAST}::test_an_order_is_moved_only_from_the_status_that_was_checked",),
    ),
    Guard(
        "move-counts-rows",
        "row-count comparison",
        "S1",
        edit(
            "orders/moving.py",
            ("    if moved is None:\n        raise BooksChanged", "    if False:\n        raise BooksChanged"),
        ),
        (f"{_LAST}::test_a_delivery_that_does_not_reach_the_order_is_none",),
    ),
    Guard(
        "refund-counts-rows",
        "row-count comparison",
        "M7, L1, L2",
        edit("orders/moving.py", ("if row is None or tuple(row) != (", "if row is None or not (")),
        tuple(
            f"{_LAST}::test_a_refund_that_cannot_give_back_everything_gives_back_nothing[{counter}]"
            for counter in ("account_plan", "account_code", "discount_code")
        ),
    ),
    Guard(
        "adjustment-counts-rows",
        "row-count comparison",
        "M1",
        edit("ledger/store.py", ("    if written != balance_cents:", "    if False:")),
        (f"{_LAST}::test_a_credit_that_does_not_reach_the_balance_is_no_credit",),
    ),
    Guard(
        "account-moves-once",
        "WHERE guard",
        "S1",
        edit("accounts/sql/move_account.sql", (" AND status = $2", "")),
        (f"{_LAST}::test_an_account_is_moved_once",),
    ),
    Guard(
        "expiry-checks-time",
        "WHERE guard",
        "S1",
        edit("orders/sql/expire_orders.sql", (" AND expires_at <= now()", "")),
        (f"{_MOVES}::test_time_expires_active_and_inactive_orders_and_no_others",),
    ),
    Guard(
        "counters-add-up",
        "counter",
        "L2",
        edit(
            "orders/sql/save_batch.sql",
            ("SET orders = account_plan.orders + EXCLUDED.orders", "SET orders = EXCLUDED.orders"),
        ),
        (f"{_LAST}::test_what_is_counted_adds_up_from_batch_to_batch",),
    ),
    Guard(
        "uses-add-up",
        "counter",
        "L1",
        edit("orders/sql/save_batch.sql", ("SET uses = discount_code.uses + new.uses", "SET uses = new.uses")),
        (f"{_LAST}::test_what_is_counted_adds_up_from_batch_to_batch",),
    ),
    Guard(
        "code-counters-add-up",
        "counter",
        "L1",
        edit("orders/sql/save_batch.sql", ("SET uses = account_code.uses + EXCLUDED.uses", "SET uses = EXCLUDED.uses")),
        (f"{_LAST}::test_what_is_counted_adds_up_from_batch_to_batch",),
    ),
)
"""Which rows a statement may read and write, and what is done where it wrote others."""

RULES = (
    Guard(
        "balance-covers-price",
        "rule",
        "M2",
        edit("orders/rules.py", (" or customer.balance_cents < gross_cents - taken_off_cents", "")),
        (f"{_BATCH}::test_two_orders_of_one_account_cannot_spend_the_same_balance",),
    ),
    Guard(
        "gross-has-a-ceiling",
        "bound",
        "M5",
        edit("orders/rules.py", ("gross_cents > AMOUNT_CEILING_CENTS or ", "")),
        (f"{_BATCH}::test_a_gross_one_cent_above_the_ceiling_is_refused",),
    ),
    Guard(
        "plan-has-a-limit",
        "rule",
        "L2",
        edit("orders/rules.py", (">= plan.max_orders_per_account:", "< 0:")),
        (f"{_BATCH}::test_the_order_limit_counts_within_a_batch_and_by_plan",),
    ),
    Guard(
        "code-is-read-to-be-redeemed",
        "rule",
        "L1",
        edit(
            "orders/rules.py",
            (
                "if code is None or code.id not in uses_by_code:\n        raise CodeNotValid\n",
                "if code is None:\n        raise CodeNotValid\n    uses_by_code.setdefault(code.id, 0)\n",
            ),
        ),
        (f"{_BATCH}::test_a_code_that_was_not_read_is_not_redeemed",),
    ),
    Guard(
        "code-has-a-limit",
        "rule",
        "L1",
        edit("discounts/rules.py", ("redemption.uses >= code.max_uses", "redemption.uses < 0")),
        (f"{_BATCH}::test_the_uses_of_a_code_are_counted_within_a_batch_over_all_accounts",),
    ),
    Guard(
        "code-has-a-limit-by-account",
        "rule",
        "L1",
        edit(
            "discounts/rules.py",
            ("redemption.account_uses >= code.max_uses_per_account", "redemption.account_uses < 0"),
        ),
        (f"{_BATCH}::test_the_uses_of_a_code_by_an_account_are_counted_within_a_batch",),
    ),
    Guard(
        "discount-stays-below-gross",
        "bound",
        "M3",
        edit(
            "discounts/rules.py", ("return min(code.amount_cents or 0, gross_cents)", "return code.amount_cents or 0")
        ),
        ("tests/rules/test_discounts.py",),
    ),
    Guard(
        "key-has-one-request",
        "comparison",
        "M4",
        edit("orders/batch.py", ("if digest != known_digest:", "if digest is None:")),
        (f"{_BATCH}::test_the_same_key_with_another_request_in_a_batch_is_refused",),
    ),
    Guard(
        "key-is-remembered-in-a-batch",
        "rule",
        "M4",
        edit("orders/batch.py", ("customer.keys[ask.idempotency_key] = (uuid, digest)", "pass")),
        (f"{_BATCH}::test_the_same_key_twice_in_a_batch_is_one_order",),
    ),
    Guard(
        "replay-comes-first",
        "order of checks",
        "M4",
        edit(
            "orders/batch.py",
            ("    digest = request_hash(", "    order_request(ask.fields)\n    digest = request_hash("),
        ),
        (f"{_BATCH}::test_a_replay_comes_before_every_other_check",),
    ),
    Guard(
        "token-comes-before-key",
        "order of checks",
        "401 before 422",
        edit(
            "orders/batch.py",
            (
                "    if account_id is None:",
                "    if ask.key_fault is not None:\n        raise ask.key_fault\n    if account_id is None:",
            ),
        ),
        (f"{_BATCH}::test_a_bad_key_is_told_before_the_body_and_after_the_token",),
    ),
    Guard(
        "token-comes-before-body",
        "order of checks",
        "401 before 422",
        edit(
            "orders/api.py",
            ("            await read(self.pool, lambda connection: asking_account(connection, token))\n", ""),
        ),
        (f"{_ASKS}::test_who_asks_comes_before_what_is_asked",),
    ),
    Guard(
        "move-is-legal",
        "rule",
        "S1",
        edit("orders/moves.py", ("    if status is not move.before:", "    if not status:")),
        (f"{_MOVES}::test_an_illegal_move_is_refused_and_changes_nothing",),
    ),
    Guard(
        "refund-has-a-ceiling",
        "bound",
        "M2",
        edit("orders/moving.py", ("        if balance_cents > AMOUNT_CEILING_CENTS:", "        if balance_cents < 0:")),
        (f"{_MOVES}::test_a_refund_past_the_greatest_balance_is_refused_whole",),
        ends_with="asyncpg.exceptions.CheckViolationError",
    ),
    Guard(
        "debit-stops-at-zero",
        "bound",
        "M2",
        edit("ledger/store.py", ("    if amount_cents > balance_cents:", "    if amount_cents < 0:")),
        ("tests/cli/test_accounts.py::test_money_goes_on_and_off_a_balance_within_its_bounds",),
    ),
    Guard(
        "credit-stops-at-the-ceiling",
        "bound",
        "M2",
        edit(
            "ledger/store.py",
            ("        if balance_cents + amount_cents > AMOUNT_CEILING_CENTS:", "        if amount_cents < 0:"),
        ),
        ("tests/cli/test_accounts.py::test_money_goes_on_and_off_a_balance_within_its_bounds",),
    ),
    Guard(
        "reference-stands-for-one-amount",
        "comparison",
        "a reference has one effect",
        edit(
            "ledger/store.py",
            ("    if (earlier_kind, earlier_cents) != (kind, amount_cents):", "    if not earlier_kind:"),
        ),
        ("tests/cli/test_accounts.py::test_the_same_reference_twice_has_one_effect",),
    ),
    Guard(
        "shelf-follows-revision",
        "comparison",
        "M8",
        edit("catalog/store.py", ("if revision == self._revision:", "if self._revision.number:")),
        ("tests/api/test_plans.py::test_a_changed_catalog_shows_at_once_and_keeps_its_ids",),
    ),
    Guard(
        "shelf-tells-catalogs-of-one-number-apart",
        "comparison",
        "M8",
        edit("catalog/store.py", ("if revision == self._revision:", "if revision.number == self._revision.number:")),
        ("tests/faults/test_restored_catalogs.py::test_another_catalog_with_the_same_number_is_sold_from_at_once",),
    ),
    Guard(
        "newest-is-known-for-a-moment",
        "bound",
        "the shown price",
        edit("catalog/newest.py", ("self._looked_at <= asked_at - KNOWN_SECONDS or ", "self._looked_at < 0 or ")),
        ("tests/api/test_newest.py::test_what_was_looked_up_is_shown_for_a_moment_and_no_longer",),
    ),
    Guard(
        "newest-follows-the-shelf",
        "comparison",
        "the shown price",
        edit("catalog/newest.py", (" or self._shelf.held is not self._seen", "")),
        ("tests/api/test_newest.py::test_a_revision_that_an_order_saw_is_shown_at_once",),
    ),
    Guard(
        "an-old-look-is-not-joined",
        "bound",
        "the shown price",
        edit("catalog/newest.py", ("while looked_at <= asked_at - KNOWN_SECONDS:", "while looked_at < 0:")),
        ("tests/api/test_newest.py::test_who_asks_beside_a_look_that_began_too_long_ago_waits_for_another",),
    ),
    Guard(
        "apply-waits-until-all-show-it",
        "bound",
        "the shown price",
        edit("cli/catalog.py", ("    time.sleep(KNOWN_SECONDS)\n", "")),
        ("tests/cli/test_catalog.py::test_an_apply_ends_when_no_process_shows_the_catalog_before",),
    ),
)
"""The rules that refuse, and their order."""

DESK = (
    *(
        Guard(
            f"retry-on-{state}",
            "retry",
            "no 5xx where a retry would do",
            edit(
                "database/pool.py",
                ("RETRIED = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)", f"RETRIED = ({other},)"),
            ),
            (f"{_INJECTED}::test_a_transaction_that_loses_again_and_again_is_run_again[{state}]",),
        )
        for state, other in (("40001", "asyncpg.DeadlockDetectedError"), ("40P01", "asyncpg.SerializationError"))
    ),
    Guard(
        "attempts",
        "retry",
        "no 5xx where a retry would do",
        edit("orders/desk.py", ("ATTEMPTS = 5\n", "ATTEMPTS = 1\n")),
        (
            f"{_INJECTED}::test_a_transaction_that_loses_again_and_again_is_run_again[40001]",
            f"{_INJECTED}::test_a_transaction_that_loses_again_and_again_is_run_again[40P01]",
        ),
    ),
    Guard(
        "aside-on-lock-timeout",
        "isolation",
        "L4",
        edit(
            "orders/desk.py",
            (
                "        except (asyncpg.LockNotAvailableError, CodeTaken):\n            self._serve_aside(batch)",
                "        except asyncpg.LockNotAvailableError:\n            _give_all(batch, Busy())",
            ),
        ),
        (f"{_OPERATORS}::test_a_locked_account_does_not_stop_the_others",),
    ),
    Guard(
        "hot-lock-timeout",
        "time-out",
        "L4",
        edit("orders/desk.py", ('HOT_LOCK_TIMEOUT = "700ms"', 'HOT_LOCK_TIMEOUT = "9s"')),
        (f"{_OPERATORS}::test_a_locked_account_does_not_stop_the_others",),
    ),
    Guard(
        "aside-on-error",
        "isolation",
        "A2",
        edit(
            "orders/desk.py",
            (
                'log.error("batch failed", **_orders(batch), **facts(error))\n                self._serve_aside(batch)',
                'log.error("batch failed", **_orders(batch), **facts(error))\n                _give_all(batch, ServerFault())',
            ),
        ),
        (f"{_INJECTED}::test_an_order_that_cannot_be_written_is_a_500_that_tells_nothing",),
    ),
    Guard(
        "settling-waits-for-lost-commit",
        "lock",
        "A2, M4",
        edit("orders/sql/lock_accounts.sql", (" FOR NO KEY UPDATE", "")),
        (f"{_LOST}::test_a_commit_without_an_answer_is_settled_before_the_client_hears_anything[Fate.DELAYED]",),
    ),
    Guard(
        "lost-commit-is-settled",
        "settling",
        "A1, A2",
        edit(
            "orders/desk.py",
            ("            self._start(self._settle_batch(batch, unknown))", "            self._serve_aside(batch)"),
        ),
        (f"{_LOST}::test_a_commit_without_an_answer_is_settled_before_the_client_hears_anything[Fate.ANSWER_LOST]",),
    ),
    Guard(
        "settling-asks-again",
        "retry",
        "A2",
        edit(
            "orders/desk.py",
            ("            except UNSETTLED:\n", "            except ZeroDivisionError:\n"),
        ),
        (f"{_LOST}::test_a_commit_that_arrives_after_the_server_gave_up_is_no_order",),
    ),
    Guard(
        "lost-connection-is-tried-once-more",
        "retry",
        "no 5xx where a retry would do",
        edit("orders/desk.py", ("            if not is_old:\n                raise", "            raise")),
        (f"{_LOST}::test_lines_that_broke_while_nothing_was_under_way_lose_nothing",),
    ),
    Guard(
        "read-is-tried-once-more",
        "retry",
        "no 5xx where a retry would do",
        edit("database/pool.py", ("        if not is_outage(error):\n            raise", "        raise")),
        (f"{_LOST}::test_lines_that_broke_while_nothing_was_under_way_lose_nothing",),
    ),
    Guard(
        "silent-line-is-given-up",
        "time-out",
        "A2",
        edit("orders/desk.py", ("command_timeout=COMMAND_TIMEOUT_SECONDS, settings", "command_timeout=900, settings")),
        (f"{_LOST}::test_a_line_that_falls_silent_at_commit_is_given_up",),
        effort=2,
    ),
    Guard(
        "desk-goes-on-beside-silence",
        "time-out",
        "overload",
        edit("orders/desk.py", ("PATIENCE_SECONDS = 1.5", "PATIENCE_SECONDS = 150.0")),
        ("tests/faults/test_round_trips.py::test_a_line_that_falls_silent_holds_nobody_else_up",),
    ),
    Guard(
        "answer-after-commit",
        "order of steps",
        "A1",
        edit(
            "orders/placing.py",
            (
                '        await connection.execute(f"COMMIT{next_one}")\n',
                "        _LATE.append(asyncio.create_task(_late(connection)))\n",
            ),
            (
                "async def _rolled_back(",
                '_LATE: list[object] = []\n\n\nasync def _late(connection: Connection) -> None:\n    await connection.execute("COMMIT")\n\n\nasync def _rolled_back(',
            ),
        ),
        (f"{_INJECTED}::test_an_error_that_stays_stops_its_own_account_alone[53100-commit]",),
    ),
    Guard(
        "lane-at-rest-is-in-no-transaction",
        "bound",
        "no session stays in a transaction",
        edit("orders/desk.py", ("        await line.rest()\n", "")),
        ("tests/faults/test_chained.py::test_a_transaction_that_waits_for_orders_holds_nothing_and_ends_soon",),
    ),
    Guard(
        "plans-are-made-anew-as-tables-grow",
        "bound",
        "no order reads all before it",
        edit("database/line.py", ("if self._uses > self._plans_last_until:", "if False:")),
        (
            "tests/database/test_grown_tables.py::test_a_new_shop_does_not_read_all_orders_of_an_account_for_each_new_one"
            "[analysed while it was empty]",
        ),
    ),
    Guard(
        "way-to-rest-is-bounded",
        "time-out",
        "overload",
        edit("database/line.py", ('execute("ROLLBACK", timeout=_REST_SECONDS)', 'execute("ROLLBACK")')),
        ("tests/faults/test_chained.py::test_a_line_that_falls_silent_on_its_way_to_rest_keeps_nobody[Place.UNSENT]",),
    ),
    Guard(
        "queue-is-bounded",
        "bound",
        "overload",
        edit("orders/desk.py", ("LONGEST_QUEUE = 1_024", "LONGEST_QUEUE = 1_000_000")),
        (f"{_KILLED}::test_a_full_queue_says_busy_and_keeps_its_word_to_those_inside",),
    ),
    Guard(
        "desk-is-drained",
        "order of steps",
        "A2",
        edit(
            "app.py",
            ("        desk.close()\n        await serving\n", "        desk.close()\n        serving.cancel()\n"),
        ),
        ("tests/api/test_desk.py::test_orders_that_wait_are_answered_before_the_shop_ends",),
    ),
    Guard(
        "gone-client-breaks-nothing",
        "check",
        "A2",
        edit(
            "orders/lanes.py",
            (
                "        if not self.answer.done():\n            self.answer",
                "        if True:\n            self.answer",
            ),
        ),
        ("tests/api/test_desk.py::test_an_order_whose_client_is_gone_stops_nobody",),
    ),
    Guard(
        "overdue-batch-is-passed-by",
        "time-out",
        "overload",
        edit("orders/lanes.py", ("OVERDUE_SECONDS = 0.1\n", "OVERDUE_SECONDS = 100.0\n")),
        (f"{_LANES}::test_few_orders_wait_for_the_batch_under_way_until_it_is_overdue",),
        ends_with="TimeoutError",
    ),
    Guard(
        "same-account-waits-behind",
        "order of steps",
        "L4",
        edit("orders/lanes.py", ("return waiting.ask.token_hash in self.tokens", "return False")),
        (f"{_LANES}::test_orders_of_an_account_wait_behind_the_batch_that_has_it",),
    ),
    Guard(
        "who-waits-behind-counts",
        "bound",
        "overload",
        edit(
            "orders/lanes.py",
            ("            if lane.behind and lane.clock is not None:\n", "            if False:\n"),
        ),
        (f"{_LANES}::test_who_waits_longest_is_known_also_behind_a_batch",),
    ),
    Guard(
        "who-waits-for-a-lock-fills-no-desk",
        "isolation",
        "overload",
        edit("orders/lanes.py", ("if lane.behind and lane.clock is not None:", "if lane.behind:")),
        (f"{_LANES}::test_who_waits_behind_an_overdue_batch_says_nothing_about_other_turns",),
    ),
    Guard(
        "who-follows-aside-returns",
        "isolation",
        "overload",
        edit("orders/aside.py", ("if waiting.was_in_batch or self._is_closing", "if waiting or self._is_closing")),
        (f"{_ASIDE}::test_a_hot_account_that_was_locked_for_a_moment_is_sold_to_in_batches_again",),
    ),
    Guard(
        "free-code-is-found-free",
        "isolation",
        "overload",
        edit(
            "orders/aside.py",
            (
                "                    if not is_locked and code is not None:\n"
                "                        self._locked_codes.discard(code)\n",
                "",
            ),
        ),
        (f"{_ASIDE}::test_a_code_that_stood_aside_with_a_locked_account_is_sold_in_batches_again",),
    ),
    Guard(
        "locked-code-refuses-its-own",
        "isolation",
        "no 5xx where a retry would do",
        edit("orders/aside.py", ("if code is None or asked_code(other.ask) == code:", "if other:")),
        (f"{_ASIDE}::test_a_locked_code_refuses_nothing_that_the_same_buyer_orders_without_it",),
    ),
    Guard(
        "unanswered-commit-cuts-its-connection",
        "settling",
        "A1, A2",
        edit(
            "orders/placing.py",
            ("        _cut(connection)\n        raise OutcomeUnknown", "        raise OutcomeUnknown"),
        ),
        (f"{_ASIDE}::test_a_commit_without_an_answer_is_still_a_question_behind_the_pool",),
    ),
    Guard(
        "busy-session-tells-its-statistics",
        "bound",
        "vacuum",
        edit("database/line.py", ("_SILENT_SECONDS = 2.0\n", "_SILENT_SECONDS = 2e9\n")),
        ("tests/faults/test_chained.py::test_a_lane_that_never_rests_still_tells_what_it_changed",),
    ),
    Guard(
        "no-more-are-let-in-than-there-is-room",
        "bound",
        "overload",
        edit("http/edge.py", ("if self._is_full(self._let_in):", "if self._is_full(0):")),
        (f"{_EDGE}::test_of_what_is_read_at_once_as_many_are_let_in_as_there_is_room_for",),
    ),
    Guard(
        "a-request-leaves-no-circle",
        "bound",
        "memory",
        edit("http/edge.py", ("            del scope[EXCHANGE]\n", "")),
        (f"{_EDGE}::test_a_request_that_is_over_leaves_nothing_for_the_garbage_collector",),
    ),
    Guard(
        "closing-desk-takes-no-order",
        "check",
        "A2",
        edit("orders/desk.py", ("if self._is_closing or self._waiting_count()", "if self._waiting_count()")),
        ("tests/api/test_desk.py::test_a_desk_that_closes_takes_no_more_orders",),
    ),
    Guard(
        "rolled-back-batch-leaves-nothing",
        "order of steps",
        "A2",
        edit(
            "orders/placing.py",
            (
                "        await _rolled_back(connection)\n        raise",
                '        await connection.execute("COMMIT")\n        raise',
            ),
        ),
        (f"{_LAST}::test_an_account_that_moved_since_it_was_read_is_not_overwritten",),
    ),
)
"""What the desk does when something goes wrong."""
