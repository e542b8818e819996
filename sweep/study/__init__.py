"""What a study is and how it decides: plain Python on events, without Ray, Optuna or MLflow.

events        what can happen in a study
epoch_report  what the report of an epoch must hold
journal       events as lines of a file
board         the state of a study, by replaying events
units         what a board holds: configurations, their units, what became of both
nodes         what a board holds of nodes: which units died there since one last came on
blame         whose fault a death is; which nodes get no units
silence       which units give no news, and when their workers are killed
score_table   metrics of all finished units as one array
comparison    who is tied with the best, and how lucky the best was
epoch_times   how long the epochs of each configuration take
racing        which configurations deserve a further seed, and which are given up
racing_rules  the statistics of that race
budget        what a study may use, and what it has used
plan          what a budget will finish, and what fits beside that
choice        which unit that was never started starts next
pruning       whether a first seed is stopped on its curve, and why
failures      when failures of units halt the study
record        how a study changes: what the board and all listeners hear
coordinator   hands out units, hears their reports, and takes all decisions
"""
