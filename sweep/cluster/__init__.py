"""Cluster files, checked before machines are paid for, and the jobs of a study on SLURM.

check           applies the rules to a file, and counts what they find
finding         a thing to change in a file
cluster_file    a cluster as the rules see it, whichever program its file is for
launcher        reads a file for `ray up`
kuberay         reads a RayJob or a RayCluster
batch_script    reads a script for sbatch
slurm           writes the batch scripts of a study, by a site's settings
slurm_queue     submits, lists and cancels the jobs of one study
shell           programs that the commands of a file call
cloud_machines  CPUs and GPUs of the machines that clouds rent out
surroundings    what a file is held against: this machine, the lock file, a unit of a study
rules/          a file for each thing that is looked at
"""
