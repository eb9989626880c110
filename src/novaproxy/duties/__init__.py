"""What a shop does by itself, again and again: orders run out, the books are audited, the figures are read."""
