"""Where a study lies, and who may write there.

study_folder   paths and files of a study; opening and creating one
local_studies  the studies in a folder of this machine, by name
related        studies that were made of another, found by its id
removal        takes a study away from its place
note           what a person notes on a study
lock           one driver at a time where machines share a disk: the operating system's lock
lease          one driver at a time on an object store: a file taken and renewed by conditional writes
working_copy   this machine's copy of a study on an object store: which of the two is newer, and catching up
mirror         a working copy sent to its object store in the background
"""
