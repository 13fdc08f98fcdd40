-- One pipeline as it is planned now.
CREATE TABLE pipeline (
    part text NOT NULL,
    pipeline text NOT NULL,
    name text NOT NULL,
    summary text NOT NULL,
    owner text NOT NULL,
    driver text,
    schedule text NOT NULL,
    timezone text NOT NULL,
    tasks integer NOT NULL
)
