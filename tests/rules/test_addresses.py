"""What a program of PostgreSQL's is told of an address: everything but the password."""

import pytest

from novaproxy.backup.programs import line_to, without_password

SECRET = "p@ss/word#1?"
WRITTEN = "p%40ss%2Fword%231%3F"


@pytest.mark.parametrize(
    ("url", "shown", "password"),
    [
        (f"postgresql://shop:{WRITTEN}@db:5432/shop", "postgresql://shop@db:5432/shop", SECRET),
        ("postgres://shop@db/shop", "postgresql://shop@db/shop", None),
        (
            f"postgresql://shop@db/shop?password={WRITTEN}&sslmode=require",
            "postgresql://shop@db/shop?sslmode=require",
            SECRET,
        ),
        (
            "postgresql://shop:a@/shop?host=/var/run&port=5433",
            "postgresql://shop@/shop?host=%2Fvar%2Frun&port=5433",
            "a",
        ),
        ("postgresql://u:a@h1:1,h2:2/shop", "postgresql://u@h1:1,h2:2/shop", "a"),
        ("postgresql://u:a@h/?database=my%20shop", "postgresql://u@h/?dbname=my%20shop", "a"),
        # The driver's own, which PostgreSQL's programs do not know; and a second secret.
        ("postgresql://u:a@h/shop?search_path=x&sslpassword=b", "postgresql://u@h/shop", "a"),
        ("postgresql:///shop", "postgresql:///shop", None),
    ],
)
def test_an_address_is_told_without_its_password(url: str, shown: str, password: str | None) -> None:
    assert without_password(url) == (shown, password)


def test_a_password_is_in_the_environment_of_the_program_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOVAPROXY_SEALING_KEY", "the key")
    monkeypatch.setenv("PGPASSFILE", "/a/file")
    line = line_to({"dsn": f"postgresql://shop:{WRITTEN}@db/shop"})
    assert line.words == ("--dbname=postgresql://shop@db/shop",)
    assert (line.environment["PGPASSWORD"], line.environment["PGPASSFILE"]) == (SECRET, "/a/file")
    assert "the key" not in line.environment.values()
    assert SECRET not in repr(line)
    own = {"host": "/run", "port": 5432, "user": "novaproxy", "password": SECRET, "database": "novaproxy"}
    line = line_to(own)
    assert (line.words, line.environment["PGPASSWORD"]) == ((), SECRET)
    # Whatever the operator's own shell says of another database.
    assert "PGPASSFILE" not in line.environment
