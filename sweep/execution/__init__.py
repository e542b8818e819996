"""Ray on the driver's side: trains the units that the study starts, on this machine or on a cluster.

ray_session       Ray as one study uses it: started or joined, given its units, and left
ray_connection    the Ray of this process: how it starts, connects, ends, or is given up
ray_environment   what Ray and Tune read of the environment
this_machine      what this machine offers to units, as Ray counts it
ray_doors         who gets into that Ray: loopback, a token, a private folder
ray_watch         whether Ray's head and this machine's node are still there
tune_thread       runs the loop in a thread that can be left behind
tuner             the loop of a study: one Tune trial is one unit
searcher          hands out units as trials, and tells the study how each ended
brief_units       units that last less than a second, given to actors without a trial for each
hand_out          the unit that comes next, while there is room for one
unit_news         what a worker told of a unit, passed on to the study
scheduler         tells the study of each epoch, and stops units that the study gives up
pause             waits until the units of a halted study have saved themselves
unit_actors       the Ray actors of units: where each is set up, and which is killed as it gives no news
losses            why the worker of a unit is gone
nodes             Ray's nodes by name: which are there, where an actor runs, how a unit is kept off some
room              whether a machine has room for a unit, and what to set where it has none
slots             how many units fit on the nodes, as nodes come and go
drain             tells Ray that this node is about to go
head_file         where a driver is met by machines that come by themselves
head_proof        how such a driver proves that it lives, before it is sent its token
joined_node       this machine as a node of such a driver
joined_nodes      the machines that have joined it
worker_job        a batch job that goes from one driver of a study to the next
spot_notice       waits for a cloud to announce that it takes this machine back
errors            what the machines of a study cannot do
"""
