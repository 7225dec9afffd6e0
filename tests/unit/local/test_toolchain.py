"""What several processes do to one folder at the same time."""

import os
from pathlib import Path

from local.toolchain import keep_newest


def test_the_newest_are_kept_whatever_another_process_has_removed_meanwhile(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("oldest", "old", "new", "newest")]
    for age, file in enumerate(files):
        file.touch()
        os.utime(file, (age, age))
    gone = tmp_path / "gone"

    keep_newest(2, [gone, *files])

    assert sorted(file.name for file in tmp_path.iterdir()) == ["new", "newest"]
