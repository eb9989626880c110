"""The same order written the usual way: FastAPI, SQLAlchemy's ORM on asyncpg, pydantic; one transaction a request.

It knows nothing of NovaProxy's code, only its tables, and is run by uvicorn in the environment `.venv-peers`:

    uvicorn --factory benchmarks.peers.usual.app:made_app

PGHOST and its kind say where the database is, PEER_SEALING_KEY (hexadecimal) seals the passwords.
"""
