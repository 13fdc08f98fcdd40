-- Which Bailey writes here, in which form, and how far it has read each DAG's runs.
CREATE TABLE export_state (
    name text NOT NULL PRIMARY KEY,
    value text NOT NULL
)
