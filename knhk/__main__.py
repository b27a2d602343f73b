"""``python -m knhk`` is the command ``knhk``."""

from knhk.cli.main import main

main()
