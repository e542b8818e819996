"""Study files, typed: what is searched, on which recordings, with which budget, on which machines.

study_config       a study file, read and checked
study_checks       settings of a study that contradict each other
population_checks  a network for all beside those for some patients
study_parts        its parts: sampler, pruner, resources, which study it goes on from
other_words        words of other tools and short forms, read or told how to write them
overrides          settings given beside a study file, by dotted field
search_arguments   what may be said to each sampler and pruner, with bounds
search_space       which recipe fields vary, and the recipe at each point
space_checks       what is wrong with a search space, field by field
parameters         how one field varies: over a range or a list, under a condition
file_schemas       JSON Schemas of study files and recipes, for editors
resumption         what may change when a study is taken up again, and what may not
"""
