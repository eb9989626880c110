"""What is sold: the model, its rules, the operator's file, and the store of revisions."""
