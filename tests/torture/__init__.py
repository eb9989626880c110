"""The long form of the races and faults: ``make torture``."""
