-- Whether the whole books were audited in the last day, or in the last 15 minutes where they did not hold, by whatever
-- service. Asked behind the duty's lock, so that of two services one audits and the other one sees it. Without a mark
-- nothing that is new is audited: then it is due at once.
SELECT EXISTS (
    SELECT FROM audit_run
    WHERE form = 'whole' AND started_at > now() - CASE breaches WHEN 0 THEN interval '1 day' ELSE interval '15 minutes' END
) AND EXISTS (SELECT FROM audit_mark)
