"""The commands of `respsweep`, a file each; what one needs is imported when it is called, so that `--help` is instant.

app             all commands, as one typer app
options         options that several commands have
console         where commands print
output_places   where commands write, checked before they work
examples        an example for each command
plan            a study before it runs: what is missing, what it would cost
list_studies    the studies of a place, and how each stands
show            what a study is, or one of its configurations
compare         two studies on the same recordings
rename          gives a study another name
delete          deletes a study, after asking
note            a note that is kept with a study
check           a study file or recipe, before anything is done with it
schema          JSON Schemas of study files and recipes
run             search: train configurations, export the best
watch           a study that runs elsewhere, as its own terminal shows it
status          how a study stands
retry           has failed units tried again
leaderboard     its configurations, best first
report          the study as one HTML page
export          its best configuration as a recipe
finish          the best configuration on all patients
test_part       the official test part, read once
ledger          who read it
leak            how far choosing by it raises a score
verify          the numbers of a bundle, computed again
predict         answers to recordings that nobody has labelled
spectral        what a network's layers do to each spatial frequency
explain         what the answer to a cycle rests on
simulate        a study played on made-up or recorded learning curves
train           one recipe with one seed
bands           mel bands, ranked by what answers rest on
data            a data set, counted
synth           synthetic breaths
ui              MLflow's pages
doctor          what works on this machine
fetch           pretrained weights, for machines without a network
cluster_check   a cluster file, before machines are paid for
cluster_slurm   batch scripts with which a study runs on SLURM
cluster_worker  a machine that trains for a driver elsewhere
cluster_status  a study's SLURM jobs, nodes and units
cluster_stop    cancels them
cluster_watch   waits for a spot machine to be taken back
cluster_drain   lets the units of a machine move to others
"""
