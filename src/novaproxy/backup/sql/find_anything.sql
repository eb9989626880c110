-- Whether there is any table, view, sequence or function in the database that no extension brought along.
SELECT EXISTS (
    SELECT FROM pg_class
    JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace
    WHERE pg_namespace.nspname <> 'information_schema' AND pg_namespace.nspname NOT LIKE 'pg\_%'
      AND NOT EXISTS (SELECT FROM pg_depend WHERE pg_depend.objid = pg_class.oid AND pg_depend.deptype = 'e')
) OR EXISTS (
    SELECT FROM pg_proc
    JOIN pg_namespace ON pg_namespace.oid = pg_proc.pronamespace
    WHERE pg_namespace.nspname <> 'information_schema' AND pg_namespace.nspname NOT LIKE 'pg\_%'
      AND NOT EXISTS (SELECT FROM pg_depend WHERE pg_depend.objid = pg_proc.oid AND pg_depend.deptype = 'e')
)
