"""``python -m novaproxy`` is the command ``novaproxy``."""

from novaproxy.cli import main

if __name__ == "__main__":
    main()
