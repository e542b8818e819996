"""A study and what belongs to it as tables for people. Nothing here changes a study.

leaderboard           configurations by mean score as a table, and what the numbers mean
leaderboard_columns   which columns there are, and what stands in each
chosen_columns        columns by the names that people give, and rows sorted by one
board_in_words        how configurations stand, which units failed, why there is no best one
searched_values       searched values as people write them
scored_on             of which cycles a study's scores are
special_points        the published point and the baseline among configurations
band_table            a ranking of mel bands, with frequencies
explained_cycle       a cycle's spectrogram with what an answer rests on, drawn and as a table
cross_fold_table      finalists on all folds of patients
which_configuration   the configuration that is meant: the best one, or one by its number
field_names             searched fields by short names
fitting_table           a table that is drawn in another way where it does not fit
table_formats           tables as Markdown, LaTeX, CSV and JSON
winner                how much too high the best score is, and what to expect instead
study_state           how a study stands, in a word and in a line
study_list            the studies of a place beside each other
shown_study           what a study is, in words
shown_configuration   one configuration: scores of its seeds, why it stopped, its recipe
compared_studies      two studies: winners, their difference, settings that differ
space_table           the fields that a study searches
status                who runs a study, what it did, and what it spent
notebook_figure       a figure of a study in a notebook's cell
paper_figures         the figures of a report as PDF and SVG
status_facts          how a study stands, as plain values
training_now          what trains at this moment, by epoch, score and loss
run_tables            curves and confusion matrices of one configuration as CSV
frames                a study as pandas tables, for Python
device_time           device time of each unit: kept and lost
markdown              texts and tables as Markdown, names and values to the letter
model_card            what networks are, what they are worth, and where they are not to be trusted
model_card_scores     the scores in a model card
model_card_facts      what a model card tells, as plain values
reading_table         what a reading of the test part came to
leak_table            how far choosing by the test part would have raised a score
published_scores      what papers print for the test parts, and how they came to it
ledger_table          who read the test part, and whether a line was altered
prediction_table      answers to recordings: table, CSV, JSON, Audacity's labels, pandas
spectral_figure       spectral responses of layers as SVG and CSV
confusion_table       a confusion matrix and the rates that follow from it
dataset_table         the cycles of a data set, and what of the published one is missing
study_plan            a study before it runs, as plain values
plan_table            a study before it runs, as tables and lines
simulation_table      what simulated studies cost and found
doctor_table          what works on a machine
gpu_sharing_table     how many units share a device best
page                  a study as one HTML file
plain_console         shows texts to the letter: no markup, and nothing that steers a terminal
"""
