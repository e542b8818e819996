"""A study's runs in MLflow: sending them from the driver, and serving them.

tracker          writes the events of a study to MLflow, in the background
runs             what each run shows, and the runs on the server
server           starts an MLflow server, for one study or for many
server_address   where a server listens, and the names to which it answers
server_database  where a server keeps its runs
server_users     who may log in
"""
