"""The guards of sessions, of requests, of secrets, and of processes."""

from guards.guard import Guard, edit

_LAST = "tests/database/test_last_guards.py"
_BOUNDS = f"{_LAST}::test_every_session_has_its_bounds"
_JSON = "tests/rules/test_json_body.py"
_BODY = "tests/rules/test_body.py"
_CONNECTIONS = "tests/api/test_connections.py"
_METRICS = "tests/api/test_metrics.py"
_SEAL = "tests/rules/test_seal.py"
_ASKS = "tests/api/test_authentication.py"
_EMBEDDED = "tests/database/test_embedded.py"
_DUTIES = "tests/serving/test_duties.py"
_DEMO = "tests/serving/test_demo.py"

SESSIONS = (
    *(
        Guard(name, "time-out", "A2, L4", edit("database/pool.py", (f'    "{setting}": {value},\n', "")), (_BOUNDS,))
        for name, setting, value in (
            ("statement-timeout", "statement_timeout", "str(STATEMENT_TIMEOUT_MS)"),
            ("lock-timeout", "lock_timeout", "str(LOCK_TIMEOUT_MS)"),
            (
                "idle-in-transaction-timeout",
                "idle_in_transaction_session_timeout",
                "str(IDLE_IN_TRANSACTION_TIMEOUT_MS)",
            ),
        )
    ),
    Guard(
        "isolation-is-read-committed",
        "setting",
        "L4",
        edit("database/pool.py", ('    "default_transaction_isolation": "read committed",\n', "")),
        (f"{_LAST}::test_every_session_has_its_bounds",),
    ),
    Guard(
        "commit-waits-for-disk",
        "setting",
        "A1",
        edit("database/pool.py", ('    "synchronous_commit": "on",\n', "")),
        ("tests/database/test_sessions.py::test_a_commit_waits_for_the_disk_where_the_servers_default_does_not",),
    ),
    Guard(
        "one-process-migrates",
        "advisory lock",
        "the schema",
        edit("database/migrate.py", ("SELECT pg_advisory_xact_lock($1)", "SELECT $1::bigint")),
        ("tests/database/test_migrations.py::test_of_eight_processes_at_once_one_migrates",),
    ),
    Guard(
        "migration-never-changes",
        "comparison",
        "the schema",
        edit("database/migrate.py", ('if migration.checksum != row["checksum"]:', "if not migration.checksum:")),
        ("tests/database/test_migrations.py::test_a_newer_schema_and_a_changed_file_are_refused",),
    ),
    Guard(
        "one-service-keeps-a-duty",
        "advisory lock",
        "S1",
        edit("duties/loop.py", ("SELECT pg_try_advisory_lock($1, $2)", "SELECT $1::int <> $2::int")),
        (f"{_DUTIES}::test_what_another_service_does_is_left_to_it",),
    ),
    Guard(
        "frozen-duty-loses-its-lock",
        "time-out",
        "S1",
        edit("duties/loop.py", ('_LOCKING = {"idle_session_timeout": "60s"}', "_LOCKING: dict[str, str] = {}")),
        (f"{_DUTIES}::test_each_duty_with_a_lock_is_bounded_while_it_asks_nothing",),
    ),
)
"""What every session of the database promises."""

