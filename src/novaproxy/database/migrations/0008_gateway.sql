-- Delivery: gateways, the bytes they reserved and counted, usage by the hour, and addresses that need no password.

-- One row a counter file. A gateway that was not seen for long is lost: what it had reserved is charged, and its file is
-- never settled any more.
CREATE TABLE gateway (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid          uuid NOT NULL UNIQUE,
    host          text NOT NULL CHECK (length(host) BETWEEN 1 AND 255),
    started_at    timestamptz NOT NULL,
    seen_at       timestamptz NOT NULL,
    ended_at      timestamptz,
    is_lost       boolean NOT NULL DEFAULT false,
    round         bigint NOT NULL DEFAULT 0,
    refusal_batch bigint NOT NULL DEFAULT 0,
    CONSTRAINT gateway_seen_since_start CHECK (seen_at >= started_at),
    CONSTRAINT gateway_lost_has_ended CHECK (NOT is_lost OR ended_at IS NOT NULL)
);

CREATE INDEX gateway_open ON gateway (seen_at) WHERE ended_at IS NULL;

COMMENT ON COLUMN gateway.uuid IS 'Stands in the counter file too, and in no other one.';
COMMENT ON COLUMN gateway.round IS 'The number of the last round that was settled: an older one that arrives late is refused.';
COMMENT ON COLUMN gateway.refusal_batch IS 'The number of the last refusals that were counted: the same ones are counted once.';

-- What a gateway holds of an order. The row is there before the first byte is counted, and goes when nothing is held.
CREATE TABLE lease (
    gateway_id       bigint NOT NULL REFERENCES gateway,
    order_id         bigint NOT NULL REFERENCES orders,
    account_id       bigint NOT NULL REFERENCES account,
    leased_bytes     bigint NOT NULL DEFAULT 0 CHECK (leased_bytes >= 0),
    up_bytes         bigint NOT NULL DEFAULT 0 CHECK (up_bytes >= 0),
    down_bytes       bigint NOT NULL DEFAULT 0 CHECK (down_bytes >= 0),
    connections      bigint NOT NULL DEFAULT 0 CHECK (connections >= 0),
    tunnels          integer NOT NULL DEFAULT 0 CHECK (tunnels >= 0),
    bytes_per_second bigint NOT NULL DEFAULT 0 CHECK (bytes_per_second >= 0),
    wished_per_second bigint NOT NULL DEFAULT 0 CHECK (wished_per_second >= 0),
    PRIMARY KEY (gateway_id, order_id)
) WITH (fillfactor = 70);

CREATE INDEX lease_order ON lease (order_id);

COMMENT ON COLUMN lease.leased_bytes IS 'Reserved on the meter and not yet counted; 0 where the order is unmetered.';
COMMENT ON COLUMN lease.up_bytes IS 'Settled so far, of what the counter file has counted from the client.';
COMMENT ON COLUMN lease.tunnels IS 'Open now, against the order''s limit of tunnels at once.';
COMMENT ON COLUMN lease.bytes_per_second IS 'Its share of a limited speed; all of an order together are at most what was sold.';
COMMENT ON COLUMN lease.wished_per_second IS 'How much of a limited speed the others are to leave it.';

-- What was charged for a lost gateway: its lease, of which nobody knows how much had passed. History.
CREATE TABLE lost_lease (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gateway_id bigint NOT NULL REFERENCES gateway,
    order_id   bigint NOT NULL REFERENCES orders,
    account_id bigint NOT NULL REFERENCES account,
    bytes      bigint NOT NULL CHECK (bytes > 0),
    charged_at timestamptz NOT NULL,
    UNIQUE (gateway_id, order_id)
);

CREATE INDEX lost_lease_order ON lost_lease (order_id);

-- Bytes of an order by the hour (UTC) in which they were settled. Together they are the meter's consumed_bytes.
CREATE TABLE usage_hour (
    order_id    bigint NOT NULL REFERENCES orders,
    hour        timestamptz NOT NULL CHECK (date_trunc('hour', hour, 'UTC') = hour),
    account_id  bigint NOT NULL REFERENCES account,
    up_bytes    bigint NOT NULL DEFAULT 0 CHECK (up_bytes >= 0),
    down_bytes  bigint NOT NULL DEFAULT 0 CHECK (down_bytes >= 0),
    lost_bytes  bigint NOT NULL DEFAULT 0 CHECK (lost_bytes >= 0),
    connections bigint NOT NULL DEFAULT 0 CHECK (connections >= 0),
    PRIMARY KEY (order_id, hour)
) WITH (fillfactor = 70);

