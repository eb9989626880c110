"""Settings: read once from the environment, passed on as arguments.

Each is declared once, with its default, what it does and how it is read; ``novaproxy settings`` and docs/settings.md
are made of the same declarations.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, get_type_hints
from urllib.parse import urlsplit

from novaproxy.errors import OperatorError

SHORTEST_METRICS_TOKEN = 16
MOST_PER_MINUTE = 1_000_000
_LARGEST_PORT = 65_535
_SCHEMES = ("postgresql", "postgres")


def address_fault(name: str) -> str:
    """Return what is said of an address that is none. Nothing of it is repeated: it may hold a password."""
    return (
        f"{name} must be an address such as postgresql://user:password@host:5432/database; "
        "special characters in the password must be percent-encoded (%3F for a question mark)."
    )


ADDRESS_FAULT = address_fault("NOVAPROXY_DATABASE_URL")
"""What is said of a database's address that is none."""


class LogFormat(StrEnum):
    """How a line of the log is written: for people and grep, or for programs."""

    LOGFMT = "logfmt"
    JSON = "json"


class Switch(StrEnum):
    """What can be had or left."""

    OFF = "off"
    ON = "on"


@dataclass(frozen=True, slots=True)
class Setting:
    """A variable of the environment.

    Attributes:
        name: of the variable.
        teaches: what it does, in a sentence; code stands in backticks.
        default: the text that counts where the variable is unset or empty, None where none does.
        unset: what happens then, where there is no such text.
        is_secret: whether its value must not be shown.
        read: makes a value of a text, or raises an OperatorError that says what would be right.
    """

    name: str
    teaches: str
    default: str | None = None
    unset: str = ""
    is_secret: bool = False
    read: Callable[[str], Any] = str

    def value(self, environment: Mapping[str, str]) -> Any:  # noqa: ANN401 -- each has its own type
        """Return what *environment* says.

        Raises:
            OperatorError: it cannot be used.
        """
        written = self.written(environment) or self.default
        return None if written is None else self.read(written)

    def written(self, environment: Mapping[str, str]) -> str | None:
        """Return the text of the variable; an empty one counts as unset."""
        return environment.get(self.name) or None


def _directory(written: str) -> Path:
    return Path(written).absolute()


def _port(written: str) -> int:
    # int() refuses texts of thousands of digits in words of its own.
    if written.isascii() and written.isdigit() and len(written) <= len(str(_LARGEST_PORT)):
        port = int(written)
        if port <= _LARGEST_PORT:
            return port
    raise OperatorError(f"NOVAPROXY_PORT must be a number from 0 to {_LARGEST_PORT}.")


def _address(name: str, written: str) -> str:
    try:
        parts = urlsplit(written)
    except ValueError:
        raise OperatorError(address_fault(name)) from None
    # A # or / in the password, unescaped, would make its rest a part that servers repeat, such as a database's name.
    if parts.scheme not in _SCHEMES or parts.fragment or "@" in parts.path:
        raise OperatorError(address_fault(name))
    return written


def _metrics_token(written: str) -> str:
    is_word = written.isascii() and written.isprintable() and " " not in written
    if len(written) >= SHORTEST_METRICS_TOKEN and is_word:
        return written
    raise OperatorError(
        f"NOVAPROXY_METRICS_TOKEN must be at least {SHORTEST_METRICS_TOKEN} printable ASCII characters, no space."
    )


def _one_of(choices: type[StrEnum], name: str, written: str) -> StrEnum:
    try:
        return choices(written)
    except ValueError:
        raise OperatorError(f"{name} must be {' or '.join(choices)}.") from None


def _is_on(name: str, written: str) -> bool:
    return _one_of(Switch, name, written) is Switch.ON


def _networks(name: str, written: str) -> tuple[str, ...]:
    try:
        return tuple(str(ip_network(word.strip())) for word in written.split(","))
    except ValueError:
        raise OperatorError(
            f"{name} must be addresses or networks separated by commas, such as 127.0.0.1,10.0.0.0/8."
        ) from None


