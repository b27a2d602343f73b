"""A journal in a PostgreSQL database; needs the extra ``knhk[postgres]``."""

from knhk.journal.postgres.journal import PostgresJournal

__all__ = ["PostgresJournal"]
