"""The guards of a tunnel's bytes: that none passes uncounted, and none that was counted is lost."""

from guards.guard import Guard, edit

_FLOW = "gateway/relay/flow.py"
_TUNNEL = "gateway/relay/tunnel.py"
_RELAY = "tests/gateway/test_relay.py"
_EXACT = "what passes is what is counted"
_WHOLE = "what was counted arrives"

RELAY = (
    Guard(
        "no-more-is-read-than-was-taken",
        "bound",
        _EXACT,
        edit(_FLOW, ("got = self._filled(taken)", "got = self._filled(most)")),
        (f"{_RELAY}::test_of_5_000_000_bytes_exactly_5_000_000_pass_one_tunnel",),
    ),
    Guard(
        "what-was-not-read-is-given-back",
        "step",
        _EXACT,
        edit(_FLOW, ("if got < taken:", "if False:")),
        (f"{_RELAY}::test_bytes_that_come_one_by_one_pass_one_by_one",),
    ),
    Guard(
        "what-was-not-written-is-given-back",
        "step",
        _EXACT,
        edit(_TUNNEL, ("        if unwritten_bytes:", "        if False:")),
        (f"{_RELAY}::test_what_was_read_and_not_written_is_given_back_when_the_client_is_gone",),
    ),
    Guard(
        "kill-finds-a-word-of-an-upload",
        "step",
        _EXACT,
        edit(
            _FLOW, ("self._hand.fill(self._source, most, allowance.filling_up)", "self._hand.fill(self._source, most)")
        ),
        (f"{_RELAY}::test_a_move_by_a_witnessed_pipe_is_told_before_it_begins",),
    ),
    Guard(
        "kill-finds-a-word-of-a-download",
        "step",
        _EXACT,
        edit(_FLOW, ("        allowance.pouring_down(number, self._hand.held_bytes)\n", "")),
        (f"{_RELAY}::test_a_move_by_a_witnessed_pipe_is_told_before_it_begins",),
    ),
    Guard(
        "pipe-with-bytes-goes-to-nobody",
        "check",
        "the bytes of a tunnel",
        edit("gateway/relay/hand.py", ("(self._pipes.discard if dropped else self._pipes.put)", "self._pipes.put")),
        ("tests/gateway/test_hand.py::test_a_pipe_with_bytes_in_it_goes_to_nobody_else",),
    ),
    Guard(
        "witnessed-pipe-is-emptied-and-kept",
        "check",
        _EXACT,
        edit("gateway/relay/pipes.py", ("if pipe.number and not self._is_forgone:", "if False:")),
        ("tests/gateway/test_pipes.py::test_a_pipe_that_somebody_else_has_too_is_emptied_and_not_closed",),
    ),
    Guard(
        "end-of-one-side-is-passed-on",
        "step",
        _WHOLE,
        edit(_FLOW, ("self._sink.shutdown(socket.SHUT_WR)", "pass")),
        (f"{_RELAY}::test_a_client_that_ends_his_side_still_gets_the_answer",),
        ends_with="TimeoutError",
    ),
    Guard(
        "end-of-the-exit-ends-no-upload",
        "check",
        _WHOLE,
        edit(_TUNNEL, (" and (self._upload.is_finished or self._is_plain)", "")),
        (f"{_RELAY}::test_an_exit_that_ends_its_side_still_gets_what_the_client_sends",),
    ),
    Guard(
        "reset-of-the-exit-waits-for-the-client",
        "order",
        _WHOLE,
        edit(_TUNNEL, ("self.relay.deliver(self._client, reset)", "reset(self._client)")),
        (f"{_RELAY}::test_a_reset_of_the_exit_takes_nothing_from_the_client_that_was_counted",),
    ),
    Guard(
        "reset-of-the-exit-is-no-proper-end",
        "check",
        _WHOLE,
        edit(_TUNNEL, ("is_client_reset=not self.is_exit_lost", "is_client_reset=False")),
        (f"{_RELAY}::test_an_exit_that_is_reset_is_no_proper_end_to_the_client",),
    ),
    Guard(
        "client-is-told-the-end-first",
        "order",
        _WHOLE,
        edit(_TUNNEL, ("self.relay.bid_farewell(self._client)", "self._client.close()")),
        (f"{_RELAY}::test_what_was_counted_reaches_a_client_who_goes_on_sending",),
    ),
    Guard(
        "exit-gets-what-was-written",
        "order",
        _WHOLE,
        edit(_TUNNEL, ("self.relay.deliver(self._exit, socket.socket.close)", "self._exit.close()")),
        (f"{_RELAY}::test_what_was_counted_of_an_upload_reaches_an_exit_that_reads_late_and_goes_on_sending",),
    ),
    Guard(
        "fault-ends-its-tunnel",
        "step",
        "the other customers",
        edit(_FLOW, ("self._tunnel.close(End.FAULT)", "pass")),
        (f"{_RELAY}::test_a_fault_ends_its_tunnel_instead_of_failing_for_ever",),
        ends_with="TimeoutError",
    ),
)
"""What keeps the count and the bytes the same."""
