"""What runs beside a GPU: one unit's training, and what its machine needs for it.

trainable       one unit as a Ray Tune trainable
unit_config     what a worker is told of a unit
step_result     what a step of a unit came to, as told to the driver
checkpoint      a unit's checkpoint in a folder or on an object store
unit_results    weights and predictions of a unit that trained to its end
training_origins  which devices and patients a recipe trains on, from annotations alone
prepared_data   features and folds, made once from recordings, and shared
local_data      these on the machine that trains: found, fetched, or made again
embedded_data   a frozen encoder's features of them, computed once
weights         pretrained weights on the machine that trains
gpu_facts       what NVIDIA's driver says of this machine's GPUs: mode, slices (MIG), MPS
visible_gpus    those of them that CUDA_VISIBLE_DEVICES shows to programs that are started here
leave_notice    whether units are to leave: this node is taken back, or the study pauses
machine_errors  errors of a machine that lacks what units need
"""