REQUESTS = (
    Guard(
        "body-is-bounded",
        "bound",
        "overload",
        edit("http/body.py", ("        if len(body) > limit:\n            raise BodyTooLarge(limit)\n", "")),
        (f"{_BODY}::test_chunks_above_the_limit_are_refused_at_once",),
        ends_with="RuntimeError: coroutine raised StopIteration",
    ),
    Guard(
        "announced-body-is-bounded",
        "bound",
        "overload",
        edit("http/body.py", ("if content_length is not None and content_length > limit:", "if limit < 0:")),
        (f"{_BODY}::test_an_announced_length_above_the_limit_is_refused_before_reading",),
        ends_with="RuntimeError: coroutine raised StopIteration",
    ),
    Guard(
        "body-limit",
        "bound",
        "overload",
        edit("http/body.py", ("LIMIT_BYTES = 65_536", "LIMIT_BYTES = 65_537")),
        ("tests/api/test_bad_input.py::test_a_client_that_sends_a_longer_body_can_read_the_refusal",),
    ),
    Guard(
        "head-is-bounded",
        "bound",
        "overload",
        edit(
            "http/protocol.py", ("(end.end() if end else len(self._held)) > HEAD_LIMIT_BYTES", "HEAD_LIMIT_BYTES < 0")
        ),
        (f"{_CONNECTIONS}::test_a_head_that_is_too_long_is_told_so",),
    ),
    Guard(
        "head-behind-a-request-is-bounded",
        "bound",
        "overload",
        edit("http/protocol.py", ("if self._parsed_head_bytes > 2 * HEAD_LIMIT_BYTES:", "if HEAD_LIMIT_BYTES < 0:")),
        (f"{_CONNECTIONS}::test_a_head_without_end_is_cut",),
    ),
    Guard(
        "head-has-a-time",
        "time-out",
        "overload",
        edit(
            "http/protocol.py",
            (
                "        super().connection_made(transport)\n        self._wait(self.head_seconds)\n",
                "        super().connection_made(transport)\n",
            ),
        ),
        (f"{_CONNECTIONS}::test_a_half_request_is_not_waited_for_without_end[-head_seconds]",),
        ends_with="TimeoutError: timed out",
    ),
    Guard(
        "body-has-a-time",
        "time-out",
        "overload",
        edit(
            "http/protocol.py",
            (
                "(self._is_between_requests or self._is_over):\n            self._wait(self.body_seconds)\n",
                "(self._is_between_requests or self._is_over):\n            self._stop_waiting()\n",
            ),
        ),
        (f"{_CONNECTIONS}::test_a_half_request_is_not_waited_for_without_end[half a body-body_seconds]",),
        ends_with="TimeoutError: timed out",
    ),
    Guard(
        "json-is-not-deep",
        "bound",
        "overload",
        edit("http/json_body.py", ("if len(self._open) > DEEPEST:", "if len(self._open) > 10 * DEEPEST:")),
        (f"{_JSON}::test_deep_nesting_is_refused_without_a_traceback",),
    ),
    Guard(
        "json-numbers-are-json",
        "check",
        "M5",
        edit("http/json_body.py", ("    parse_constant=_no_number,\n", "")),
        (f"{_JSON}::test_what_is_no_json_is_refused",),
    ),
    Guard(
        "json-numbers-are-exact",
        "check",
        "M5",
        edit("http/json_body.py", ("    parse_float=_number,\n", "")),
        (f"{_JSON}::test_every_json_number_is_the_decimal_that_was_written",),
    ),
    Guard(
        "json-members-come-once",
        "check",
        "money moves on no typo",
        edit(
            "http/json_body.py",
            ("return members if len(members) == len(pairs) else _Repeating(pairs)", "return members"),
        ),
        (f"{_BODY}::test_a_repeated_json_member_is_told",),
    ),
    Guard(
        "form-fields-come-once",
        "check",
        "money moves on no typo",
        edit("http/form_body.py", ("        if clash is not None:", "        if clash == -1:")),
        (f"{_BODY}::test_a_repeated_form_field_is_told",),
    ),
    Guard(
        "form-names-are-not-deep",
        "bound",
        "overload",
        edit("http/form_body.py", ("DEEPEST_BRACKETS = 4", "DEEPEST_BRACKETS = 40_000")),
        ("tests/rules/test_form_body.py",),
    ),
    Guard(
        "text-can-be-stored",
        "check",
        "A2",
        edit("http/fields.py", (r'"[\x00\ud800-\udfff]"', r'"[\ud800-\udfff]"')),
        (f"{_BODY}::test_nul_and_lone_surrogates_are_refused_and_never_repeated",),
    ),
    Guard(
        "form-is-whole",
        "check",
        "money moves on no typo",
        edit("http/multipart_body.py", ("    if not collector.ended:\n        raise BodyNotForm\n", "")),
        ("tests/rules/test_multipart_body.py::test_a_form_cut_off_anywhere_is_refused",),
    ),
    Guard(
        "one-authorization",
        "check",
        "who asks",
        edit("accounts/asking.py", ("if len(given) != 1:", "if not given:")),
        (f"{_ASKS}::test_two_authorization_headers_are_unauthenticated",),
    ),
    Guard(
        "one-key",
        "check",
        "M4",
        edit("orders/request.py", ("if len(headers) > 1 or not", "if not")),
        (f"{_CONNECTIONS}::test_a_key_sent_twice_is_refused",),
    ),
    Guard(
        "unknown-fields-are-refused",
        "check",
        "money moves on no typo",
        edit("orders/request.py", ("            raise FieldUnknown(name)\n", "            continue\n")),
        ("tests/api/test_order_sentences.py::test_an_unknown_field_is_refused",),
    ),
    Guard(
        "broken-answer-is-broken-off",
        "check",
        "no answer looks whole that is not",
        edit(
            "app.py",
            (
                "            if scope[EXCHANGE].status:\n                # The status is out; only a broken connection still says that the answer is not whole.\n                raise\n",
                '            if scope[EXCHANGE].status:\n                await send({"type": "http.response.body", "body": b"]"})\n                return\n',
            ),
        ),
        ("tests/api/test_desk.py::test_an_answer_that_breaks_in_its_middle_is_not_made_whole",),
    ),
)
"""What is refused before it is an order."""

