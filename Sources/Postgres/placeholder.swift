// room Postgres
