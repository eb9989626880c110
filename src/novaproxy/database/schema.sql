-- The schema that all migrations together make. Written by tests/database/write_schema.py; not run by anything.

CREATE TYPE public.written_order AS (
	uuid uuid,
	account_id bigint,
	plan_id bigint,
	status text,
	gross_cents bigint,
	discount_cents bigint,
	net_cents bigint,
	discount_code_id bigint,
	bandwidth_gb integer,
	term text,
	options json,
	idempotency_key text,
	request_hash bytea,
	username text,
	password_sealed bytea,
	sealing_key_id smallint,
	expires_at timestamp with time zone,
	version bigint,
	balance_after_cents bigint
);

CREATE FUNCTION public.end_gateway(of_gateway bigint, at timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
BEGIN
    PERFORM FROM meter JOIN lease ON lease.order_id = meter.order_id
    WHERE lease.gateway_id = of_gateway ORDER BY meter.order_id FOR NO KEY UPDATE OF meter;
    UPDATE meter SET leased_bytes = meter.leased_bytes - lease.leased_bytes
    FROM lease WHERE lease.gateway_id = of_gateway AND lease.order_id = meter.order_id AND lease.leased_bytes > 0;
    DELETE FROM lease WHERE lease.gateway_id = of_gateway;
    UPDATE gateway SET ended_at = at, seen_at = GREATEST(seen_at, at) WHERE gateway.id = of_gateway;
END
$$;

CREATE FUNCTION public.exhaust_orders(order_ids bigint[], at timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
DECLARE
    used_up bigint[];
BEGIN
    used_up := ARRAY(
        SELECT meter.order_id FROM meter
        WHERE meter.order_id = ANY (order_ids) AND meter.consumed_bytes = meter.initial_bytes);
    IF used_up = '{}' THEN
        RETURN;
    END IF;
    used_up := ARRAY(
        SELECT orders.id FROM orders
        WHERE orders.id = ANY (used_up) AND orders.status = 'active' AND (orders.expires_at IS NULL OR orders.expires_at > at)
        ORDER BY orders.id
        FOR NO KEY UPDATE SKIP LOCKED);
    UPDATE orders SET status = 'exhausted', updated_at = at WHERE orders.id = ANY (used_up);
    INSERT INTO order_move (account_id, order_id, from_status, to_status, cause, actor, created_at)
    SELECT orders.account_id, orders.id, 'active', 'exhausted', 'every byte is used', 'gateway', at
    FROM orders WHERE orders.id = ANY (used_up)
    ORDER BY orders.id;
END
$$;

CREATE FUNCTION public.load_order_batch(token_hashes bytea[], keys text[], codes text[]) RETURNS TABLE(slot bigint, decided_at timestamp with time zone, revision integer, catalog_applied_at timestamp with time zone, account_id bigint, balance_cents bigint, ledger_version bigint, plan_ids bigint[], plan_orders bigint[], key_order_uuid uuid, key_request_hash bytea, code_id bigint, code_uses bigint, account_code_uses bigint)
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
DECLARE
    after_the_wait timestamptz;
    current_revision integer;
    current_applied_at timestamptz;
    locked_accounts bigint[];
BEGIN
    locked_accounts := ARRAY(
        SELECT account.id FROM account
        WHERE account.id = ANY (ARRAY(SELECT api_token.account_id FROM api_token
                                      WHERE api_token.token_hash = ANY (token_hashes) AND api_token.revoked_at IS NULL))
        ORDER BY account.id
        FOR NO KEY UPDATE);

    PERFORM FROM discount_code
    WHERE lower(discount_code.code COLLATE "C") = ANY (codes)
      AND discount_code.id <= (SELECT max(scarce.id) FROM discount_code AS scarce
                               WHERE lower(scarce.code COLLATE "C") = ANY (codes)
                                 AND scarce.use_ceiling - scarce.uses < 1000)
    ORDER BY discount_code.id
    FOR NO KEY UPDATE;

    after_the_wait := clock_timestamp();
    SELECT catalog_revision.id, catalog_revision.created_at INTO current_revision, current_applied_at
    FROM catalog_revision
    ORDER BY catalog_revision.id DESC
    LIMIT 1;

    RETURN QUERY
    SELECT ask.slot, after_the_wait, current_revision, current_applied_at,
           account.id, account.balance_cents, account.ledger_version,
           ARRAY(SELECT account_plan.plan_id FROM account_plan
                 WHERE account_plan.account_id = account.id ORDER BY account_plan.plan_id),
           ARRAY(SELECT account_plan.orders FROM account_plan
                 WHERE account_plan.account_id = account.id ORDER BY account_plan.plan_id),
           earlier.uuid, earlier.request_hash,
           discount_code.id, discount_code.uses, COALESCE(account_code.uses, 0)
    FROM unnest(token_hashes, keys, codes) WITH ORDINALITY AS ask (token_hash, key, code, slot)
    LEFT JOIN api_token ON api_token.token_hash = ask.token_hash AND api_token.revoked_at IS NULL
    LEFT JOIN account ON account.id = api_token.account_id AND account.status = 'active'
                     AND account.id = ANY (locked_accounts)
    LEFT JOIN LATERAL (SELECT orders.uuid, orders.request_hash
                       FROM orders
                       WHERE orders.account_id = account.id AND orders.idempotency_key = ask.key
                       LIMIT 1) AS earlier ON true
    LEFT JOIN discount_code ON lower(discount_code.code COLLATE "C") = ask.code
    LEFT JOIN account_code ON account_code.account_id = account.id AND account_code.code_id = discount_code.id;
END
$$;

CREATE FUNCTION public.lose_gateway(of_gateway bigint) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
DECLARE
    charged bigint[];
    after_the_wait timestamptz;
BEGIN
    PERFORM FROM gateway WHERE gateway.id = of_gateway AND gateway.ended_at IS NULL FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM FROM meter
    WHERE meter.order_id = ANY (ARRAY(SELECT lease.order_id FROM lease WHERE lease.gateway_id = of_gateway))
    ORDER BY meter.order_id FOR NO KEY UPDATE;
    after_the_wait := clock_timestamp();

    charged := ARRAY(SELECT lease.order_id FROM lease WHERE lease.gateway_id = of_gateway AND lease.leased_bytes > 0);
    INSERT INTO lost_lease (gateway_id, order_id, account_id, bytes, charged_at)
    SELECT of_gateway, lease.order_id, lease.account_id, lease.leased_bytes, after_the_wait
    FROM lease WHERE lease.gateway_id = of_gateway AND lease.leased_bytes > 0
    ORDER BY lease.order_id;
    INSERT INTO usage_hour AS hour (order_id, hour, account_id, lost_bytes)
    SELECT lease.order_id, date_trunc('hour', after_the_wait, 'UTC'), lease.account_id, lease.leased_bytes
    FROM lease WHERE lease.gateway_id = of_gateway AND lease.leased_bytes > 0
    ON CONFLICT (order_id, hour) DO UPDATE SET lost_bytes = hour.lost_bytes + EXCLUDED.lost_bytes;
    UPDATE meter
    SET consumed_bytes = meter.consumed_bytes + lease.leased_bytes, leased_bytes = meter.leased_bytes - lease.leased_bytes
    FROM lease WHERE lease.gateway_id = of_gateway AND lease.order_id = meter.order_id AND lease.leased_bytes > 0;
    DELETE FROM lease WHERE lease.gateway_id = of_gateway;
    UPDATE gateway SET ended_at = GREATEST(after_the_wait, seen_at), is_lost = true WHERE gateway.id = of_gateway;
    PERFORM exhaust_orders(charged, after_the_wait);
    RETURN true;
END
$$;

CREATE FUNCTION public.refuse_rewriting() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION '% rows are only ever inserted', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE FUNCTION public.settle_round(of_gateway bigint, number bigint, ends boolean, order_ids bigint[], ups bigint[], downs bigint[], connection_counts bigint[], wanted bigint[], opens boolean[], closes boolean[], wished_rates bigint[], asked_rates bigint[], speeds bigint[], open_tunnels integer[], wanted_tunnels integer[], tunnel_limits integer[], refusal_number bigint, refused_orders bigint[], reasons text[], refusal_counts bigint[], least_grant bigint) RETURNS TABLE(standing text, order_id bigint, is_here boolean, is_metered boolean, is_sold boolean, is_exhausted boolean, leased_bytes bigint, free_bytes bigint, tunnels integer, bytes_per_second bigint)
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
DECLARE
    own gateway;
    after_the_wait timestamptz;
    this_hour timestamptz;
BEGIN
    SELECT * INTO own FROM gateway WHERE gateway.id = of_gateway FOR NO KEY UPDATE;
    IF own.id IS NULL OR own.ended_at IS NOT NULL THEN
        RETURN QUERY SELECT 'ended', NULL::bigint, false, false, false, false, NULL::bigint, NULL::bigint, 0, 0::bigint;
        RETURN;
    ELSIF own.round >= number THEN
        RETURN QUERY SELECT 'late', NULL::bigint, false, false, false, false, NULL::bigint, NULL::bigint, 0, 0::bigint;
        RETURN;
    END IF;

    PERFORM FROM meter WHERE meter.order_id = ANY (order_ids) ORDER BY meter.order_id FOR NO KEY UPDATE;
    after_the_wait := clock_timestamp();
    this_hour := date_trunc('hour', after_the_wait, 'UTC');

    IF EXISTS (
        SELECT FROM unnest(order_ids, ups, downs, connection_counts) AS told (order_id, up, down, connections)
        JOIN lease ON lease.gateway_id = of_gateway AND lease.order_id = told.order_id
        JOIN meter ON meter.order_id = told.order_id
        WHERE told.up < lease.up_bytes OR told.down < lease.down_bytes OR told.connections < lease.connections
           OR (meter.initial_bytes IS NOT NULL
               AND told.up + told.down - lease.up_bytes - lease.down_bytes > lease.leased_bytes)
    ) THEN
        RETURN QUERY SELECT 'wrong', NULL::bigint, false, false, false, false, NULL::bigint, NULL::bigint, 0, 0::bigint;
        RETURN;
    END IF;

    INSERT INTO lease (gateway_id, order_id, account_id)
    SELECT of_gateway, meter.order_id, meter.account_id
    FROM unnest(order_ids, opens) AS told (order_id, opens)
    JOIN meter ON meter.order_id = told.order_id
    WHERE told.opens
    ON CONFLICT DO NOTHING;

    WITH told AS (
        SELECT * FROM unnest(order_ids, ups, downs, connection_counts, wanted, closes, wished_rates, asked_rates, speeds,
                             open_tunnels, wanted_tunnels, tunnel_limits)
            AS told (order_id, up, down, connections, wanted, closes, wished_rate, asked_rate, speed, open_tunnels, wanted_tunnels, tunnel_limit)
    ), counted AS (
        SELECT told.*, meter.account_id, meter.initial_bytes,
               told.up - lease.up_bytes AS new_up, told.down - lease.down_bytes AS new_down,
               told.connections - lease.connections AS new_connections, lease.leased_bytes AS lent,
               -- Null where the order is unmetered.
               meter.initial_bytes - meter.consumed_bytes - meter.leased_bytes AS free,
               orders.status = 'active' AND (orders.expires_at IS NULL OR orders.expires_at > after_the_wait)
                   AND account.status = 'active' AS is_sold
        FROM told
        JOIN lease ON lease.gateway_id = of_gateway AND lease.order_id = told.order_id
        JOIN meter ON meter.order_id = told.order_id
        JOIN orders ON orders.id = told.order_id
        JOIN account ON account.id = orders.account_id
    ), kept AS (
        -- What of the lease has not passed, less what is not wanted any more.
        SELECT counted.*, CASE WHEN initial_bytes IS NULL THEN 0 ELSE lent - new_up - new_down END AS unspent,
               CASE WHEN initial_bytes IS NULL OR closes THEN 0 ELSE LEAST(lent - new_up - new_down, wanted) END AS kept
        FROM counted
    ), granted AS (
        -- At most a quarter of what nobody has, so that each gateway gets some of it; the last bytes all at once.
        SELECT kept.*,
               CASE WHEN initial_bytes IS NULL OR NOT is_sold OR closes THEN 0
                    ELSE GREATEST(0, LEAST(wanted - kept, GREATEST((free + unspent - kept) / 4, least_grant),
                                           free + unspent - kept)) END AS granted
        FROM kept
    ), metered AS (
        UPDATE meter
        SET consumed_bytes = meter.consumed_bytes + granted.new_up + granted.new_down,
            leased_bytes = meter.leased_bytes - granted.lent + granted.kept + granted.granted
        FROM granted
        WHERE meter.order_id = granted.order_id
          AND (granted.new_up + granted.new_down > 0 OR granted.kept + granted.granted <> granted.lent)
    ), used AS (
        INSERT INTO usage_hour AS hour (order_id, hour, account_id, up_bytes, down_bytes, connections)
        SELECT order_id, this_hour, account_id, new_up, new_down, new_connections
        FROM granted
        WHERE new_up <> 0 OR new_down <> 0 OR new_connections <> 0
        ON CONFLICT (order_id, hour) DO UPDATE
        SET up_bytes = hour.up_bytes + EXCLUDED.up_bytes, down_bytes = hour.down_bytes + EXCLUDED.down_bytes,
            connections = hour.connections + EXCLUDED.connections
    ), closed AS (
        DELETE FROM lease USING granted
        WHERE lease.gateway_id = of_gateway AND lease.order_id = granted.order_id AND granted.closes
    )
    UPDATE lease
    SET up_bytes = granted.up, down_bytes = granted.down, connections = granted.connections,
        leased_bytes = granted.kept + granted.granted, wished_per_second = granted.wished_rate,
        bytes_per_second = COALESCE(
            share_of_speed(of_gateway, granted.order_id, granted.wished_rate, granted.asked_rate, granted.speed,
                           after_the_wait), 0),
        tunnels = CASE WHEN granted.tunnel_limit IS NULL THEN granted.open_tunnels
                       ELSE GREATEST(granted.open_tunnels, LEAST(granted.wanted_tunnels, granted.tunnel_limit - (
                           SELECT COALESCE(sum(other.tunnels), 0)::integer
                           FROM lease AS other
                           JOIN gateway ON gateway.id = other.gateway_id AND gateway.ended_at IS NULL
                           WHERE other.order_id = granted.order_id AND other.gateway_id <> of_gateway))) END
    FROM granted
    WHERE lease.gateway_id = of_gateway AND lease.order_id = granted.order_id AND NOT granted.closes;

    IF refusal_number > own.refusal_batch THEN
        INSERT INTO usage_refusal AS hour (order_id, hour, reason, account_id, refusals)
        SELECT orders.id, this_hour, refused.reason, orders.account_id, refused.refusals
        FROM unnest(refused_orders, reasons, refusal_counts) AS refused (order_id, reason, refusals)
        JOIN orders ON orders.id = refused.order_id
        ORDER BY orders.id, refused.reason
        ON CONFLICT (order_id, hour, reason) DO UPDATE SET refusals = hour.refusals + EXCLUDED.refusals;
    END IF;

    PERFORM exhaust_orders(order_ids, after_the_wait);

    UPDATE gateway
    SET round = number, seen_at = GREATEST(seen_at, after_the_wait),
        refusal_batch = GREATEST(refusal_batch, refusal_number)
    WHERE gateway.id = of_gateway;
    IF ends THEN
        PERFORM end_gateway(of_gateway, after_the_wait);
    END IF;

    RETURN QUERY SELECT 'open', NULL::bigint, false, false, false, false, NULL::bigint, NULL::bigint, 0, 0::bigint;
    RETURN QUERY
    SELECT 'open', meter.order_id, lease.order_id IS NOT NULL, meter.initial_bytes IS NOT NULL,
           orders.status = 'active' AND (orders.expires_at IS NULL OR orders.expires_at > after_the_wait)
               AND account.status = 'active',
           COALESCE(meter.consumed_bytes = meter.initial_bytes, false),
           COALESCE(lease.leased_bytes, 0), meter.initial_bytes - meter.consumed_bytes - meter.leased_bytes,
           COALESCE(lease.tunnels, 0), COALESCE(lease.bytes_per_second, 0)
    FROM unnest(order_ids) AS told (order_id)
    JOIN meter ON meter.order_id = told.order_id
    JOIN orders ON orders.id = told.order_id
    JOIN account ON account.id = orders.account_id
    LEFT JOIN lease ON lease.gateway_id = of_gateway AND lease.order_id = told.order_id;
END
$$;

CREATE FUNCTION public.share_of_speed(of_gateway bigint, of_order bigint, wished bigint, asked bigint, speed bigint, at timestamp with time zone) RETURNS bigint
    LANGUAGE sql STABLE STRICT
    AS $$
    WITH others AS (
        SELECT lease.wished_per_second AS wished, lease.bytes_per_second AS has
        FROM lease
        JOIN gateway ON gateway.id = lease.gateway_id AND gateway.ended_at IS NULL
            AND gateway.seen_at > at - interval '10 seconds'
        WHERE lease.order_id = of_order AND lease.gateway_id <> of_gateway
    ), wishes AS (
        SELECT others.wished FROM others UNION ALL SELECT share_of_speed.wished
    ), parts AS (
        -- Who wishes less than an equal part gets his wish, and the rest is parted among the others.
        SELECT (speed - COALESCE(sum(wishes.wished) OVER (
                   ORDER BY wishes.wished ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0))
               / (count(*) OVER () - row_number() OVER (ORDER BY wishes.wished) + 1) AS part
        FROM wishes
    )
    SELECT GREATEST(0, LEAST(
        asked,
        GREATEST(LEAST(share_of_speed.wished, (SELECT max(part) FROM parts)), speed - COALESCE(sum(others.wished), 0)),
        speed - COALESCE(sum(others.has), 0)
    ))::bigint
    FROM others
$$;

CREATE TABLE public.account (
    id bigint NOT NULL,
    uuid uuid NOT NULL,
    kind text NOT NULL,
    email text,
    email_key text,
    name text NOT NULL,
    status text DEFAULT 'active'::text NOT NULL,
    balance_cents bigint,
    ledger_version bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT account_balance_cents_check CHECK (((balance_cents >= 0) AND (balance_cents <= '999999999999'::bigint))),
    CONSTRAINT account_email_check CHECK (((length(email) >= 3) AND (length(email) <= 254))),
    CONSTRAINT account_house_has_no_balance CHECK (((kind = 'customer'::text) = (balance_cents IS NOT NULL))),
    CONSTRAINT account_house_has_no_email CHECK (((kind = 'customer'::text) = ((email IS NOT NULL) AND (email_key IS NOT NULL)))),
    CONSTRAINT account_kind_check CHECK ((kind = ANY (ARRAY['customer'::text, 'house'::text]))),
    CONSTRAINT account_ledger_version_check CHECK ((ledger_version >= 0)),
    CONSTRAINT account_name_check CHECK ((length(name) <= 200)),
    CONSTRAINT account_status_check CHECK ((status = ANY (ARRAY['active'::text, 'suspended'::text])))
)
WITH (fillfactor='70');

COMMENT ON COLUMN public.account.email_key IS 'The e-mail folded to one case: no two accounts differ by case alone.';

CREATE TABLE public.account_code (
    account_id bigint NOT NULL,
    code_id bigint NOT NULL,
    uses bigint NOT NULL,
    CONSTRAINT account_code_uses_check CHECK ((uses >= 0))
)
WITH (fillfactor='70');

ALTER TABLE public.account ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.account_id_seq
    START WITH 1001
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.account_move (
    id bigint NOT NULL,
    account_id bigint NOT NULL,
    from_status text NOT NULL,
    to_status text NOT NULL,
    cause text NOT NULL,
    actor text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT account_move_cause_check CHECK (((length(cause) >= 1) AND (length(cause) <= 500))),
    CONSTRAINT account_move_is_legal CHECK ((((from_status = 'active'::text) AND (to_status = 'suspended'::text)) OR ((from_status = 'suspended'::text) AND (to_status = 'active'::text))))
);

ALTER TABLE public.account_move ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.account_move_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.account_plan (
    account_id bigint NOT NULL,
    plan_id bigint NOT NULL,
    orders bigint NOT NULL,
    CONSTRAINT account_plan_orders_check CHECK ((orders >= 0))
)
WITH (fillfactor='70');

COMMENT ON COLUMN public.account_plan.orders IS 'Orders that count against the plan''s limit: all but failed and invoice_expired.';

CREATE TABLE public.api_token (
    id bigint NOT NULL,
    account_id bigint NOT NULL,
    name text NOT NULL,
    token_hash bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    revoked_at timestamp with time zone,
    CONSTRAINT api_token_name_check CHECK (((length(name) >= 1) AND (length(name) <= 100))),
    CONSTRAINT api_token_token_hash_check CHECK ((length(token_hash) = 32))
);

COMMENT ON COLUMN public.api_token.token_hash IS 'SHA-256 of the token; the token itself is kept nowhere.';

ALTER TABLE public.api_token ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.api_token_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.audit_mark (
    is_only boolean DEFAULT true NOT NULL,
    order_id bigint NOT NULL,
    order_move_id bigint NOT NULL,
    transfer_id bigint NOT NULL,
    account_move_id bigint NOT NULL,
    marked_at timestamp with time zone NOT NULL,
    CONSTRAINT audit_mark_is_only_check CHECK (is_only)
);

CREATE TABLE public.audit_run (
    id bigint NOT NULL,
    started_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone NOT NULL,
    findings jsonb NOT NULL,
    breaches bigint NOT NULL,
    form text DEFAULT 'whole'::text NOT NULL,
    covered jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT audit_run_breaches_check CHECK ((breaches >= 0)),
    CONSTRAINT audit_run_check CHECK ((finished_at >= started_at)),
    CONSTRAINT audit_run_form_check CHECK ((form = ANY (ARRAY['whole'::text, 'new'::text])))
);

COMMENT ON COLUMN public.audit_run.findings IS 'The breaches counted of each invariant, by its id: {"M1": 0, ...}.';

COMMENT ON COLUMN public.audit_run.covered IS 'What the run looked at: {"orders": 1000, "accounts": 950, "entries": 1000}; of a whole one {}.';

ALTER TABLE public.audit_run ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.audit_run_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.catalog_revision (
    id integer NOT NULL,
    document jsonb NOT NULL,
    actor text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT catalog_revision_id_check CHECK ((id > 0))
);

CREATE TABLE public.discount_code (
    id bigint NOT NULL,
    code text NOT NULL,
    uses bigint DEFAULT 0 NOT NULL,
    use_ceiling bigint,
    CONSTRAINT discount_code_code_check CHECK ((code ~ '^[A-Za-z0-9_-]{1,64}$'::text)),
    CONSTRAINT discount_code_uses_check CHECK ((uses >= 0)),
    CONSTRAINT discount_code_within_ceiling CHECK ((uses <= use_ceiling))
)
WITH (fillfactor='70');

COMMENT ON COLUMN public.discount_code.use_ceiling IS 'max_uses, or the uses so far where max_uses was lowered below them; null is no limit. The last guard behind the rule.';

ALTER TABLE public.discount_code ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.discount_code_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.gateway (
    id bigint NOT NULL,
    uuid uuid NOT NULL,
    host text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    is_lost boolean DEFAULT false NOT NULL,
    round bigint DEFAULT 0 NOT NULL,
    refusal_batch bigint DEFAULT 0 NOT NULL,
    CONSTRAINT gateway_host_check CHECK (((length(host) >= 1) AND (length(host) <= 255))),
    CONSTRAINT gateway_lost_has_ended CHECK (((NOT is_lost) OR (ended_at IS NOT NULL))),
    CONSTRAINT gateway_seen_since_start CHECK ((seen_at >= started_at))
);

COMMENT ON COLUMN public.gateway.uuid IS 'Stands in the counter file too, and in no other one.';

COMMENT ON COLUMN public.gateway.round IS 'The number of the last round that was settled: an older one that arrives late is refused.';

COMMENT ON COLUMN public.gateway.refusal_batch IS 'The number of the last refusals that were counted: the same ones are counted once.';

ALTER TABLE public.gateway ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.gateway_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.lease (
    gateway_id bigint NOT NULL,
    order_id bigint NOT NULL,
    account_id bigint NOT NULL,
    leased_bytes bigint DEFAULT 0 NOT NULL,
    up_bytes bigint DEFAULT 0 NOT NULL,
    down_bytes bigint DEFAULT 0 NOT NULL,
    connections bigint DEFAULT 0 NOT NULL,
    tunnels integer DEFAULT 0 NOT NULL,
    bytes_per_second bigint DEFAULT 0 NOT NULL,
    wished_per_second bigint DEFAULT 0 NOT NULL,
    CONSTRAINT lease_bytes_per_second_check CHECK ((bytes_per_second >= 0)),
    CONSTRAINT lease_connections_check CHECK ((connections >= 0)),
    CONSTRAINT lease_down_bytes_check CHECK ((down_bytes >= 0)),
    CONSTRAINT lease_leased_bytes_check CHECK ((leased_bytes >= 0)),
    CONSTRAINT lease_tunnels_check CHECK ((tunnels >= 0)),
    CONSTRAINT lease_up_bytes_check CHECK ((up_bytes >= 0)),
    CONSTRAINT lease_wished_per_second_check CHECK ((wished_per_second >= 0))
)
WITH (fillfactor='70');

COMMENT ON COLUMN public.lease.leased_bytes IS 'Reserved on the meter and not yet counted; 0 where the order is unmetered.';

COMMENT ON COLUMN public.lease.up_bytes IS 'Settled so far, of what the counter file has counted from the client.';

COMMENT ON COLUMN public.lease.tunnels IS 'Open now, against the order''s limit of tunnels at once.';

COMMENT ON COLUMN public.lease.bytes_per_second IS 'Its share of a limited speed; all of an order together are at most what was sold.';

COMMENT ON COLUMN public.lease.wished_per_second IS 'How much of a limited speed the others are to leave it.';

CREATE TABLE public.lost_lease (
    id bigint NOT NULL,
    gateway_id bigint NOT NULL,
    order_id bigint NOT NULL,
    account_id bigint NOT NULL,
    bytes bigint NOT NULL,
    charged_at timestamp with time zone NOT NULL,
    CONSTRAINT lost_lease_bytes_check CHECK ((bytes > 0))
);

ALTER TABLE public.lost_lease ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.lost_lease_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.meter (
    order_id bigint NOT NULL,
    account_id bigint NOT NULL,
    initial_bytes bigint,
    consumed_bytes bigint DEFAULT 0 NOT NULL,
    leased_bytes bigint DEFAULT 0 NOT NULL,
    CONSTRAINT meter_consumed_bytes_check CHECK ((consumed_bytes >= 0)),
    CONSTRAINT meter_initial_bytes_check CHECK ((initial_bytes > 0)),
    CONSTRAINT meter_leased_bytes_check CHECK ((leased_bytes >= 0)),
    CONSTRAINT meter_within_initial CHECK (((consumed_bytes + leased_bytes) <= initial_bytes))
)
WITH (fillfactor='70');

COMMENT ON COLUMN public.meter.initial_bytes IS 'What was bought; null: unmetered.';

CREATE TABLE public.order_move (
    id bigint NOT NULL,
    account_id bigint NOT NULL,
    order_id bigint NOT NULL,
    from_status text NOT NULL,
    to_status text NOT NULL,
    cause text NOT NULL,
    actor text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT order_move_has_cause CHECK (((length(cause) >= 1) AND (length(cause) <= 500))),
    CONSTRAINT order_move_is_legal CHECK (((((((((((((((from_status = 'awaiting_payment'::text) AND (to_status = 'pending'::text)) OR ((from_status = 'awaiting_payment'::text) AND (to_status = 'active'::text))) OR ((from_status = 'awaiting_payment'::text) AND (to_status = 'invoice_expired'::text))) OR ((from_status = 'pending'::text) AND (to_status = 'active'::text))) OR ((from_status = 'pending'::text) AND (to_status = 'failed'::text))) OR ((from_status = 'active'::text) AND (to_status = 'inactive'::text))) OR ((from_status = 'active'::text) AND (to_status = 'expired'::text))) OR ((from_status = 'active'::text) AND (to_status = 'exhausted'::text))) OR ((from_status = 'inactive'::text) AND (to_status = 'active'::text))) OR ((from_status = 'inactive'::text) AND (to_status = 'expired'::text))) OR ((from_status = 'expired'::text) AND (to_status = 'active'::text))) OR ((from_status = 'exhausted'::text) AND (to_status = 'active'::text))) OR ((from_status = 'exhausted'::text) AND (to_status = 'expired'::text))))
);

ALTER TABLE public.order_move ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.order_move_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.orders (
    id bigint NOT NULL,
    uuid uuid NOT NULL,
    account_id bigint NOT NULL,
    plan_id bigint NOT NULL,
    catalog_revision integer NOT NULL,
    status text NOT NULL,
    gross_cents bigint NOT NULL,
    discount_cents bigint NOT NULL,
    net_cents bigint NOT NULL,
    discount_code_id bigint,
    bandwidth_gb integer,
    term text,
    options json DEFAULT '[]'::json NOT NULL,
    idempotency_key text,
    request_hash bytea,
    username text,
    password_sealed bytea,
    sealing_key_id smallint,
    expires_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT orders_bandwidth_gb_check CHECK (((bandwidth_gb >= 1) AND (bandwidth_gb <= 8388608))),
    CONSTRAINT orders_credentials_fit_status CHECK (
CASE
    WHEN (status = ANY (ARRAY['awaiting_payment'::text, 'pending'::text, 'invoice_expired'::text])) THEN (username IS NULL)
    WHEN (status = 'failed'::text) THEN true
    ELSE (username IS NOT NULL)
END),
    CONSTRAINT orders_credentials_whole CHECK ((num_nulls(username, password_sealed, sealing_key_id) = ANY (ARRAY[0, 3]))),
    CONSTRAINT orders_discount_cents_check CHECK ((discount_cents >= 0)),
    CONSTRAINT orders_discount_has_code CHECK (((discount_cents = 0) OR (discount_code_id IS NOT NULL))),
    CONSTRAINT orders_expires_at_check CHECK ((date_trunc('second'::text, expires_at, 'UTC'::text) = expires_at)),
    CONSTRAINT orders_gross_cents_check CHECK (((gross_cents >= 0) AND (gross_cents <= '999999999999'::bigint))),
    CONSTRAINT orders_idempotency_key_check CHECK (((length(idempotency_key) >= 1) AND (length(idempotency_key) <= 255))),
    CONSTRAINT orders_key_has_hash CHECK (((idempotency_key IS NULL) = (request_hash IS NULL))),
    CONSTRAINT orders_net_cents_check CHECK ((net_cents >= 0)),
    CONSTRAINT orders_net_is_gross_less_discount CHECK ((net_cents = (gross_cents - discount_cents))),
    CONSTRAINT orders_request_hash_check CHECK ((length(request_hash) = 32)),
    CONSTRAINT orders_sells_traffic_or_time CHECK (((bandwidth_gb IS NOT NULL) OR (term IS NOT NULL))),
    CONSTRAINT orders_status_check CHECK ((status = ANY (ARRAY['awaiting_payment'::text, 'active'::text, 'inactive'::text, 'expired'::text, 'exhausted'::text, 'pending'::text, 'failed'::text, 'invoice_expired'::text]))),
    CONSTRAINT orders_username_check CHECK ((username ~ '^[a-z0-9]{15}$'::text))
);

COMMENT ON COLUMN public.orders.term IS 'The duration as sold, or a bandwidth plan''s validity as sold; null: the order does not expire.';

COMMENT ON COLUMN public.orders.options IS 'The resolved choices as they were shown when sold; json, not jsonb, so that every later answer is the same text.';

ALTER TABLE public.orders ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.orders_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.plan (
    id bigint NOT NULL,
    slug text NOT NULL,
    type text NOT NULL,
    CONSTRAINT plan_type_check CHECK ((type = ANY (ARRAY['bandwidth'::text, 'duration'::text])))
);

CREATE TABLE public.plan_duration (
    id bigint NOT NULL,
    plan_id bigint NOT NULL,
    slug text NOT NULL
);

ALTER TABLE public.plan_duration ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.plan_duration_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE public.plan ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.plan_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.plan_option (
    id bigint NOT NULL,
    duration_id bigint NOT NULL,
    name text NOT NULL
);

ALTER TABLE public.plan_option ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.plan_option_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.plan_tier (
    id bigint NOT NULL,
    plan_id bigint NOT NULL,
    bandwidth_gb integer NOT NULL,
    CONSTRAINT plan_tier_bandwidth_gb_check CHECK ((bandwidth_gb > 0))
);

ALTER TABLE public.plan_tier ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.plan_tier_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.schema_grant (
    role_name text NOT NULL,
    checksum text NOT NULL,
    granted_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.schema_migration (
    version integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.sealing_key (
    id smallint NOT NULL,
    fingerprint bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT sealing_key_fingerprint_check CHECK ((length(fingerprint) = 32))
);

ALTER TABLE public.sealing_key ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.sealing_key_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.transfer (
    id bigint NOT NULL,
    account_id bigint NOT NULL,
    debit_account_id bigint NOT NULL,
    credit_account_id bigint NOT NULL,
    amount_cents bigint NOT NULL,
    kind text NOT NULL,
    order_id bigint,
    reason text,
    reference text,
    actor text NOT NULL,
    version bigint NOT NULL,
    balance_after_cents bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT transfer_amount_cents_check CHECK ((amount_cents > 0)),
    CONSTRAINT transfer_balance_after_cents_check CHECK (((balance_after_cents >= 0) AND (balance_after_cents <= '999999999999'::bigint))),
    CONSTRAINT transfer_is_a_customers CHECK ((account_id > 1000)),
    CONSTRAINT transfer_order_fits_kind CHECK (((kind = ANY (ARRAY['charge'::text, 'refund'::text])) = (order_id IS NOT NULL))),
    CONSTRAINT transfer_reason_check CHECK (((length(reason) >= 1) AND (length(reason) <= 500))),
    CONSTRAINT transfer_reference_check CHECK (((length(reference) >= 1) AND (length(reference) <= 200))),
    CONSTRAINT transfer_sides CHECK (
CASE kind
    WHEN 'credit'::text THEN ((debit_account_id = 2) AND (credit_account_id = account_id))
    WHEN 'debit'::text THEN ((debit_account_id = account_id) AND (credit_account_id = 3))
    WHEN 'charge'::text THEN ((debit_account_id = account_id) AND (credit_account_id = 1))
    WHEN 'refund'::text THEN ((debit_account_id = 1) AND (credit_account_id = account_id))
    ELSE false
END),
    CONSTRAINT transfer_version_check CHECK ((version > 0))
);

ALTER TABLE public.transfer ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.transfer_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.usage_hour (
    order_id bigint NOT NULL,
    hour timestamp with time zone NOT NULL,
    account_id bigint NOT NULL,
    up_bytes bigint DEFAULT 0 NOT NULL,
    down_bytes bigint DEFAULT 0 NOT NULL,
    lost_bytes bigint DEFAULT 0 NOT NULL,
    connections bigint DEFAULT 0 NOT NULL,
    CONSTRAINT usage_hour_connections_check CHECK ((connections >= 0)),
    CONSTRAINT usage_hour_down_bytes_check CHECK ((down_bytes >= 0)),
    CONSTRAINT usage_hour_hour_check CHECK ((date_trunc('hour'::text, hour, 'UTC'::text) = hour)),
    CONSTRAINT usage_hour_lost_bytes_check CHECK ((lost_bytes >= 0)),
    CONSTRAINT usage_hour_up_bytes_check CHECK ((up_bytes >= 0))
)
WITH (fillfactor='70');

CREATE TABLE public.usage_refusal (
    order_id bigint NOT NULL,
    hour timestamp with time zone NOT NULL,
    reason text NOT NULL,
    account_id bigint NOT NULL,
    refusals bigint NOT NULL,
    CONSTRAINT usage_refusal_hour_check CHECK ((date_trunc('hour'::text, hour, 'UTC'::text) = hour)),
    CONSTRAINT usage_refusal_reason_check CHECK ((reason ~ '^[a-z_]{1,64}$'::text)),
    CONSTRAINT usage_refusal_refusals_check CHECK ((refusals > 0))
)
WITH (fillfactor='70');

CREATE TABLE public.whitelist_address (
    id bigint NOT NULL,
    order_id bigint NOT NULL,
    account_id bigint NOT NULL,
    address inet NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT whitelist_address_address_check CHECK ((masklen(address) =
CASE family(address)
    WHEN 4 THEN 32
    ELSE 128
END))
);

ALTER TABLE public.whitelist_address ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.whitelist_address_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE ONLY public.account_code
    ADD CONSTRAINT account_code_pkey PRIMARY KEY (account_id, code_id);

ALTER TABLE ONLY public.account
    ADD CONSTRAINT account_email_key_key UNIQUE (email_key);

ALTER TABLE ONLY public.account_move
    ADD CONSTRAINT account_move_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.account
    ADD CONSTRAINT account_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.account_plan
    ADD CONSTRAINT account_plan_pkey PRIMARY KEY (account_id, plan_id);

ALTER TABLE ONLY public.account
    ADD CONSTRAINT account_uuid_key UNIQUE (uuid);

ALTER TABLE ONLY public.api_token
    ADD CONSTRAINT api_token_account_id_name_key UNIQUE (account_id, name);

ALTER TABLE ONLY public.api_token
    ADD CONSTRAINT api_token_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.api_token
    ADD CONSTRAINT api_token_token_hash_key UNIQUE (token_hash);

ALTER TABLE ONLY public.audit_mark
    ADD CONSTRAINT audit_mark_pkey PRIMARY KEY (is_only);

ALTER TABLE ONLY public.audit_run
    ADD CONSTRAINT audit_run_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.catalog_revision
    ADD CONSTRAINT catalog_revision_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.discount_code
    ADD CONSTRAINT discount_code_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.gateway
    ADD CONSTRAINT gateway_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.gateway
    ADD CONSTRAINT gateway_uuid_key UNIQUE (uuid);

ALTER TABLE ONLY public.lease
    ADD CONSTRAINT lease_pkey PRIMARY KEY (gateway_id, order_id);

ALTER TABLE ONLY public.lost_lease
    ADD CONSTRAINT lost_lease_gateway_id_order_id_key UNIQUE (gateway_id, order_id);

ALTER TABLE ONLY public.lost_lease
    ADD CONSTRAINT lost_lease_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.meter
    ADD CONSTRAINT meter_pkey PRIMARY KEY (order_id);

ALTER TABLE ONLY public.order_move
    ADD CONSTRAINT order_move_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_username_key UNIQUE (username);

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_uuid_key UNIQUE (uuid);

ALTER TABLE ONLY public.plan_duration
    ADD CONSTRAINT plan_duration_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.plan_duration
    ADD CONSTRAINT plan_duration_plan_id_slug_key UNIQUE (plan_id, slug);

ALTER TABLE ONLY public.plan_option
    ADD CONSTRAINT plan_option_duration_id_name_key UNIQUE (duration_id, name);

ALTER TABLE ONLY public.plan_option
    ADD CONSTRAINT plan_option_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.plan
    ADD CONSTRAINT plan_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.plan
    ADD CONSTRAINT plan_slug_key UNIQUE (slug);

ALTER TABLE ONLY public.plan_tier
    ADD CONSTRAINT plan_tier_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.plan_tier
    ADD CONSTRAINT plan_tier_plan_id_bandwidth_gb_key UNIQUE (plan_id, bandwidth_gb);

ALTER TABLE ONLY public.schema_grant
    ADD CONSTRAINT schema_grant_pkey PRIMARY KEY (role_name);

ALTER TABLE ONLY public.schema_migration
    ADD CONSTRAINT schema_migration_pkey PRIMARY KEY (version);

ALTER TABLE ONLY public.sealing_key
    ADD CONSTRAINT sealing_key_fingerprint_key UNIQUE (fingerprint);

ALTER TABLE ONLY public.sealing_key
    ADD CONSTRAINT sealing_key_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.transfer
    ADD CONSTRAINT transfer_account_id_version_key UNIQUE (account_id, version);

ALTER TABLE ONLY public.transfer
    ADD CONSTRAINT transfer_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.usage_hour
    ADD CONSTRAINT usage_hour_pkey PRIMARY KEY (order_id, hour);

ALTER TABLE ONLY public.usage_refusal
    ADD CONSTRAINT usage_refusal_pkey PRIMARY KEY (order_id, hour, reason);

ALTER TABLE ONLY public.whitelist_address
    ADD CONSTRAINT whitelist_address_order_id_address_key UNIQUE (order_id, address);

ALTER TABLE ONLY public.whitelist_address
    ADD CONSTRAINT whitelist_address_pkey PRIMARY KEY (id);

CREATE INDEX account_move_account ON public.account_move USING btree (account_id, id);

CREATE UNIQUE INDEX discount_code_code_key ON public.discount_code USING btree (lower((code COLLATE "C")));

CREATE INDEX gateway_open ON public.gateway USING btree (seen_at) WHERE (ended_at IS NULL);

CREATE INDEX lease_order ON public.lease USING btree (order_id);

CREATE INDEX lost_lease_order ON public.lost_lease USING btree (order_id);

CREATE INDEX order_move_order ON public.order_move USING btree (order_id, id);

CREATE UNIQUE INDEX orders_account_idempotency_key ON public.orders USING btree (account_id, idempotency_key) WHERE (idempotency_key IS NOT NULL);

CREATE INDEX orders_account_newest ON public.orders USING btree (account_id, created_at DESC, id DESC);

CREATE INDEX orders_running_out ON public.orders USING btree (expires_at) WHERE ((status = ANY (ARRAY['active'::text, 'inactive'::text])) AND (expires_at IS NOT NULL));

CREATE INDEX orders_to_deliver ON public.orders USING btree (id) WHERE (status = 'pending'::text);

CREATE UNIQUE INDEX transfer_account_reference ON public.transfer USING btree (account_id, reference) WHERE (reference IS NOT NULL);

CREATE UNIQUE INDEX transfer_order_kind ON public.transfer USING btree (order_id, kind) WHERE (order_id IS NOT NULL);

CREATE INDEX whitelist_address_address ON public.whitelist_address USING btree (address);

CREATE TRIGGER account_move_only_inserted BEFORE DELETE OR UPDATE OR TRUNCATE ON public.account_move FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_rewriting();

CREATE TRIGGER catalog_revision_only_inserted BEFORE DELETE OR UPDATE OR TRUNCATE ON public.catalog_revision FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_rewriting();

CREATE TRIGGER order_move_only_inserted BEFORE DELETE OR UPDATE OR TRUNCATE ON public.order_move FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_rewriting();

CREATE TRIGGER transfer_only_inserted BEFORE DELETE OR UPDATE OR TRUNCATE ON public.transfer FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_rewriting();

ALTER TABLE ONLY public.account_code
    ADD CONSTRAINT account_code_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.account_code
    ADD CONSTRAINT account_code_code_id_fkey FOREIGN KEY (code_id) REFERENCES public.discount_code(id);

ALTER TABLE ONLY public.account_move
    ADD CONSTRAINT account_move_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.account_plan
    ADD CONSTRAINT account_plan_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.account_plan
    ADD CONSTRAINT account_plan_plan_id_fkey FOREIGN KEY (plan_id) REFERENCES public.plan(id);

ALTER TABLE ONLY public.api_token
    ADD CONSTRAINT api_token_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.lease
    ADD CONSTRAINT lease_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.lease
    ADD CONSTRAINT lease_gateway_id_fkey FOREIGN KEY (gateway_id) REFERENCES public.gateway(id);

ALTER TABLE ONLY public.lease
    ADD CONSTRAINT lease_order_id_fkey FOREIGN KEY (order_id) REFERENCES public.orders(id);

ALTER TABLE ONLY public.lost_lease
    ADD CONSTRAINT lost_lease_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.lost_lease
    ADD CONSTRAINT lost_lease_gateway_id_fkey FOREIGN KEY (gateway_id) REFERENCES public.gateway(id);

ALTER TABLE ONLY public.lost_lease
    ADD CONSTRAINT lost_lease_order_id_fkey FOREIGN KEY (order_id) REFERENCES public.orders(id);

ALTER TABLE ONLY public.meter
    ADD CONSTRAINT meter_order_id_fkey FOREIGN KEY (order_id) REFERENCES public.orders(id);

ALTER TABLE ONLY public.order_move
    ADD CONSTRAINT order_move_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.order_move
    ADD CONSTRAINT order_move_order_id_fkey FOREIGN KEY (order_id) REFERENCES public.orders(id);

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_catalog_revision_fkey FOREIGN KEY (catalog_revision) REFERENCES public.catalog_revision(id);

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_discount_code_id_fkey FOREIGN KEY (discount_code_id) REFERENCES public.discount_code(id);

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_plan_id_fkey FOREIGN KEY (plan_id) REFERENCES public.plan(id);

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_sealing_key_id_fkey FOREIGN KEY (sealing_key_id) REFERENCES public.sealing_key(id);

ALTER TABLE ONLY public.plan_duration
    ADD CONSTRAINT plan_duration_plan_id_fkey FOREIGN KEY (plan_id) REFERENCES public.plan(id);

ALTER TABLE ONLY public.plan_option
    ADD CONSTRAINT plan_option_duration_id_fkey FOREIGN KEY (duration_id) REFERENCES public.plan_duration(id);

ALTER TABLE ONLY public.plan_tier
    ADD CONSTRAINT plan_tier_plan_id_fkey FOREIGN KEY (plan_id) REFERENCES public.plan(id);

ALTER TABLE ONLY public.transfer
    ADD CONSTRAINT transfer_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.transfer
    ADD CONSTRAINT transfer_order_id_fkey FOREIGN KEY (order_id) REFERENCES public.orders(id);

ALTER TABLE ONLY public.usage_hour
    ADD CONSTRAINT usage_hour_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.usage_hour
    ADD CONSTRAINT usage_hour_order_id_fkey FOREIGN KEY (order_id) REFERENCES public.orders(id);

ALTER TABLE ONLY public.usage_refusal
    ADD CONSTRAINT usage_refusal_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.usage_refusal
    ADD CONSTRAINT usage_refusal_order_id_fkey FOREIGN KEY (order_id) REFERENCES public.orders(id);

ALTER TABLE ONLY public.whitelist_address
    ADD CONSTRAINT whitelist_address_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.whitelist_address
    ADD CONSTRAINT whitelist_address_order_id_fkey FOREIGN KEY (order_id) REFERENCES public.orders(id);
