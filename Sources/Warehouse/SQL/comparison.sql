-- One comparison of a run in shadow with legacy's; those that a later one of the same run replaced are there too.
CREATE TABLE comparison (
    day date NOT NULL,
    part text NOT NULL,
    number bigint NOT NULL,
    pipeline text NOT NULL,
    entry text NOT NULL,
    run text NOT NULL,
    form text NOT NULL,
    verdict text NOT NULL,
    reason text,
    compared_at timestamp with time zone NOT NULL,
    ran_at timestamp with time zone,
    legacy_seconds double precision,
    shadow_seconds double precision,
    shadow_state text,
    is_replaced boolean NOT NULL,
    isolation text,
    uncompared_calls integer
)
