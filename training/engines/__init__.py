"""Engines: where the processes of a training run. Each calls the same `Work` in every process.

local     this machine: Lightning starts the processes
torchrun  the nodes that torchrun or srun have started, or one agent of torchrun per node, which this starts
ray       a Ray cluster, through Ray Train
"""
