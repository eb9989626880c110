"""``novaproxy key``: the keys that seal the proxy passwords."""

from novaproxy.cli.database import run, settings
from novaproxy.cli.lists import AsJson
from novaproxy.cli.output import print_json, say
from novaproxy.cli.tables import Column, print_table
from novaproxy.cli.terminal import Progress
from novaproxy.cli.usage import TaughtCommand, examples, group
from novaproxy.credentials.keys import Keys, put_in_front, sealing_keys
from novaproxy.credentials.rotation import has_keys, hold_rotation, is_in_use
from novaproxy.credentials.seal import SealBroken, fingerprint, installation_keys, registered_sealer, shown
from novaproxy.database.pool import SoleConnection
from novaproxy.errors import OperatorError
from novaproxy.orders.resealing import KeyUse, Resealed, count_key_uses
from novaproxy.orders.resealing import reseal as resealed

app = group(
    "The keys that seal the proxy passwords at rest.",
    "novaproxy key list",
    "novaproxy key rotate",
    "novaproxy key reseal",
)

_SEALS, _OPENS, _WAITS, _MISSING = "seals new orders", "opens older orders", "waits for a restart", "not given"
_SHOWN_BROKEN = 3


@app.command("list", cls=TaughtCommand, epilog=examples("novaproxy key list", "novaproxy key list --json"))
def index(as_json: AsJson = False) -> None:
    """List the keys, and how many orders each seals.

    A key is shown by the beginning of its fingerprint, from which it cannot be computed. It fails where a key that
    orders are sealed with is not given.
    """
    uses = run(count_key_uses, Progress("Counting the orders of each key ..."))
    rows = _rows(uses, _given())
    if as_json:
        print_json([dict(zip(("fingerprint", "use", "orders", "created_at"), row, strict=True)) for row in rows])
    else:
        columns = (Column("key"), Column("use"), Column("orders", to_right=True), Column("known since", is_time=True))
        print_table(columns, rows, "There is no key yet: 'novaproxy serve' makes one.")
    missing = [
        f"The key {name} is not given, and orders are sealed with it: {orders}."
        for name, use, orders, _ in rows
        if use == _MISSING and orders
    ]
    if missing:
        raise OperatorError(*missing)


def _given() -> Keys:
    given = settings()
    if given.sealing_key is None and not given.key_file.exists():
        return ()
    return sealing_keys(given.sealing_key, given.key_file, is_first=False)


def _rows(uses: list[KeyUse], given: Keys) -> list[tuple[object, ...]]:
    """Return name, use, orders and time of each key: those given first, as they stand."""
    by_fingerprint = {use.fingerprint: use for use in uses}
    names = [fingerprint(key) for key in given]
    in_use = [name for name in names if name in by_fingerprint]
    rows: list[tuple[object, ...]] = []
    for name in [*names, *(use.fingerprint for use in uses if use.fingerprint not in names)]:
        use = by_fingerprint.get(name)
        if name not in names:
            does = _MISSING
        elif use is None:
            does = _WAITS
        else:
            does = _SEALS if name == in_use[0] else _OPENS
        rows.append((shown(name), does, use.orders if use else 0, use.created_at if use else None))
    return rows


@app.command("rotate", cls=TaughtCommand, epilog=examples("novaproxy key rotate"))
def rotate() -> None:
    """Put a new key in front of those in the key file.

    The older ones go on opening what they sealed. The service seals with the new key after its next restart;
    'novaproxy key reseal' then puts the older passwords under it.
    """
    given = settings()
    if given.sealing_key is not None:
        raise OperatorError(
            "The keys come from NOVAPROXY_SEALING_KEY: put a new one in front of it yourself, a comma between them. "
            "'head -c 32 /dev/urandom | base64' makes one."
        )

    async def rotated(connection: SoleConnection) -> Keys:
        async with hold_rotation(connection):
            await _check_served(connection)
            # A file that is not this shop's, or lacks a key, is not made longer.
            keys = await installation_keys(connection, None, given.key_file)
            if not await is_in_use(connection, keys):
                raise OperatorError(
                    f"The newest key in {given.key_file} is not in use yet: restart the service before another one."
                )
            return put_in_front(given.key_file)

    keys = run(rotated)
    say(f"Put the new key {shown(fingerprint(keys[0]))} in front of {len(keys) - 1} in {given.key_file}.")
    say("Copy that file to where you keep it; it still holds the older keys, which backups need.")
    say("Restart the service: it then seals with the new key. After that: novaproxy key reseal")


@app.command("reseal", cls=TaughtCommand, epilog=examples("novaproxy key reseal"))
def reseal() -> None:
    """Put every stored password under the newest key.

    The shop may be open meanwhile, and buyers see nothing of it; an interrupted run is simply started again. Every
    service of the shop must have been restarted with the new key before.
    """
    given = settings()
    progress = Progress("Looking for passwords under older keys ...")

    async def run_through(connection: SoleConnection) -> tuple[Resealed, list[KeyUse], Keys]:
        await _check_served(connection)
        keys = await installation_keys(connection, given.sealing_key, given.key_file)
        if not await is_in_use(connection, keys):
            raise OperatorError(
                "The newest key is not in use yet: restart the service with it first, or it could not open what is "
                "resealed."
            )
        sealer = await registered_sealer(connection, *keys)
        done = await resealed(connection, sealer, lambda orders: progress.tell(f"{orders} passwords resealed ..."))
        return done, await count_key_uses(connection), keys

    done, uses, keys = run(run_through, progress)
    newest = fingerprint(keys[0])
    say(f"Resealed {done.orders} passwords under the key {shown(newest)}.")
    if done.broken:
        raise OperatorError(
            *(f"{SealBroken(uuid)}." for uuid in done.broken[:_SHOWN_BROKEN]),
            f"Keep the older keys; orders that they do not open: {len(done.broken)}.",
        )
    left = sum(use.orders for use in uses if use.fingerprint != newest)
    if left:
        raise OperatorError(
            f"Passwords that are still under an older key: {left}. Somebody holds their orders, or a service seals "
            "with that key; run it again."
        )
    _tell_removable(keys)


async def _check_served(connection: SoleConnection) -> None:
    """Check that there is a key to follow; a command about keys makes no first one.

    Raises:
        OperatorError: the shop was never open.
    """
    if not await has_keys(connection):
        raise OperatorError("This shop was never open, so it has no key yet: 'novaproxy serve' makes the first one.")


def _tell_removable(keys: Keys) -> None:
    if len(keys) == 1:
        say("No order is sealed with another key.")
        return
    older = ", ".join(shown(fingerprint(key)) for key in keys[1:])
    say(f"No order is sealed with an older key: {older} can be removed behind the first.")
    say("Keep them elsewhere for as long as you keep backups from before: those open with them alone.")
