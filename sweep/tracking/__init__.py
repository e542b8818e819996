"""A study's runs in MLflow: sending them from the driver, and serving them.

tracker          the driver's side: sends the events of a study to the writer
messages         what driver and writer tell each other
writer_process   starts the process of the writer, and ends it
writer_main      that process: hears the driver, and ends with the driver
writer           writes the events to MLflow in batches, and asks again while a server is away
client_limits    how long an answer of a server is waited for
client_log_in    to which server name and password are sent
sqlite_uri       the address of a database in a folder of any name
run_updates      what each run shows, decided without a server
runs             the runs on the server
parameters       settings under names that MLflow takes
models           the networks of the best configuration as MLflow models, and files
experiments      which experiment has a study's runs, also after it was renamed
shared_view      how MLflow's page shows a study, and at which address
moved_runs       the database of a study that was renamed
one_transaction  many requests as one transaction of a study's own database
server           starts an MLflow server, for one study or for many
server_address   where a server listens, and the names to which it answers
server_database  where a server keeps its runs
server_users     who may log in
"""
