"""Passwords at rest, and the key they are sealed with."""

import base64
import stat
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaproxy.credentials.keys import KEY_BYTES, put_in_front, sealing_keys
from novaproxy.credentials.seal import KeyNotGiven, SealBroken, Sealer, fingerprint
from novaproxy.errors import OperatorError

KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
ORDER, OTHER_ORDER = UUID(int=1), UUID(int=2)
SEALER = Sealer(KEY, 1)
WRITTEN = base64.b64encode(KEY).decode()
NOWHERE = Path("/nonexistent/sealing.key")


@given(st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=15, max_size=15), st.uuids())
def test_what_was_sealed_for_an_order_is_opened_for_it(password: str, order: UUID) -> None:
    sealed = SEALER.sealed(password, order)
    assert SEALER.opened(sealed, order, 1) == password
    assert password.encode() not in sealed


def test_the_same_password_is_never_sealed_alike() -> None:
    assert len({SEALER.sealed("abcdefghij01234", ORDER) for _ in range(1_000)}) == 1_000


def test_a_password_moved_to_another_orders_row_opens_nothing() -> None:
    with pytest.raises(SealBroken):
        SEALER.opened(SEALER.sealed("abcdefghij01234", ORDER), OTHER_ORDER, 1)


def test_another_key_opens_nothing() -> None:
    with pytest.raises(SealBroken):
        Sealer(OTHER_KEY, 1).opened(SEALER.sealed("abcdefghij01234", ORDER), ORDER, 1)


def test_a_change_of_any_byte_is_noticed() -> None:
    sealed = SEALER.sealed("abcdefghij01234", ORDER)
    for place in range(len(sealed)):
        changed = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(SealBroken):
            SEALER.opened(changed, ORDER, 1)


def test_what_was_cut_short_opens_nothing() -> None:
    sealed = SEALER.sealed("abcdefghij01234", ORDER)
    for length in range(len(sealed)):
        with pytest.raises(SealBroken, match=str(ORDER)):
            SEALER.opened(sealed[:length], ORDER, 1)


def test_a_fingerprint_tells_keys_apart_and_not_the_key() -> None:
    assert fingerprint(KEY) == fingerprint(bytes(KEY)) != fingerprint(OTHER_KEY)
    assert len(fingerprint(KEY)) == 32
    assert KEY not in fingerprint(KEY)
    # Stored in the database: another value here would take every installation's key for a wrong one.
    assert fingerprint(KEY).hex() == "88ba03360654bd03d97249f663032d2e5d4e27d41ba0c1018b0a93fe4d5753b9"


@pytest.mark.parametrize("written", [WRITTEN, f" {WRITTEN}\n", f"{WRITTEN}\r\n"])
def test_a_configured_key_is_read_from_base64_and_no_file_is_touched(written: str) -> None:
    assert sealing_keys(written, NOWHERE, is_first=True) == (KEY,)
    assert not NOWHERE.parent.exists()


@pytest.mark.parametrize(
    "written",
    [
        *("", " ", "secret", "€" * 44, "=" * 44, WRITTEN[:-1], WRITTEN + "AAAA", WRITTEN.replace("A", "*"), KEY.hex()),
        *(
            base64.b64encode(bytes(31)).decode(),
            base64.b64encode(bytes(33)).decode(),
            WRITTEN[:20] + " " + WRITTEN[20:],
        ),
    ],
)
def test_what_is_no_key_is_one_clear_sentence_that_does_not_tell_it(written: str) -> None:
    with pytest.raises(OperatorError) as refused:
        sealing_keys(written, NOWHERE, is_first=True)
    assert refused.value.lines == ("NOVAPROXY_SEALING_KEY holds no key: it must be 32 random bytes in base64.",)


def test_the_first_start_makes_a_key_for_its_owner_alone_and_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "sealing.key"
    (key,) = sealing_keys(None, path, is_first=True)
    assert len(key) == KEY_BYTES
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["sealing.key"]
    for is_first in (True, False):
        assert sealing_keys(None, path, is_first=is_first) == (key,)
    assert sealing_keys(None, tmp_path / "sealing.key", is_first=True) != (key,)


def test_a_missing_key_of_a_known_database_is_not_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "sealing.key"
    with pytest.raises(OperatorError, match="is missing"):
        sealing_keys(None, path, is_first=False)
    assert not path.exists()


def test_a_draft_that_a_crash_left_behind_stops_no_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # In a container every start may have the same process id.
    monkeypatch.setattr("os.getpid", lambda: 7)
    (tmp_path / ".sealing.key.7").write_text("half a k")
    (key,) = sealing_keys(None, tmp_path / "sealing.key", is_first=True)
    assert len(key) == KEY_BYTES


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"not a key", KEY])
def test_a_file_that_holds_no_key_is_told_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "sealing.key"
    path.write_bytes(content)
    with pytest.raises(OperatorError, match="holds no key"):
        sealing_keys(None, path, is_first=True)
    assert path.read_bytes() == content


def test_a_directory_in_the_keys_place_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="cannot be read"):
        sealing_keys(None, tmp_path, is_first=True)


def test_the_first_key_seals_and_the_others_open() -> None:
    old = Sealer(KEY, 1).sealed("abcdefghij01234", ORDER)
    both = Sealer(OTHER_KEY, 2, {1: KEY})
    assert both.opened(old, ORDER, 1) == "abcdefghij01234"
    assert Sealer(OTHER_KEY, 2).opened(both.sealed("abcdefghij01234", ORDER), ORDER, 2) == "abcdefghij01234"
    with pytest.raises(KeyNotGiven, match=str(ORDER)):
        Sealer(OTHER_KEY, 2).opened(old, ORDER, 1)
    with pytest.raises(SealBroken):
        both.opened(old, ORDER, 2)


OTHER_WRITTEN = base64.b64encode(OTHER_KEY).decode()


@pytest.mark.parametrize("between", [",", ", ", "\n", "\r\n"])
def test_several_keys_are_read_newest_first(between: str) -> None:
    written = f"{OTHER_WRITTEN}{between}{WRITTEN}\n"
    assert sealing_keys(written, NOWHERE, is_first=True) == (OTHER_KEY, KEY)
    assert sealing_keys(f"{written}{WRITTEN}", NOWHERE, is_first=True) == (OTHER_KEY, KEY)


@pytest.mark.parametrize("written", [f"{WRITTEN},", f",{WRITTEN}", f"{WRITTEN},,{OTHER_WRITTEN}", f"{WRITTEN},secret"])
def test_a_part_that_is_no_key_is_refused_whole(written: str) -> None:
    with pytest.raises(OperatorError) as refused:
        sealing_keys(written, NOWHERE, is_first=True)
    assert refused.value.lines == (
        "NOVAPROXY_SEALING_KEY holds something that is no key: it must be 32 random bytes in base64.",
    )


def test_a_new_key_is_put_in_front_at_once(tmp_path: Path) -> None:
    path = tmp_path / "sealing.key"
    old = sealing_keys(None, path, is_first=True)
    keys = put_in_front(path)
    assert keys[1:] == old
    assert sealing_keys(None, path, is_first=False) == keys
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["sealing.key"]


def test_a_key_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "sealing.key"
    sealing_keys(None, path, is_first=True)
    before = path.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OperatorError, match="cannot be written: No space left on device"):
        put_in_front(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["sealing.key"]
