SELECT id, round, ended_at IS NOT NULL AS has_ended, is_lost FROM gateway WHERE uuid = $1
