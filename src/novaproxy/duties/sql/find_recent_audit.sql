-- Whether the books were audited in the last 15 minutes, by whatever service. Asked behind the duty's lock, so that of two
-- services one audits and the other one sees it.
SELECT EXISTS (SELECT FROM audit_run WHERE started_at > now() - interval '15 minutes')
