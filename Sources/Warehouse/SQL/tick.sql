-- One time at which legacy's scheduler fired an entry, with the run that it made where that was seen.
CREATE TABLE tick (
    day date NOT NULL,
    part text NOT NULL,
    entry text NOT NULL,
    tick timestamp with time zone NOT NULL,
    fired_at timestamp with time zone NOT NULL,
    is_exact boolean NOT NULL,
    run text
)
