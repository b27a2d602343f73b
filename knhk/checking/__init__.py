"""The whole check of sources: what the compiler finds, and what exploring the nets does."""

from knhk.checking.check import Checked, check
from knhk.checking.messages import Senders

__all__ = ["Checked", "Senders", "check"]
