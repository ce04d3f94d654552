"""Small public-format instances, written for these tests."""

# Two jobs of two operations on two machines, each operation on either machine.
FJSP = """\
2 2 2.0
2 2 1 3 2 5 1 2 4
2 1 1 4 2 1 2 2 6
"""
# The same routes without choice, and one set-up between the operations of machine 1.
FJSP_SDST = """\
2 2 1
2 1 1 3 1 2 4
2 1 1 4 1 2 6

0 0 5 0
0 0 0 0
2 0 0 0
0 0 0 0
0 0 0 0
0 0 0 0
0 0 0 0
0 0 0 0
"""
# A source, two activities of 3 and 2 that share a resource of 2, a sink.
PATTERSON = """\
4 1
2
0 0 2 2 3
3 2 1 4
2 1 1 4
0 0 0
"""
SM = """\
************************************************************************
file with basedata            : small.bas
************************************************************************
PRECEDENCE RELATIONS:
jobnr.    #modes  #successors   successors
   1        1          2           2   3
   2        1          1           4
   3        1          1           4
   4        1          0
************************************************************************
REQUESTS/DURATIONS:
jobnr. mode duration  R 1
------------------------------------------------------------------------
  1      1     0       0
  2      1     3       2
  3      1     2       1
  4      1     0       0
************************************************************************
RESOURCEAVAILABILITIES:
  R 1
    2
************************************************************************
"""
# Activity 2 starts at least 2 and at most 3 after activity 1; both need the one resource.
SCH = """\
2 1 0 0
0 1 1 1 [0]
1 1 2 2 3 [2] [2]
2 1 2 1 3 [-3] [4]
3 1 0
0 1 0 0
1 1 2 1
2 1 4 1
3 1 0 0
1
"""
