"""Independent ways to the same ΔW, and how far two of them may lie apart.

Each witness has a forward pass of its own and shares no formula with `reference_impl` or with
another witness: code that looks alike in two of these files stands apart on purpose. Importing
this package loads no framework; each witness loads its own when it is made.
"""
