-- What was sold, each distinct price once: shops sell few things many times, so the rules run over few rows.
SELECT catalog_revision, plan_id, bandwidth_gb, CASE WHEN bandwidth_gb IS NULL THEN term END AS term,
       options::text AS options,
       discount_code_id, gross_cents, discount_cents, count(*) AS orders, min(uuid::text) AS example_uuid
FROM orders
GROUP BY catalog_revision, plan_id, bandwidth_gb, CASE WHEN bandwidth_gb IS NULL THEN term END, options::text,
         discount_code_id, gross_cents, discount_cents
