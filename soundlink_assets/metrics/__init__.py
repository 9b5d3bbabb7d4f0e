"""Derived tables and checked rules as pure functions: rows in, rows out.

Here: which days are final (`final`), which rows break a rule (`evaluation`), the derived tables
(`country_efficiency`, `engagement`, `scorecards`) and how sure a figure is (`uncertainty`). Not
here: what tables, ratios and rules are (`schema`), when a table is computed (`assets`), and any
I/O.

Every ratio is a sum divided by a sum, of counts and money; a ratio that the provider published is
never read. A zero or null denominator gives null. A null count is unknown: a sum of nothing but
nulls is null, and a ratio adds up only the rows that have both its numerator and its denominator.
Sums are exact; one that its column cannot hold raises `aggregation.OutOfRangeError`.
"""
