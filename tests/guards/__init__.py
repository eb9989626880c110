"""The guards of the project, and the command that removes each of them once: ``make guards``."""
