"""What this machine can do: `respsweep doctor`.

doctor                  torch and its devices, scan engines, packages and folders, tried rather than assumed
gpu_sharing             how many units share a device best: what to measure next, and what to recommend
gpu_sharing_processes   processes that train one recipe side by side, and how fast they were
"""
