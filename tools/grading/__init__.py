"""Assignments: build them from their masters, and grade what students send in.

`build` makes student notebooks and checks with Otter-Grader; `grade` runs a folder of submissions, each in a
`sandbox`, and writes a table and a report for each.
"""
