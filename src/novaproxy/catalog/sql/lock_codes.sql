-- Locks codes in id order, as the desk does: in another order the two could wait for each other in a circle.
SELECT id FROM discount_code WHERE lower(code COLLATE "C") = ANY ($1::text[]) ORDER BY id FOR NO KEY UPDATE
