"""What CI runs: nothing when a program is missing without which tests would skip."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

RUN = Path(__file__).parents[1] / ".ci" / "run"
TOOLS = ("bash", "dirname", "sed", "sort")
PROGRAMS = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
    "chromium": "chromium",
}


def ci(folder: Path, programs: set[str], user: int = 1000) -> tuple[int, str, list[str]]:
    """Run the script where there are these programs and no apt-get; return its code, what it says, and what it made."""
    found = folder / "bin"
    found.mkdir()
    for name in TOOLS:
        (found / name).symlink_to(str(shutil.which(name)))
    made = folder / "made"
    made.touch()
    texts = {"id": f"echo {user}", "make": f'echo "${{@: -1}}" >>{made}'} | dict.fromkeys(programs, ":")
    for name, text in texts.items():
        (found / name).write_text(f"#!{found}/bash\n{text}\n")
        (found / name).chmod(0o755)
    done = subprocess.run(
        [str(shutil.which("bash")), str(RUN)],
        env={"PATH": str(found)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr, made.read_text().split()


def test_all_is_run_where_all_programs_are(tmp_path: Path) -> None:
    assert ci(tmp_path, set(PROGRAMS)) == (0, "", ["dev", "lint", "long", "test"])


@pytest.mark.parametrize("user", [0, 1000])
@pytest.mark.parametrize("program", PROGRAMS)
def test_each_missing_program_ends_it_with_its_name(tmp_path: Path, program: str, user: int) -> None:
    """As root too, where there is no apt-get."""
    code, said, made = ci(tmp_path, PROGRAMS.keys() - {program}, user)
    assert (code, made) == (1, [])
    [line] = [line for line in said.splitlines() if line.startswith("  ")]
    names, package = line.split()
    assert program in names.split("|")
    assert package == f"({PROGRAMS[program]})"
