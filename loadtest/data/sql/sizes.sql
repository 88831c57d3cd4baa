-- Rows and bytes of each table, all partitions of one together, the largest first.
SELECT table_name, sum(rows)::bigint AS rows, sum(heap)::bigint AS heap_bytes,
       sum(indexes)::bigint AS index_bytes, sum(toast)::bigint AS toast_bytes
FROM (
    SELECT coalesce(parent.relname, child.relname) AS table_name,
           greatest(0, child.reltuples) AS rows,
           pg_relation_size(child.oid) AS heap,
           pg_indexes_size(child.oid) AS indexes,
           CASE WHEN child.reltoastrelid = 0 THEN 0
                ELSE pg_total_relation_size(child.reltoastrelid) END AS toast
    FROM pg_class AS child
    LEFT JOIN pg_inherits ON inhrelid = child.oid
    LEFT JOIN pg_class AS parent ON parent.oid = inhparent
    WHERE child.relkind = 'r' AND child.relnamespace = 'public'::regnamespace
) AS tables
GROUP BY table_name
ORDER BY sum(heap + indexes + toast) DESC, table_name
