"""What shells complete, asked of the shells themselves."""
# ruff: noqa: S603 -- the programs are the shells of this machine and our own script

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from commands import SCRIPT, Operator, environment

BASH = """
source <(novaproxy completion bash)
complete -p novaproxy | grep -q _novaproxy_completion || exit 1
while IFS= read -r COMP_LINE; do
    read -ra COMP_WORDS <<<"$COMP_LINE"
    [[ $COMP_LINE == *" " ]] && COMP_WORDS+=("")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_POINT=${#COMP_LINE} COMPREPLY=()
    _novaproxy_completion novaproxy
    echo "${COMPREPLY[*]}"
done
"""
FISH = """
novaproxy completion fish | source
while read --line line
    string join -- ' ' (complete --do-complete $line | string split --fields 1 \\t)
end
true
"""
OFFERED = {
    "novaproxy order d": {"deliver", "deactivate"},
    "novaproxy order list --st": {"--status"},
    "novaproxy order list --status p": {"pending"},
}


def completed(shell: str, words: list[str], directory: Path, lines: Iterable[str]) -> list[set[str]]:
    """Return what *shell* offers for each of *lines*."""
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"there is no {shell} on this machine")
    ran = subprocess.run(
        [found, *words],
        check=True,
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
        cwd=directory,
        env=environment(PATH=f"{SCRIPT.parent}:/usr/bin:/bin", HOME=str(directory)),
        timeout=60,
    )
    assert ran.stderr == ""
    return [set(line.split()) for line in ran.stdout.splitlines()]


def test_bash_completes_commands_options_and_their_values(tmp_path: Path) -> None:
    words = ["--norc", "--noprofile", "-c", BASH]
    assert completed("bash", words, tmp_path, OFFERED) == list(OFFERED.values())


def test_fish_completes_the_values_of_an_option(tmp_path: Path) -> None:
    # It asks twice for each line; one is enough to see that it is asked rightly.
    line = "novaproxy order list --status p"
    assert completed("fish", ["--no-config", "-c", FISH], tmp_path, [line]) == [OFFERED[line]]


def test_each_shell_gets_a_script_of_its_own(tmp_path: Path) -> None:
    bash, zsh, fish, other = Operator(tmp_path).all(*(("completion", shell) for shell in ("bash", "zsh", "fish", "sh")))
    assert "complete -o default -F _novaproxy_completion novaproxy" in bash.said
    assert zsh.said.startswith("#compdef novaproxy\n")
    assert fish.said.startswith("complete --command novaproxy ")
    assert other.fault.startswith("Invalid value for 'SHELL': 'sh' is not one of 'bash', 'zsh', 'fish'.")
