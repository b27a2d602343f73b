"""Flow: from chains of tasks to the nodes and places of a net."""