SECRETS = (
    Guard(
        "order-is-not-stored-on-the-way",
        "header",
        "passwords",
        edit(
            "orders/api.py",
            (
                "order_json(order, showcase, order.created_at), NO_STORE)",
                "order_json(order, showcase, order.created_at))",
            ),
        ),
        ("tests/api/test_order_answers.py::test_no_answer_with_a_password_is_kept_on_the_way",),
        ends_with="KeyError: 'cache-control'",
    ),
    Guard(
        "password-is-bound-to-its-order",
        "encryption",
        "passwords",
        edit(
            "credentials/seal.py",
            ('password.encode("ascii"), order.bytes)', 'password.encode("ascii"), None)'),
            ("cipher.decrypt(nonce, ciphertext, order.bytes)", "cipher.decrypt(nonce, ciphertext, None)"),
        ),
        (f"{_SEAL}::test_a_password_moved_to_another_orders_row_opens_nothing",),
    ),
    Guard(
        "nonce-is-new",
        "encryption",
        "passwords",
        edit("credentials/seal.py", ("nonce = os.urandom(_NONCE_BYTES)", "nonce = bytes(_NONCE_BYTES)")),
        (f"{_SEAL}::test_the_same_password_is_never_sealed_alike",),
    ),
    Guard(
        "token-is-hashed",
        "hash",
        "tokens",
        edit("accounts/asking.py", ("return hashlib.sha256(token).digest()", "return token[:32].ljust(32)")),
        (f"{_LAST}::test_of_a_token_only_its_hash_is_kept",),
    ),
    Guard(
        "key-file-is-its-owners",
        "file mode",
        "passwords",
        edit("credentials/keys.py", ("os.O_EXCL, 0o600)", "os.O_EXCL, 0o644)")),
        (f"{_SEAL}::test_the_first_start_makes_a_key_for_its_owner_alone_and_keeps_it",),
    ),
    Guard(
        "database-password-is-its-owners",
        "file mode",
        "passwords",
        edit("database/cluster.py", ("os.O_EXCL, 0o600)", "os.O_EXCL, 0o644)")),
        ("tests/database/test_embedded_accounts.py::test_the_password_is_needed_and_nobody_else_sees_it",),
    ),
    Guard(
        "database-asks-for-a-password",
        "authentication",
        "passwords",
        edit("database/cluster.py", ('"--auth=scram-sha-256"', '"--auth=trust"')),
        ("tests/database/test_embedded_accounts.py::test_the_password_is_needed_and_nobody_else_sees_it",),
    ),
    Guard(
        "missing-key-is-not-made-anew",
        "check",
        "passwords",
        edit(
            "credentials/keys.py",
            (
                "        if is_first:\n            return _made(path)",
                "        if path:\n            return _made(path)",
            ),
        ),
        (f"{_SEAL}::test_a_missing_key_of_a_known_database_is_not_made_anew",),
    ),
    Guard(
        "one-key-is-registered",
        "lock",
        "passwords",
        edit(
            "credentials/seal.py",
            ('            await connection.execute("SELECT pg_advisory_xact_lock($1)", _ADVISORY_LOCK)\n', ""),
        ),
        ("tests/database/test_sessions.py::test_of_two_first_starts_one_registers_its_key",),
    ),
    Guard(
        "second-key-is-refused",
        "WHERE guard",
        "passwords",
        edit(
            "credentials/seal.py",
            ("            if not ids and await connection", "            if ids is None and await connection"),
        ),
        ("tests/database/test_sessions.py::test_of_two_first_starts_one_registers_its_key",),
    ),
    Guard(
        "errors-tell-no-row",
        "logging",
        "passwords",
        edit(
            "database/pool.py",
            (
                '    if isinstance(error, asyncpg.PostgresError):\n        return {"error"',
                '    if not error:\n        return {"error"',
            ),
        ),
        (f"{_DUTIES}::test_a_duty_that_fails_is_told_and_tried_again",),
    ),
    Guard(
        "access-log-tells-no-token",
        "logging",
        "tokens",
        edit(
            "http/edge.py",
            (
                'return _LONG_SEGMENT.sub("*", path.decode("ascii", "replace"))[:_LONGEST_PATH]',
                'return path.decode("ascii", "replace")[:_LONGEST_PATH]',
            ),
        ),
        ("tests/serving/test_logs.py::test_what_the_access_log_tells_is_what_was_sent_and_no_token",),
    ),
    Guard(
        "metrics-are-this-machines",
        "check",
        "revenue",
        edit("metrics/api.py", ('    return _is_loopback(scope["client"][0])\n', "    return True\n")),
        (f"{_METRICS}::test_every_other_machine_needs_the_token",),
    ),
    Guard(
        "metrics-are-no-proxys-clients",
        "check",
        "revenue",
        edit(
            "metrics/api.py",
            ('    if any(_FORWARDED.fullmatch(name) for name, _ in scope["headers"]):\n        return False\n', ""),
        ),
        (f"{_METRICS}::test_a_proxy_on_this_machine_is_not_its_clients",),
        ends_with="json.decoder.JSONDecodeError",
    ),
    Guard(
        "metrics-are-no-other-names",
        "check",
        "revenue",
        edit("metrics/api.py", (" or not _names_loopback(scope):", ":")),
        (f"{_METRICS}::test_a_name_that_only_leads_here_does_not",),
    ),
    Guard(
        "metrics-token-is-compared",
        "comparison",
        "revenue",
        edit("metrics/api.py", ('hmac.compare_digest(token.strip(), self.token.encode("ascii"))', "bool(token)")),
        (f"{_METRICS}::test_no_other_token_opens_it",),
    ),
)
"""Who may see what."""

