-- One time in which nobody watched a source: what ran then may be missing.
CREATE TABLE gap (
    part text NOT NULL,
    source text NOT NULL,
    from_at timestamp with time zone NOT NULL,
    until_at timestamp with time zone NOT NULL,
    reason text NOT NULL
)
