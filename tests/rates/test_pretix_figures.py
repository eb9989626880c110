"""What is measured beside pretix counts for nothing where an order was refused or is not there."""

from benchmarks.order_pretix import NOVAPROXY, PRETIX, Figures, PretixRun, section
from benchmarks.peers.pretix.shop import version
from benchmarks.rate.sides import HttpRun


def whole_figures() -> Figures:
    return Figures(
        pretix_version=version(),
        http={1: [HttpRun(100.0, 10, 0, {}, 1.0, 2.0, 4.0, 500.0, 500.0, 1.0, 1.0)]},
        pretix={1: [PretixRun(5.0, 10, {}, 80.0, 90.0, 70_000.0, 10_000.0)]},
        statements={NOVAPROXY: 4.0, PRETIX: 50.0},
        added={"pretixbase_order": 1.0, "pretixbase_logentry": 1.0},
    )


def test_figures_without_a_fault_tell_both_sides_and_the_locked_version() -> None:
    figures = whole_figures()

    assert figures.faults() == []
    told = section(figures, 8, 1)
    assert "| pretix | 1 | 5.0 | 5.0 to 5.0 | 0.0500 | 80.0 ms | 90.0 ms | 70.00 | 10.00 |" in told
    assert f"version {version()} from the package registry" in " ".join(told.split())


def test_a_refused_order_and_one_that_pretix_did_not_keep_are_faults() -> None:
    figures = whole_figures()
    figures.pretix[1].append(PretixRun(5.0, 10, {503: 2}, 80.0, 90.0, 1.0, 1.0))
    figures.added["pretixbase_order"] = 0.5

    assert figures.faults() == [
        "orders were refused: {503: 2}",
        "pretix kept 0.5 orders for each that it answered with 201",
    ]
