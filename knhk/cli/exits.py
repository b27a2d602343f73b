"""What the exit codes of the command mean.

=====  ==================================================================
code   meaning
=====  ==================================================================
0      done: the file checks, the case completed
1      the case failed, was cancelled or is stuck, or the store failed;
       a file is not in the style (`fmt --check`) or cannot be written
2      the command was used wrongly, or a file does not check
3      the case now waits for work that is done outside
130    stopped by Ctrl-C or by SIGTERM
=====  ==================================================================
"""

from __future__ import annotations

from typing import Final

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
WAITING: Final = 3
STOPPED: Final = 130
