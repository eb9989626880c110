"""The usernames and passwords that are sold, and how passwords are sealed at rest."""
