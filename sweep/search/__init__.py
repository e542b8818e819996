"""Optuna, kept behind this door: proposals of new configurations, and stops on first seeds' curves.

optuna_search       proposes the points of a study, by one of Optuna's samplers or from a list
samplers            Optuna's samplers by name, each built for one proposal
sampler_state       what a sampler noted in a journal, looked at before it is believed
replaceable_trials  a study of Optuna's in memory whose trials may be replaced
trials              a configuration as a trial: as samplers are to see it, and as people are
values              values of searched fields as Optuna takes and gives them
epoch_pruner        stops a first seed on its curve, by one of the pruners
pruners             the pruners by name, each built for curves of a given length
pruning_reasons     against what a pruner held the curve that it stopped, in words
forecast_pruner     the default: forecasts where a curve ends, and learns how well
importance          how much each searched field matters
optuna_export       writes `optuna.journal`, for optuna-dashboard
"""