def _count(name: str, most: int, written: str) -> int:
    if written.isascii() and written.isdigit() and len(written) <= len(str(most)):
        number = int(written)
        if 1 <= number <= most:
            return number
    raise OperatorError(f"{name} must be a number from 1 to {most}.")


def _rate(name: str, teaches: str, default: int) -> Setting:
    return Setting(name, teaches, default=str(default), read=partial(_count, name, MOST_PER_MINUTE))


def _places(written: str) -> tuple[tuple[str, int], ...]:
    """Return exact addresses with their ports; no name and no network: each is a hole in a wall."""
    try:
        return tuple(_place(word.strip()) for word in written.split(","))
    except ValueError:
        raise OperatorError(
            "NOVAPROXY_GATEWAY_ALLOW must be addresses with ports, by commas, such as 127.0.0.1:8000,[fd00::1]:8000."
        ) from None


def _place(word: str) -> tuple[str, int]:
    host, _, port = word.rpartition(":")
    number = int(port)
    if not (port.isascii() and port.isdigit() and 1 <= number <= _LARGEST_PORT):
        raise ValueError("no port")
    return str(ip_address(host.removeprefix("[").removesuffix("]"))), number


ORDERS_PER_MINUTE = 3_000
READS_PER_MINUTE = 6_000
WRONG_CODES_PER_MINUTE = 60
WRONG_TOKENS_PER_MINUTE = 300


@dataclass(frozen=True, slots=True)
class Limits:
    """How often each worker lets somebody ask; *trusted_proxies* are networks whose X-Forwarded-For counts."""

    orders_per_minute: int = ORDERS_PER_MINUTE
    reads_per_minute: int = READS_PER_MINUTE
    wrong_codes_per_minute: int = WRONG_CODES_PER_MINUTE
    wrong_tokens_per_minute: int = WRONG_TOKENS_PER_MINUTE
    trusted_proxies: tuple[str, ...] = ()


