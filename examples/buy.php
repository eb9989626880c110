<?php

// Buys proxies with PHP alone, no extension: what is sold, one order, its credentials, all orders, the balance.
//
//   php buy.php [ORDER [KEY]]     ORDER is JSON, 2 GB of the plan "residential" where none is given
//
// KEY names this purchase, by an invoice number of your own for instance: however often the order is sent with it, it
// is placed once and charged once. NOVAPROXY_URL and NOVAPROXY_TOKEN are read from the environment.

declare(strict_types=1);

/** The shop's answer is no; $errorCode stays the same for good, the message is for people. */
final class Refused extends Exception
{
    public function __construct(public readonly string $errorCode, string $sentence)
    {
        parent::__construct($sentence);
    }
}

/** Whether the order was placed is not known; to send it again with its key is safe. */
final class Unanswered extends Exception
{
}

final class Shop
{
    private const ATTEMPTS = 5;

    public function __construct(private readonly string $url, private readonly string $token)
    {
    }

    /** What is sold. */
    public function plans(): array
    {
        return $this->call('GET', '/plans')[1];
    }

    /** Places $order once, however often it is sent with $key. */
    public function place(array $order, string $key): array
    {
        $headers = ['Content-Type: application/json', "Idempotency-Key: $key"];

        return $this->call('POST', '/orders', $headers, json_encode($order, JSON_THROW_ON_ERROR))[1];
    }

    /** All orders, newest first, read a page at a time. */
    public function orders(): iterable
    {
        $path = '/orders?limit=100';
        while ($path !== null) {
            [$headers, $page] = $this->call('GET', $path);
            foreach ($page as $order) {
                yield $order;
            }
            $path = preg_match('/<([^>]+)>; rel="next"/', $headers['link'] ?? '', $found) ? $found[1] : null;
        }
    }

    /** What is left, with its currency. */
    public function balance(): string
    {
        $held = $this->call('GET', '/balance')[1];

        return sprintf('%.2F %s', $held['balance'], $held['currency']);
    }

    /** The answer's headers and JSON; asks again after 429, 5xx, a time-out or a broken connection. */
    private function call(string $method, string $path, array $headers = [], string $content = ''): array
    {
        $context = stream_context_create(['http' => [
            'method' => $method,
            'header' => ["Authorization: Bearer {$this->token}", ...$headers],
            'content' => $content,
            'timeout' => 30,
            'ignore_errors' => true,
        ]]);
        $pause = 0.0;
        for ($attempt = 0; $attempt < self::ATTEMPTS; $attempt++) {
            usleep((int) (1_000_000 * $pause));
            $pause = 0.5 * 2 ** $attempt;
            $stream = @fopen(rtrim($this->url, '/') . $path, 'r', false, $context);
            if ($stream === false) {
                continue;
            }
            [$status, $answered] = self::head(stream_get_meta_data($stream)['wrapper_data']);
            $body = json_decode((string) stream_get_contents($stream), true);
            if ($status === 429 || $status >= 500) {
                $pause = (float) ($answered['retry-after'] ?? $pause);
            } elseif ($body === null) {
                // Cut off in the middle: PHP takes that for the end.
                continue;
            } elseif ($status >= 400) {
                throw new Refused($answered['x-error-code'] ?? '', $body['error']);
            } else {
                return [$answered, $body];
            }
        }
        throw new Unanswered();
    }

    /** The status and the headers, their names in lower case. */
    private static function head(array $lines): array
    {
        $headers = [];
        foreach (array_slice($lines, 1) as $line) {
            [$name, $value] = explode(':', $line, 2);
            $headers[strtolower($name)] = trim($value);
        }

        return [(int) explode(' ', $lines[0])[1], $headers];
    }
}

function buy(Shop $shop, array $order, string $key): void
{
    echo 'For sale: ', implode(', ', array_column($shop->plans(), 'slug')), "\n";

    $bought = $shop->place($order, $key);
    printf("Order %s: %s, charged %.2F\n", $bought['uuid'], $bought['status'], $bought['price']['net']);
    if ($bought['username'] !== null) {
        echo "Username {$bought['username']}\nPassword {$bought['password']}\n";
    } else {
        echo "The credentials follow.\n";
    }

    echo "All orders:\n";
    foreach ($shop->orders() as $each) {
        printf("%s %s %.2F\n", $each['uuid'], $each['status'], $each['price']['net']);
    }
    echo "Balance: {$shop->balance()}\n";
}

$order = json_decode($argv[1] ?? '{"plan": "residential", "bandwidth": 2}', true, flags: JSON_THROW_ON_ERROR);
$key = $argv[2] ?? bin2hex(random_bytes(16));
$shop = new Shop(
    getenv('NOVAPROXY_URL') ?: throw new RuntimeException('NOVAPROXY_URL must be set.'),
    getenv('NOVAPROXY_TOKEN') ?: throw new RuntimeException('NOVAPROXY_TOKEN must be set.'),
);
try {
    buy($shop, $order, $key);
} catch (Refused $refused) {
    $more = $refused->errorCode === 'insufficient_balance' ? "You hold {$shop->balance()}." : "($refused->errorCode)";
    fwrite(STDERR, "{$refused->getMessage()} $more\n");
    exit(1);
} catch (Unanswered) {
    fwrite(STDERR, "The shop does not answer. Run this again with the key $key: nothing is charged twice.\n");
    exit(1);
}
