-- The months that fact tables have partitions for.
CREATE TABLE export_month (
    month date NOT NULL PRIMARY KEY
)
