<?php
// Fetches pages by an HTTP proxy with what PHP brings along, and prints the SHA-256 of each: PROXY CERTIFICATE ADDRESS...
[, $proxyAddress, $certificate] = $argv;
$proxy = parse_url($proxyAddress);
$context = stream_context_create([
    'http' => [
        'proxy' => "tcp://{$proxy['host']}:{$proxy['port']}",
        'request_fulluri' => true,
        'header' => 'Proxy-Authorization: Basic ' . base64_encode("{$proxy['user']}:{$proxy['pass']}"),
    ],
    'ssl' => ['cafile' => $certificate],
]);
foreach (array_slice($argv, 3) as $address) {
    $page = file_get_contents($address, false, $context);
    if ($page === false) {
        exit(1);
    }
    echo hash('sha256', $page), "\n";
}
