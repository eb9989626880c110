"""What may stand on an order's whitelist: pure rules, and each refusal with its sentence.

A listed address opens the proxy without a password, and all that the gateway knows of such a client is his address and
the port at which he came. So on each port an address is on the whitelist of one order alone.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, ip_address

from novaproxy.catalog.model import Plan
from novaproxy.errors import Refusal
from novaproxy.http.body_refusals import FieldGivenTwice
from novaproxy.http.fields import BLANKS, Fields
from novaproxy.orders.model import OrderStatus
from novaproxy.orders.moves import RUNNING
from novaproxy.orders.request import FieldUnknown, is_absent
from novaproxy.whitelist.model import MOST_ADDRESSES, Address

FIELDS = ("address",)
_BROADCAST = IPv4Address("255.255.255.255")


class AddressRequired(Refusal):
    """No address was given."""

    code = "address_required"

    def __init__(self) -> None:
        super().__init__("The address field is required.")


class AddressNotText(Refusal):
    """The address is a number, a list or the like."""

    code = "address_not_string"

    def __init__(self) -> None:
        super().__init__("The address field must be a string.")


class AddressNotValid(Refusal):
    """The address is a name, a network, one with a zone, or one that no client has."""

    code = "address_not_valid"

    def __init__(self) -> None:
        super().__init__("The address must be one IPv4 or IPv6 address, such as 203.0.113.7.")


class WhitelistNotSold(Refusal):
    """The order's plan offers no whitelist."""

    code = "whitelist_not_sold"

    def __init__(self) -> None:
        super().__init__("The order's plan has no IP whitelist.")


class OrderNotRunning(Refusal):
    """The order has no credentials yet, or has ended: nothing would be opened by an address."""

    code = "order_not_running"

    def __init__(self, status: OrderStatus) -> None:
        super().__init__(f"The order is {status}: only an active or inactive order can list addresses.")
        self.order_status = status


class AddressTaken(Refusal):
    """Another order lists the address at a port of this plan; whose it is, is not told."""

    code = "address_taken"

    def __init__(self) -> None:
        super().__init__("The address is on the whitelist of another order at the same port.")


class WhitelistFull(Refusal):
    """As many addresses as an order may list are there."""

    code = "whitelist_full"

    def __init__(self) -> None:
        super().__init__(f"An order can list at most {MOST_ADDRESSES} addresses.")


class AddressUnknown(Refusal):
    """The address that is to be taken off is not on the whitelist."""

    status = 404
    code = "address_not_found"

    def __init__(self) -> None:
        super().__init__("The address is not on the order's whitelist.")


def asked_address(fields: Fields) -> Address:
    """Return the address that a body names.

    Raises:
        FieldGivenTwice, FieldIsFile, TextNotAllowed, FieldUnknown, AddressRequired, AddressNotText, AddressNotValid.
    """
    if fields.fault is not None:
        raise fields.fault
    for name in fields.values:
        if name not in FIELDS:
            raise FieldUnknown(name, FIELDS)
    written = fields.values.get("address")
    if is_absent(written):
        raise AddressRequired
    if not isinstance(written, str):
        raise AddressNotText
    return read_address(written)


def named_address(given: list[str]) -> Address:
    """Return the address that a query names: *given* are the values of its parameter.

    Raises:
        AddressRequired, FieldGivenTwice, AddressNotValid.
    """
    if len(given) > 1:
        raise FieldGivenTwice("address")
    written = "".join(given).strip(BLANKS)
    if not written:
        raise AddressRequired
    return read_address(written)


def read_address(written: str) -> Address:
    """Return the one address that *written* is; one that is mapped into IPv6 is the IPv4 address.

    Raises:
        AddressNotValid: it is a name, a network, or no client can have it.
    """
    # A zone names an interface of one machine, not a client.
    if "%" in written:
        raise AddressNotValid
    try:
        address = ip_address(written)
    except ValueError:
        raise AddressNotValid from None
    address = getattr(address, "ipv4_mapped", None) or address
    if address.is_unspecified or address.is_multicast or address == _BROADCAST:
        raise AddressNotValid
    return address


def check_order(plan: Plan, status: OrderStatus) -> None:
    """Check that an order of *plan*, which is shown as *status*, may list addresses.

    Raises:
        WhitelistNotSold, OrderNotRunning.
    """
    if not plan.has_ip_whitelist:
        raise WhitelistNotSold
    if status not in RUNNING:
        raise OrderNotRunning(status)


def check_room(listed: int) -> None:
    """Check that an order that has *listed* addresses may have another.

    Raises:
        WhitelistFull.
    """
    if listed >= MOST_ADDRESSES:
        raise WhitelistFull


def check_free(plan: Plan, holders: Iterable[Plan]) -> None:
    """Check that no port of *plan* is one of *holders*, the plans of the other running orders that list the address.

    Raises:
        AddressTaken.
    """
    ports = _ports(plan)
    if any(ports & _ports(holder) for holder in holders):
        raise AddressTaken


def _ports(plan: Plan) -> set[int]:
    return {protocol.port for protocol in plan.protocols}
