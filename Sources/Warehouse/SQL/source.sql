-- One legacy system of the latest inventory.
CREATE TABLE source (
    part text NOT NULL,
    source text NOT NULL,
    kind text NOT NULL,
    system text NOT NULL,
    address text NOT NULL
)
