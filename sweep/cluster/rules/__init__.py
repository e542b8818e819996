"""Rules: generators of findings about a cluster file, held against its surroundings.

schema        what Ray refuses
secrets       keys, tokens and passwords
versions      packages, images and Pythons
auth          Ray's token
ports         who reaches the cluster
storage       folders that head and workers share
mlflow        the MLflow server
resources     CPUs and GPUs
scaling       machines that come, go, and may be taken away
placeholders  what is to be filled in
ssh           addresses and key (`ray up`)
files         what is sent to the cluster (`ray up`)
kuberay       how a RayJob runs and ends
batch         how a SLURM job ends
"""
