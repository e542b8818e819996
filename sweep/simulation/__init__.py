"""A study played by the real board, search, pruner, race and budget, on curves and a clock of its own.

simulate          many repeats, beside studies that train every seed to its end
simulated_study   one study, played from its beginning or from its events
time_left         how long a study will still take, by playing its rest
made_up_curves    learning curves made up for a search space
recorded_curves   learning curves that a study recorded, completed
study_curves      the curves of a study as its board holds them
curves_file       these curves as one small file
"""
