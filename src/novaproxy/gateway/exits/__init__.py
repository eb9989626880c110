"""The exits: which one a tunnel takes, what may be reached through it, and how it is dialled."""