MOST_GATEWAYS = 64


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """How the gateway stands to the world.

    Attributes:
        host: the address that it listens on; the ports are the catalog's.
        processes: how many share each port.
        allowed: exact addresses and ports inside the operator's network that customers may reach.
        fronts: networks of load balancers, whose connections begin with a PROXY protocol header that is believed.
    """

    host: str = "127.0.0.1"
    processes: int = 1
    allowed: tuple[tuple[str, int], ...] = ()
    fronts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says; None is a setting that is unset and has no default."""

    data_dir: Annotated[
        Path,
        Setting(
            "NOVAPROXY_DATA_DIR",
            "Holds everything that the built-in database writes, and the key file.",
            default="./novaproxy-data",
            read=_directory,
        ),
    ]
    database_url: Annotated[
        str | None,
        Setting(
            "NOVAPROXY_DATABASE_URL",
            "A PostgreSQL of your own, 15 or newer, such as `postgresql://user:pass@host/db`.",
            unset="the built-in one",
            is_secret=True,
            read=partial(_address, "NOVAPROXY_DATABASE_URL"),
        ),
    ] = field(repr=False)
    database_owner_url: Annotated[
        str | None,
        Setting(
            "NOVAPROXY_DATABASE_OWNER_URL",
            "The same PostgreSQL as the role that owns the tables: migrations run as it, and give the user of "
            "`NOVAPROXY_DATABASE_URL` the rights that the service needs.",
            unset="one role does both",
            is_secret=True,
            read=partial(_address, "NOVAPROXY_DATABASE_OWNER_URL"),
        ),
    ] = field(repr=False)
    host: Annotated[
        str,
        Setting(
            "NOVAPROXY_HOST",
            "The address that `serve` listens on; `0.0.0.0` is every one of this machine.",
            default="127.0.0.1",
        ),
    ]
    port: Annotated[
        int,
        Setting(
            "NOVAPROXY_PORT", "The port that `serve` listens on; `0` takes a free one.", default="8000", read=_port
        ),
    ]
    sealing_key: Annotated[
        str | None,
        Setting(
            "NOVAPROXY_SEALING_KEY",
            "The key that seals the proxy passwords at rest: 32 random bytes in base64. Several, commas between: the "
            "first seals, the others still open.",
            unset="`sealing.key` in the data directory, made at the first start",
            is_secret=True,
        ),
    ] = field(repr=False)
    postgres_binaries: Annotated[
        Path | None,
        Setting(
            "NOVAPROXY_PG_BIN",
            "The directory of PostgreSQL's programs: of `initdb` and `postgres` for the built-in database, of "
            "`pg_dump`, `pg_restore` and `psql` for backups.",
            unset="those that came with NovaProxy, else those on `PATH`",
            read=Path,
        ),
    ]
    metrics_token: Annotated[
        str | None,
        Setting(
            "NOVAPROXY_METRICS_TOKEN",
            f"The bearer token, {SHORTEST_METRICS_TOKEN} characters or more, that opens `/metrics` to other machines.",
            unset="`/metrics` is for this machine alone",
            is_secret=True,
            read=_metrics_token,
        ),
    ] = field(repr=False)
    log_format: Annotated[
        LogFormat,
        Setting(
            "NOVAPROXY_LOG_FORMAT",
            "How the log is written: `logfmt` for people and grep, `json` for programs.",
            default=LogFormat.LOGFMT.value,
            read=partial(_one_of, LogFormat, "NOVAPROXY_LOG_FORMAT"),
        ),
    ]
    has_access_log: Annotated[
        bool,
        Setting(
            "NOVAPROXY_ACCESS_LOG",
            "`on` writes a line of the log for each request.",
            default=Switch.OFF.value,
            read=partial(_is_on, "NOVAPROXY_ACCESS_LOG"),
        ),
    ]
    has_rate_limit: Annotated[
        bool,
        Setting(
            "NOVAPROXY_RATE_LIMIT",
            "`off` lets everybody ask as often as he likes; the five below then mean nothing.",
            default=Switch.ON.value,
            read=partial(_is_on, "NOVAPROXY_RATE_LIMIT"),
        ),
    ]
    trusted_proxies: Annotated[
        tuple[str, ...] | None,
        Setting(
            "NOVAPROXY_TRUSTED_PROXIES",
            "Addresses and networks, by commas, of proxies whose `X-Forwarded-For` says for whom a request counts.",
            unset="the address of the connection counts",
            read=partial(_networks, "NOVAPROXY_TRUSTED_PROXIES"),
        ),
    ]
    orders_per_minute: Annotated[
        int,
        _rate(
            "NOVAPROXY_LIMIT_ORDERS",
            "Orders of one token a minute, at each worker, all at once or not; of one address four times as many.",
            ORDERS_PER_MINUTE,
        ),
    ]
    reads_per_minute: Annotated[
        int,
        _rate("NOVAPROXY_LIMIT_READS", "Other requests of one token a minute, likewise.", READS_PER_MINUTE),
    ]
    wrong_codes_per_minute: Annotated[
        int,
        _rate(
            "NOVAPROXY_LIMIT_CODES",
            "Orders of one token a minute with a discount code that does not exist, likewise.",
            WRONG_CODES_PER_MINUTE,
        ),
    ]
    wrong_tokens_per_minute: Annotated[
        int,
        _rate(
            "NOVAPROXY_LIMIT_TOKENS",
            "Requests of one address a minute without a valid token, at each worker, all at once or not.",
            WRONG_TOKENS_PER_MINUTE,
        ),
    ]

    has_gateway: Annotated[
        bool,
        Setting(
            "NOVAPROXY_GATEWAY",
            "`off` serves the order API alone: gateways run elsewhere, as `novaproxy gateway`.",
            default=Switch.ON.value,
            read=partial(_is_on, "NOVAPROXY_GATEWAY"),
        ),
    ]
    gateway_host: Annotated[
        str,
        Setting(
            "NOVAPROXY_GATEWAY_HOST",
            "The address that the gateway listens on, on the ports of the catalog's `protocols`.",
            default="127.0.0.1",
        ),
    ]
    gateway_processes: Annotated[
        int,
        Setting(
            "NOVAPROXY_GATEWAY_PROCESSES",
            "Gateway processes on the same ports: one moves about 10 Gbit/s.",
            default="1",
            read=partial(_count, "NOVAPROXY_GATEWAY_PROCESSES", MOST_GATEWAYS),
        ),
    ]
    gateway_allowed: Annotated[
        tuple[tuple[str, int], ...] | None,
        Setting(
            "NOVAPROXY_GATEWAY_ALLOW",
            "Exact addresses with ports, by commas, of your own network that customers may reach through the proxy, "
            "such as `127.0.0.1:8000`.",
            unset="nothing private, local or of this machine is reached",
            read=_places,
        ),
    ]
    gateway_fronts: Annotated[
        tuple[str, ...] | None,
        Setting(
            "NOVAPROXY_GATEWAY_FRONTS",
            "Addresses and networks, by commas, of load balancers that send a PROXY protocol header (v1 or v2) first: "
            "theirs is believed, and they must send one.",
            unset="the address of the connection counts",
            read=partial(_networks, "NOVAPROXY_GATEWAY_FRONTS"),
        ),
    ]

    @property
    def gateway(self) -> GatewaySettings:
        """How the gateway stands to the world."""
        return GatewaySettings(
            self.gateway_host, self.gateway_processes, self.gateway_allowed or (), self.gateway_fronts or ()
        )

    @property
    def counters_dir(self) -> Path:
        """Where gateways keep their counter files."""
        return self.data_dir / "gateway"

    @property
    def limits(self) -> Limits | None:
        """How often somebody may ask, None where as often as he likes."""
        if not self.has_rate_limit:
            return None
        return Limits(
            self.orders_per_minute,
            self.reads_per_minute,
            self.wrong_codes_per_minute,
            self.wrong_tokens_per_minute,
            self.trusted_proxies or (),
        )

    @property
    def key_file(self) -> Path:
        """Where the key of the sealed passwords is kept where the environment gives none."""
        return self.data_dir / "sealing.key"


def declared_settings() -> dict[str, Setting]:
    """Return every setting under the name that it has in Settings."""
    members = get_type_hints(Settings, include_extras=True)
    return {name: member.__metadata__[0] for name, member in members.items()}


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Return the settings of *environment*; an empty variable counts as unset.

    Raises:
        OperatorError: one line for each setting that cannot be used.
    """
    values: dict[str, Any] = {}
    faults: list[str] = []
    for member, setting in declared_settings().items():
        try:
            values[member] = setting.value(environment)
        except OperatorError as error:
            faults += error.lines
    if faults:
        raise OperatorError(*faults)
    return Settings(**values)


def settings_page() -> str:
    """Return docs/settings.md."""
    rows = [
        f"| `{setting.name}` | {f'`{setting.default}`' if setting.default else setting.unset} | {setting.teaches} |"
        for setting in declared_settings().values()
    ]
    return "\n".join([*_PAGE_HEAD, *rows, ""])


_PAGE_HEAD = (
    "# Settings",
    "",
    "They come from the environment and are read once, when a command starts. An empty variable counts as unset.",
    "`novaproxy settings` shows them as they are now.",
    "",
    "This page is written by `novaproxy settings --markdown > docs/settings.md`.",
    "",
    "| Variable | Where it is unset | What it does |",
    "|---|---|---|",
)
