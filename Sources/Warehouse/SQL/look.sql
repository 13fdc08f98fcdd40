SELECT version() AS version, current_setting('server_version_num') AS number, current_user AS who,
    current_database() AS name, pg_is_in_recovery() AS is_standby,
    EXISTS (SELECT 1 FROM pg_class WHERE relname = 'gp_segment_configuration'
        AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'pg_catalog')) AS has_segments,
    has_database_privilege(current_database(), 'CREATE') AS may_make_schema,
    has_database_privilege(current_database(), 'TEMPORARY') AS may_stage,
    n.oid IS NOT NULL AS has_schema,
    coalesce(has_schema_privilege(n.oid, 'CREATE'), false) AS may_make_tables,
    coalesce(has_schema_privilege(n.oid, 'USAGE'), false) AS may_use
FROM (SELECT 1 AS one) AS one LEFT JOIN pg_namespace n ON n.nspname = $1
