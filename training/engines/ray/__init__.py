"""The engine `ray`: processes on the nodes of a Ray cluster, through Ray Train.

cluster   connects to a cluster or starts one, and notices when it is gone
checkout  the checkout as Ray's working_dir, so that each node runs this code
policy    which failures are worth a restart, and with how many processes
worker    one process of the training
driver    the stage's process, which starts them and waits
"""
