-- What has been written, hour by hour and run by run, with the digest by which a change is noticed.
CREATE TABLE export_part (
    part text NOT NULL PRIMARY KEY,
    stream text NOT NULL,
    day date NOT NULL,
    digest text NOT NULL,
    row_count bigint NOT NULL
)
