"""`make run`: the whole service with demo data on one machine.

`running` watches over PostgreSQL, the web service and the scheduler; `house` knows the
port, the data folder and the database; `filling` makes the demo data once; `people` are the
demo's members.
"""