PROCESSES = (
    Guard(
        "one-starts-the-database",
        "file lock",
        "one server a directory",
        edit(
            "database/locks.py",
            ("while not _taken(descriptor, fcntl.LOCK_EX):", "while not _taken(descriptor, fcntl.LOCK_SH):"),
        ),
        (f"{_EMBEDDED}::test_a_killed_server_is_revived_once_however_many_ask",),
    ),
    Guard(
        "last-one-stops-the-database",
        "file lock",
        "one server a directory",
        edit(
            "database/locks.py", ("        return _taken(self._descriptor, fcntl.LOCK_EX)\n", "        return True\n")
        ),
        (f"{_EMBEDDED}::test_who_leaves_first_leaves_the_server_to_the_others",),
    ),
    Guard(
        "other-versions-are-refused",
        "check",
        "A1",
        edit("database/cluster.py", ("    if made_by == str(binaries.major):\n", "    if made_by:\n")),
        ("tests/database/test_embedded_refusals.py::test_a_database_of_another_version_is_refused_in_a_sentence",),
    ),
    Guard(
        "stranger-is-not-the-server",
        "check",
        "one server a directory",
        edit(
            "database/processes.py",
            (
                " if said and said.pid in server_processes(cluster, only=said.pid) else None",
                " if said and said.pid else None",
            ),
        ),
        (f"{_EMBEDDED}::test_a_stale_pid_file_that_names_a_stranger_does_no_harm",),
        ends_with="novaproxy.errors.OperatorError",
    ),
    Guard(
        "workers-end-with-the-supervisor",
        "pipe",
        "one service",
        edit("serving/lifeline.py", ("    loop.add_reader(_INPUT, end_orphan)\n", "")),
        (f"{_DEMO}::test_after_kill_9_the_workers_end_and_the_next_start_adopts_the_database",),
    ),
    Guard(
        "dead-workers-are-replaced",
        "watch",
        "A2",
        edit(
            "serving/supervisor.py",
            (
                "        dead = [place for place, child in self._running.items() if child.process.poll() is not None]\n",
                "        dead: list[str] = []\n",
            ),
        ),
        (f"{_DEMO}::test_a_worker_that_is_killed_is_replaced",),
    ),
    Guard(
        "death-has-a-bound",
        "bound",
        "a service that cannot live says so",
        edit(
            "serving/supervisor.py",
            ("        if len(self._deaths) > _DEATHS:", "        if len(self._deaths) > 1_000:"),
        ),
        (f"{_DUTIES}::test_duties_that_die_again_and_again_end_the_service",),
    ),
    Guard(
        "dead-database-is-revived",
        "watch",
        "A1",
        edit("serving/supervisor.py", ("            server.revive()\n", "            pass\n")),
        ("tests/serving/test_logs.py::test_no_secret_is_logged_whatever_happens",),
    ),
)
"""Processes, and the embedded database."""
