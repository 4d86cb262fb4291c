"""What assets/build_stand_in.py builds the stand-in body from.

Read in the order of the road: `source` (people from Anny), `skeleton` (where SMPL-X's joints are), `pose` (the T-pose),
`head` and `skin` (parts, weights, colours), `warp` (flesh to SMPL-X's bones), `clothes` (suit, cap, shoes), `joints`
(the joint regressor), `correctives`. Axes are SMPL-X's: x to the person's left, y up, z forward; metres.
"""
