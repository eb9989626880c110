import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaproxy.gateway.entrance.parameters import read_login
from novaproxy.gateway.model import Login, Wish
from novaproxy.gateway.refusals import CredentialsNotValid, ParameterNotValid

US = Wish(country="us")
STICKY = Wish(country="us", session="abc123", ttl_seconds=600)


@pytest.mark.parametrize(
    ("username", "password", "wish"),
    [
        ("u5", "p7", Wish()),
        ("u5-country-us", "p7", US),
        ("u5", "p7_country-us", US),
        ("u5-country-us-session-abc123-ttl-10", "p7", STICKY),
        ("u5", "p7_country-us_session-abc123_lifetime-10m", STICKY),
        ("u5", "p7_session-abc123_country-us_ttl-10", STICKY),
        ("u5-lifetime-600s-COUNTRY-US-session-ABC123", "p7", STICKY),
        ("u5-country-us", "p7_session-abc123_ttl-600s", STICKY),
        ("u5-country-us", "p7_country-US", US),
        ("u5-state-california-city-los+angeles", "p7", Wish(state="california", city="los+angeles")),
        ("u5-session-a-ttl-24h", "p7", Wish(session="a", ttl_seconds=86_400)),
        ("u5-session-a-ttl-1s", "p7", Wish(session="a", ttl_seconds=1)),
        ("u5-session-a-ttl-1440", "p7", Wish(session="a", ttl_seconds=86_400)),
        (f"u5-session-{'a' * 64}", "p7", Wish(session="a" * 64)),
    ],
)
def test_parameters_behind_the_username_or_the_password_are_wishes(username: str, password: str, wish: Wish) -> None:
    assert read_login(username, password) == Login("u5", "p7", wish)


@pytest.mark.parametrize(
    ("username", "password", "names"),
    [
        ("u5-planet-mars", "p7", "known are"),
        ("u5-", "p7", "known are"),
        ("u5-country", "p7", "'country' has no value"),
        ("u5-country-", "p7", "'country' has no value"),
        ("u5--us", "p7", "known are"),
        ("u5-country-us-city", "p7", "'city' has no value"),
        ("u5-country-us-country-us", "p7", "'country' is given twice"),
        ("u5-session-a-ttl-5-lifetime-5", "p7", "'ttl' is given twice"),
        ("u5-country-usa", "p7", "'country' must be two letters"),
        ("u5-country-u1", "p7", "'country' must be two letters"),
        ("u5-state-a_b", "p7", "'state' must be"),
        ("u5-city-a%20b", "p7", "'city' must be"),
        (f"u5-city-{'a' * 65}", "p7", "'city' must be"),
        ("u5-session-a+b", "p7", "'session' must be"),
        (f"u5-session-{'a' * 65}", "p7", "'session' must be"),
        ("u5-ttl-10", "p7", "'ttl' needs a 'session'"),
        ("u5", "p7_lifetime-10m", "'ttl' needs a 'session'"),
        ("u5-session-a-ttl-0", "p7", "'ttl' must be"),
        ("u5-session-a-ttl-0s", "p7", "'ttl' must be"),
        ("u5-session-a-ttl-25h", "p7", "'ttl' must be"),
        ("u5-session-a-ttl-1441", "p7", "'ttl' must be"),
        ("u5-session-a-ttl-5d", "p7", "'ttl' must be"),
        ("u5-session-a-ttl-1.5", "p7", "'ttl' must be"),
        (f"u5-session-a-ttl-{'9' * 5000}", "p7", "'ttl' must be"),
        ("u5", "p7_", "known are"),
        ("u5", "p7_country", "'country' has no value"),
        ("u5", "p7_country-", "'country' has no value"),
        ("u5", "p7_country-us-de", "'country' must be two letters"),
        ("u5", "p7_country-us_country-de", "'country' is given twice"),
        ("u5-country-us", "p7_country-de", "'country' differs"),
        ("u5-session-a-ttl-1", "p7_ttl-2", "'ttl' differs"),
    ],
)
def test_a_parameter_that_is_none_is_refused_by_its_name(username: str, password: str, names: str) -> None:
    with pytest.raises(ParameterNotValid) as refused:
        read_login(username, password)
    assert names in refused.value.sentence


def test_a_mistyped_password_is_not_repeated() -> None:
    with pytest.raises(ParameterNotValid) as refused:
        read_login("u5", "half_otherhalf")
    assert "half" not in refused.value.sentence


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("", "p7"),
        ("u5", ""),
        ("-country-us", "p7"),
        ("u5", "_country-us"),
        ("ü5", "p7"),
        ("u5", "p7\n"),
        ("u5\0", "p7"),
    ],
)
def test_what_can_be_no_credential_is_none(username: str, password: str) -> None:
    with pytest.raises(CredentialsNotValid):
        read_login(username, password)


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_text_is_a_login_or_a_refusal(username: str, password: str) -> None:
    try:
        login = read_login(username, password)
    except (CredentialsNotValid, ParameterNotValid):
        return
    assert username.split("-", maxsplit=1)[0] == login.username
    assert password.split("_", maxsplit=1)[0] == login.password


_WORDS = st.sampled_from(["country", "ttl", "session", "lifetime", "us", "de", "5", "10m", "abc", "City", ""])


@given(st.lists(_WORDS, max_size=6), st.lists(st.tuples(_WORDS, _WORDS), max_size=3))
def test_a_wish_keeps_its_promises_however_it_was_written(words: list[str], pairs: list[tuple[str, str]]) -> None:
    try:
        wish = read_login("-".join(["u5", *words]), "_".join(["p7", *map("-".join, pairs)])).wish
    except ParameterNotValid:
        return
    assert wish.country is None or wish.country in {"us", "de"}
    assert wish.ttl_seconds is None or (wish.session is not None and 1 <= wish.ttl_seconds <= 86_400)
    said = [word.lower() for word in words + [word for pair in pairs for word in pair]]
    assert all(value in said for value in (wish.country, wish.city, wish.session) if value is not None)
