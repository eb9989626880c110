"""``make mutants``: the rules are changed in one place at a time, and some test of tests/rules must fail each time."""
