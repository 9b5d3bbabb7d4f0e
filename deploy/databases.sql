-- Three databases on one server: Dagster's history, the queue of runs, and the warehouse's catalog.
create database dagster;
create database queue;
create database lake;
