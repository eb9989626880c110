-- Codes that were never sold get their lasting rows; known ones, also in another case, keep theirs.
INSERT INTO discount_code (code)
SELECT code FROM unnest($1::text[]) AS new (code)
ON CONFLICT (lower(code COLLATE "C")) DO NOTHING
