"""The currencies that a shop can be kept in: those whose unit has a hundred parts.

Balances are integers of 1/100, so a yen (no decimals) or a dinar (three) would be wrong by a factor, silently.

Source: ISO 4217 list one (currencies and funds, minor unit 2) as kept by SIX Financial Information for ISO, state of
January 2026: with XAD, XCG and ZWG, without ANG, BGN, CUC, HRK, SLL and ZWL, which were withdrawn before it.
"""

from typing import Final

TWO_DECIMAL_CURRENCIES: Final = frozenset(
    """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF
    CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD
    GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL
    MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR
    PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP
    TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG
    """.split()  # noqa: SIM905 -- a list literal would be 139 lines, and nobody could compare it with the standard
)
"""The alphabetic ISO 4217 codes in force whose minor unit is 1/100."""

DEFAULT_CURRENCY: Final = "USD"
"""The currency of an installation whose first catalog names none (catalog format)."""
