"""The guards of the gateway's entrance: what strangers say before they are known."""

from guards.guard import Guard, edit

_HEAD = "tests/gateway/test_http_head.py"
_HANDSHAKE = "tests/gateway/test_handshake.py"
_TARGETS = "tests/gateway/test_targets.py"
_ONE_MEANING = f"{_HEAD}::test_a_head_that_two_readers_could_take_for_two_things_is_refused"
_READER = "gateway/entrance/http_head.py"
_BODY = "gateway/relay/body.py"
_LINE = "gateway/entrance/incoming.py"
_PROMISE = "the entrance"

ENTRANCE = (
    *(
        Guard(name, "check", _PROMISE, edit(_READER, (check, "if False:")), (_ONE_MEANING,))
        for name, check in (
            ("head-has-one-length", "if lengths:"),
            ("head-lines-are-not-folded", 'if b"\\r\\n " in head or b"\\r\\n\\t" in head:'),
            ("head-has-no-controls", "if _CONTROLS.search(head):"),
            ("connection-names-no-length", "if named & _NEVER_NAMED:"),
        )
    ),
    Guard(
        "proxy-credentials-stay-here",
        "check",
        _PROMISE,
        edit(_READER, (' and not lower.startswith(b"proxy-")', "")),
        (f"{_HEAD}::test_fields_of_this_connection_stay_here_and_the_others_go_on_as_they_are",),
    ),
    Guard(
        "body-ends-with-its-last-chunk",
        "bound",
        _PROMISE,
        edit(_BODY, ("self._chunks = Chunks() if asked.is_chunked else None", "self._chunks = None")),
        ("tests/gateway/test_body.py::test_chunks_pass_whole_and_nothing_behind_them",),
    ),
    Guard(
        "numbers-are-no-names",
        "check",
        _PROMISE,
        edit("gateway/entrance/targets.py", (" or _NUMBER.fullmatch(labels[-1])", "")),
        (f"{_TARGETS}::test_what_is_neither_a_name_nor_an_address_is_refused",),
    ),
    Guard(
        "handshake-has-one-time",
        "bound",
        _PROMISE,
        edit(_LINE, ("self._left_seconds -= self._loop.time() - begun_at", "pass")),
        (f"{_HANDSHAKE}::test_the_time_is_one_for_all_messages_of_a_handshake",),
    ),
    Guard(
        "refusal-lingers",
        "order",
        _PROMISE,
        edit(_LINE, ("self._client.shutdown(socket.SHUT_WR)", "raise OSError")),
        (f"{_HANDSHAKE}::test_a_refusal_reaches_a_client_that_still_sends",),
    ),
    Guard(
        "tunnel-hears-no-refusal",
        "check",
        _PROMISE,
        edit("gateway/entrance/handshake.py", ("if not self._is_established:", "if True:")),
        (f"{_HANDSHAKE}::test_a_tunnel_that_stands_hears_no_refusal_any_more",),
    ),
    Guard(
        "only-fronts-name-the-client",
        "check",
        _PROMISE,
        edit("gateway/entrance/handshake.py", ("if not is_front(peer, self._fronts):", "if not self._fronts:")),
        (f"{_HANDSHAKE}::test_nobody_else_can_say_where_he_comes_from",),
    ),
)