CREATE TABLE usage_refusal (
    order_id   bigint NOT NULL REFERENCES orders,
    hour       timestamptz NOT NULL CHECK (date_trunc('hour', hour, 'UTC') = hour),
    reason     text NOT NULL CHECK (reason ~ '^[a-z_]{1,64}$'),
    account_id bigint NOT NULL REFERENCES account,
    refusals   bigint NOT NULL CHECK (refusals > 0),
    PRIMARY KEY (order_id, hour, reason)
) WITH (fillfactor = 70);

-- Addresses from which an order's proxy needs no password.
CREATE TABLE whitelist_address (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id   bigint NOT NULL REFERENCES orders,
    account_id bigint NOT NULL REFERENCES account,
    address    inet NOT NULL CHECK (masklen(address) = CASE family(address) WHEN 4 THEN 32 ELSE 128 END),
    created_at timestamptz NOT NULL,
    UNIQUE (order_id, address)
);

CREATE INDEX whitelist_address_address ON whitelist_address (address);

-- Moves those of the orders that are active, unexpired and have no byte left to `exhausted`. An order that somebody moves
-- at this moment is left to the next round that names it.
CREATE FUNCTION exhaust_orders(order_ids bigint[], at timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
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

-- The part of an order's *speed* that a gateway may use which wishes for *wished* bytes a second, and asks for *asked*
-- where the others leave as much; null where no speed is limited. Each gets his wish, up to an equal part and what others
-- do not wish for. Nobody gets what another one still has: so all parts together are at most the speed at any moment,
-- whoever changes his mind. A gateway of which nothing was heard for 10
-- seconds is no longer reckoned with: one that is busy is heard of each half a second. Called behind the order's meter.
CREATE FUNCTION share_of_speed(of_gateway bigint, of_order bigint, wished bigint, asked bigint, speed bigint, at timestamptz)
RETURNS bigint
LANGUAGE sql STABLE STRICT AS $$
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

-- One round of a gateway: counts what passed, takes back what is no longer wanted, and lends anew.
--
-- Every number that is told is absolute: how much a slot has counted, how large its lease shall be, how many tunnels are
-- open. So a round whose answer was lost is simply followed by the next one, and nothing is counted or lent twice. A
-- round that arrives behind a later one is refused by its number. Locks: the gateway's row, then meters by id, then orders
-- by id; never an account. `standing` is `open`; `ended`: the gateway was ended or marked lost, it gets nothing; `late`;
-- `wrong`: a count that cannot be, less than was settled or more than was lent, and nothing was done. The first row tells
-- of no order.
CREATE FUNCTION settle_round(
    of_gateway       bigint,
    number           bigint,
    ends             boolean,
    order_ids        bigint[],
    ups              bigint[],
    downs            bigint[],
    connection_counts bigint[],
    wanted           bigint[],
    opens            boolean[],
    closes           boolean[],
    wished_rates     bigint[],
    asked_rates      bigint[],
    speeds           bigint[],
    open_tunnels     integer[],
    wanted_tunnels   integer[],
    tunnel_limits    integer[],
    refusal_number   bigint,
    refused_orders   bigint[],
    reasons          text[],
    refusal_counts   bigint[],
    least_grant      bigint
)
RETURNS TABLE (
    standing     text,
    order_id     bigint,
    is_here      boolean,
    is_metered   boolean,
    is_sold      boolean,
    is_exhausted boolean,
    leased_bytes bigint,
    free_bytes   bigint,
    tunnels      integer,
    bytes_per_second bigint
)
LANGUAGE plpgsql VOLATILE AS $$
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

-- Ends a gateway whose leases were all closed; those that are left go back whole: nothing was counted against them.
CREATE FUNCTION end_gateway(of_gateway bigint, at timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
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

-- Charges what a gateway had reserved and gives it up for lost: nobody knows how much of it has passed. False where it has
-- ended already.
CREATE FUNCTION lose_gateway(of_gateway bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
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
