-- One way in which the two runs of a comparison differ: what sort, where, and the rule that hides it.
CREATE TABLE difference (
    day date NOT NULL,
    part text NOT NULL,
    comparison bigint NOT NULL,
    pipeline text NOT NULL,
    kind text NOT NULL,
    place text NOT NULL,
    hidden_by text
)
