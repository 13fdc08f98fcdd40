-- One line of the journal; owner says whose the ticks or jobs are from then on, where the line changed it.
CREATE TABLE journal (
    day date NOT NULL,
    part text NOT NULL,
    number bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    pipeline text NOT NULL,
    operation text NOT NULL,
    token text NOT NULL,
    step text NOT NULL,
    phase text NOT NULL,
    done_by text NOT NULL,
    owner text
)
