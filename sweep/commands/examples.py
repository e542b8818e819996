"""An example for each command, which its help ends with."""

from __future__ import annotations

EXAMPLES = {
    "plan": "plan search_spaces/quickstart.yaml --workers 2 --price 2.5",
    "check": "check search_spaces/quickstart.yaml",
    "schema": "schema study > study.json",
    "fetch": "fetch search_spaces/lung_srad.yaml",
    "run": "run search_spaces/quickstart.yaml --data DIR --name first --set budget.configurations=40",
    "watch": "watch first",
    "status": "status first --units",
    "retry": "retry first --configuration 7",
    "leaderboard": "leaderboard first --format csv > first.csv",
    "report": "report first --output first.html",
    "export": "export first --output winner.yaml",
    "ui": "ui first",
    "list": "list --studies s3://bucket/lab",
    "show": "show first 7",
    "compare": "compare first second",
    "note": "note first 'with the new stethoscope'",
    "rename": "rename first second",
    "delete": "delete first",
    "finish": "finish first",
    "test": "test first",
    "ledger": "ledger first",
    "leak": "leak first",
    "verify": "verify first.bundle",
    "predict": "predict first breath.wav FOLDER --format csv",
    "spectral": "spectral first breath.wav --layer 2.3",
    "explain": "explain first breath.wav --cycle 2 --output FOLDER",
    "simulate": "simulate search_spaces/lung_srad.yaml --workers 4 --world epoch_seconds=20",
    "train": "train winner.yaml --data DIR --seed 1",
    "bands": "bands winner.yaml --data DIR --output ranking.json",
    "data": "data DIR --task 1-2",
    "synth": "synth breaths --patients 24",
    "doctor": "doctor --pack search_spaces/quickstart.yaml",
    "cluster check": "cluster check cluster.yaml",
    "cluster slurm": "cluster slurm search_spaces/lung_srad.yaml --data DIR --workers 8 --gres gpu:1 --submit",
    "cluster status": "cluster status lung_srad",
    "cluster stop": "cluster stop lung_srad",
    "cluster worker": "cluster worker first --studies /shared/studies",
    "cluster watch": "cluster watch",
    "cluster drain": "cluster drain --seconds 60",
}
"""Arguments of `respsweep` by command."""


def example(command: str) -> str:
    """Write the last paragraph of a command's help."""
    return f"Example: respsweep {EXAMPLES[command]}"
