"""What this machine can do: `respsweep doctor`.

doctor                  torch and its devices, scan engines, packages and folders, tried rather than assumed
gpu_sharing             how many units share a device best: what to measure next, and what to recommend
gpu_advice              what modes, slices and MPS mean for units that share a GPU
step_times              what a training step and a checkpoint take
gpu_sharing_processes   processes that train one recipe side by side, and how fast they were
"""
