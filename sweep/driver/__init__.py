"""The one process that holds a study: whether it can run, its run, what a person sees, what comes out.

run                 the main path, where all parts of a driver are put together
run_folds           a search and, if its file says so, its finalists on the other folds of patients
later_studies       the studies that the same command trains after one
which_study         which study a command means: a new one, or one that goes on
patient_lock        the lock of a study, waited for where a dead driver's may last
preflight           looks at all that can be refused, and starts nothing
populations         whether the recordings have the patients whom a study asks for
trained_origins     whether losses over devices and patients have several of them to train on
driver              runs a study that passed its preflight, and lets go of it in good order
executor            where units are trained, as a driver asks of it
late_executor       what trains the units of a study that was over, started only if it has any left
unit_preparation    features and weights of a unit, ready before it is handed out
warning_by          warnings of ours, told as lines instead of printed with the place in the source
steady_clock        time that a study is charged for, whatever is done to the machine's clock
signals             halts a study on Ctrl-C, SIGTERM or a lost connection
display             where lines, tables and warnings for a person go
foretelling         how long the study will still take
watch               a study that another process runs, from its journal
progress            how far a study is, as a live table or a line for each decision
mlflow_page         what MLflow's page is told of a study beside its events
versions            which code this is, and what it runs on
provenance          what the numbers of a study rest on
file_check          a study file or recipe: in order, or all that is wrong with it
plan                what a study would cost before it runs
planned_data        the cycles that it would train and score, and what is missing in them
planned_steps       what a training step of it takes here
unit_removal        frees the disk of units that are over, and keeps the weights of the best
best_models         which networks MLflow is to have as models
retry               has failed units tried again by the next driver
rename              a study under another name, with all that names it
delete              deletes a study; what goes, what stays
results             what a study that is over leaves, and what that found in short
report              writes a study as a page, with what all folds of patients say
export              writes a configuration as a recipe that trains again
weights_export      writes a configuration's networks as a folder: weights, recipe, model card
"""
