"""The log file of `up`: it takes as much room as was said, whatever is logged."""

import subprocess
import sys
from pathlib import Path

# In a process of its own, since it takes all logs for itself.
_PROGRAM = """
import logging, sys
from pathlib import Path
from perdure.cli.process import log_to_file

log_to_file(Path(sys.argv[1]))
for number in range(80):
    logging.getLogger("a.part").info("%d %s", number, "x" * 1024 * 1024)
"""


def test_the_log_is_rotated_and_its_oldest_part_dropped(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "perdure.log"

    subprocess.run([sys.executable, "-c", _PROGRAM, str(log)], check=True)

    files = sorted(log.parent.iterdir())
    assert [file.name for file in files] == ["perdure.log", *(f"perdure.log.{number}" for number in range(1, 6))]
    assert all(file.stat().st_size <= 10 * 1024 * 1024 for file in files)
    assert "INFO a.part: 79 x" in log.read_text()
