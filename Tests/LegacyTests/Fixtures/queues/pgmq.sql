-- pgmq, its own SQL and a queue made by pgmq.create('mail'), as PostgreSQL dumps them.
CREATE SCHEMA pgmq;

CREATE TABLE pgmq.a_mail (
    msg_id bigint NOT NULL,
    read_ct integer DEFAULT 0 NOT NULL,
    enqueued_at timestamp with time zone DEFAULT now() NOT NULL,
    archived_at timestamp with time zone DEFAULT now() NOT NULL,
    vt timestamp with time zone NOT NULL,
    message jsonb,
    headers jsonb
);

CREATE TABLE pgmq.meta (
    queue_name character varying NOT NULL,
    is_partitioned boolean NOT NULL,
    is_unlogged boolean NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE pgmq.q_mail (
    msg_id bigint NOT NULL,
    read_ct integer DEFAULT 0 NOT NULL,
    enqueued_at timestamp with time zone DEFAULT now() NOT NULL,
    vt timestamp with time zone NOT NULL,
    message jsonb,
    headers jsonb
);

ALTER TABLE pgmq.q_mail ALTER COLUMN msg_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgmq.q_mail_msg_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE ONLY pgmq.a_mail
    ADD CONSTRAINT a_mail_pkey PRIMARY KEY (msg_id);

ALTER TABLE ONLY pgmq.meta
    ADD CONSTRAINT meta_queue_name_key UNIQUE (queue_name);

ALTER TABLE ONLY pgmq.q_mail
    ADD CONSTRAINT q_mail_pkey PRIMARY KEY (msg_id);

CREATE INDEX archived_at_idx_mail ON pgmq.a_mail USING btree (archived_at);

CREATE INDEX q_mail_vt_idx ON pgmq.q_mail USING btree (vt);

