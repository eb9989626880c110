-- Puts the same passwords under another key ($3), behind the orders' locks; nothing that a buyer sees changes.
UPDATE orders
SET password_sealed = new.password_sealed, sealing_key_id = $3
FROM unnest($1::bigint[], $2::bytea[]) AS new (id, password_sealed)
WHERE orders.id = new.id
