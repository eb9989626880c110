#!/bin/sh
# Buys proxies with curl and jq: what is sold, one order, its credentials, all orders, the balance.
#
#   sh buy.sh [ORDER [KEY]]     ORDER is JSON, 2 GB of the plan "residential" where none is given
#
# KEY names this purchase, by an invoice number of your own for instance: however often the order is sent with it, it
# is placed once and charged once. NOVAPROXY_URL and NOVAPROXY_TOKEN are read from the environment.
set -eu

: "${NOVAPROXY_URL:?is the address of the shop, http://127.0.0.1:8000 for instance}"
: "${NOVAPROXY_TOKEN:?is your token}"
order=${1:-'{"plan": "residential", "bandwidth": 2}'}
key=${2:-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')}

body=$(mktemp)
head=$(mktemp)
trap 'rm -f "$body" "$head"' EXIT

# call PATH [CURL OPTION ...]: leaves the answer in $status, $head and $body.
# Curl sends again after a 429, 500, 502, 503, 504, a time-out or a broken connection, and waits as Retry-After says.
# The token comes on standard input: a command's arguments can be read by everybody on the machine.
call() {
    path=$1
    shift
    status=$(printf 'Authorization: Bearer %s\n' "$NOVAPROXY_TOKEN" |
        curl --silent --show-error --max-time 30 --retry 4 --retry-connrefused --retry-all-errors --header @- \
            --dump-header "$head" --output "$body" --write-out '%{http_code}' "$@" "${NOVAPROXY_URL%/}$path") ||
        unanswered
    case $status in
    2*) ;;
    429 | 5*) unanswered ;;
    *) refused ;;
    esac
}

# header NAME: prints it as the last answer has it.
header() {
    tr -d '\r' <"$head" | sed -n "s/^$1: //p" | tail -n 1
}

unanswered() {
    echo "The shop does not answer. Run this again with the key $key: nothing is charged twice." >&2
    exit 1
}

refused() {
    code=$(header x-error-code)
    sentence=$(jq -r .error "$body")
    case $code in
    insufficient_balance)
        call /balance
        echo "$sentence You hold $(balance)." >&2
        ;;
    *) echo "$sentence ($code)" >&2 ;;
    esac
    exit 1
}

balance() {
    jq -r '[.balance, .currency] | join(" ")' "$body"
}

call /plans
echo "For sale: $(jq -r 'map(.slug) | join(", ")' "$body")"

call /orders --data "$order" --header 'Content-Type: application/json' --header "Idempotency-Key: $key"
jq -r '
    "Order \(.uuid): \(.status), charged \(.price.net)",
    if .username then "Username \(.username)", "Password \(.password)" else "The credentials follow." end' "$body"

echo "All orders:"
next='/orders?limit=100'
while [ -n "$next" ]; do
    call "$next"
    jq -r '.[] | "\(.uuid) \(.status) \(.price.net)"' "$body"
    next=$(header link | sed -n 's/.*<\([^>]*\)>; rel="next".*/\1/p')
done

call /balance
echo "Balance: $(balance)"
