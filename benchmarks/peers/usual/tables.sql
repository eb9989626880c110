-- Plans and prices as rows: NovaProxy keeps them as one document a revision, and the usual code would not.
CREATE TABLE peer_plan AS
SELECT (plan ->> 'id')::bigint AS id, catalog_revision.id::bigint AS revision, plan ->> 'slug' AS slug,
       plan ->> 'name' AS name, plan ->> 'type' AS type, (plan ->> 'active')::boolean AS active,
       (plan ->> 'has_geo_targeting')::boolean AS has_geo_targeting,
       (plan ->> 'has_ip_whitelist')::boolean AS has_ip_whitelist,
       plan -> 'rotations' AS rotations, plan -> 'protocols' AS protocols,
       (plan ->> 'max_orders_per_account')::bigint AS max_orders_per_account
FROM catalog_revision, jsonb_array_elements(document -> 'plans') AS plan
WHERE catalog_revision.id = (SELECT max(id) FROM catalog_revision);

CREATE TABLE peer_tier AS
SELECT (tier ->> 'id')::bigint AS id, (plan ->> 'id')::bigint AS plan_id,
       (tier ->> 'bandwidth_gb')::bigint AS bandwidth_gb, (tier ->> 'price_per_gb_e4')::bigint AS price_per_gb_e4
FROM catalog_revision, jsonb_array_elements(document -> 'plans') AS plan, jsonb_array_elements(plan -> 'tiers') AS tier
WHERE catalog_revision.id = (SELECT max(id) FROM catalog_revision);

ALTER TABLE peer_plan ADD PRIMARY KEY (id), ADD UNIQUE (slug);
ALTER TABLE peer_tier ADD PRIMARY KEY (id), ADD FOREIGN KEY (plan_id) REFERENCES peer_plan (id);
CREATE INDEX peer_tier_plan ON peer_tier (plan_id, bandwidth_gb);
ANALYZE peer_plan;
ANALYZE peer_tier;
