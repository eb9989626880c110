"""The engine: moves bytes between a client's socket and an exit's, counted and limited, mostly inside the kernel."""
