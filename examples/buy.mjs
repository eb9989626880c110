// Buys proxies with fetch alone (Node 18 and newer): what is sold, one order, its credentials, all orders, the balance.
//
//   node buy.mjs [ORDER [KEY]]     ORDER is JSON, 2 GB of the plan "residential" where none is given
//
// KEY names this purchase, by an invoice number of your own for instance: however often the order is sent with it, it
// is placed once and charged once. NOVAPROXY_URL and NOVAPROXY_TOKEN are read from the environment.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

const { NOVAPROXY_URL: url, NOVAPROXY_TOKEN: token } = process.env;
if (!url || !token) throw new Error("NOVAPROXY_URL and NOVAPROXY_TOKEN must be set.");
const ATTEMPTS = 5;

/** The shop's answer is no; `code` stays the same for good, `message` is for people. */
class Refused extends Error {
  constructor(code, sentence) {
    super(sentence);
    this.code = code;
  }
}

/** Whether the order was placed is not known; to send it again with its key is safe. */
class Unanswered extends Error {}

/** Returns the answer's headers and JSON; asks again after 429, 5xx, a time-out or a broken connection. */
async function call(path, { headers, ...request } = {}) {
  const address = new URL(path, url);
  let pause = 0;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    await sleep(pause);
    pause = 500 * 2 ** attempt;
    try {
      const answer = await fetch(address, {
        ...request,
        headers: { Authorization: `Bearer ${token}`, ...headers },
        signal: AbortSignal.timeout(30_000),
      });
      if (answer.status === 429 || answer.status >= 500) {
        pause = 1000 * Number(answer.headers.get("Retry-After")) || pause;
        continue;
      }
      const body = await answer.json();
      if (!answer.ok) throw new Refused(answer.headers.get("X-Error-Code"), body.error);
      return { headers: answer.headers, body };
    } catch (error) {
      if (error instanceof Refused) throw error;
    }
  }
  throw new Unanswered();
}

/** Places `order` once, however often it is sent with `key`. */
async function place(order, key) {
  const headers = { "Content-Type": "application/json", "Idempotency-Key": key };
  return (await call("/orders", { method: "POST", headers, body: JSON.stringify(order) })).body;
}

/** Gives all orders, newest first, read a page at a time. */
async function* orders() {
  let path = "/orders?limit=100";
  while (path) {
    const { headers, body } = await call(path);
    yield* body;
    path = headers.get("Link")?.match(/<([^>]+)>; rel="next"/)?.[1];
  }
}

/** Returns what is left, with its currency. */
async function balance() {
  const { balance: amount, currency } = (await call("/balance")).body;
  return `${amount.toFixed(2)} ${currency}`;
}

async function buy(order, key) {
  const plans = (await call("/plans")).body;
  console.log("For sale:", plans.map((plan) => plan.slug).join(", "));

  const bought = await place(order, key);
  console.log(`Order ${bought.uuid}: ${bought.status}, charged ${bought.price.net.toFixed(2)}`);
  if (bought.username) {
    console.log("Username", bought.username);
    console.log("Password", bought.password);
  } else {
    console.log("The credentials follow.");
  }

  console.log("All orders:");
  for await (const each of orders()) {
    console.log(each.uuid, each.status, each.price.net.toFixed(2));
  }
  console.log("Balance:", await balance());
}

const [, , order = '{"plan": "residential", "bandwidth": 2}', key = randomUUID()] = process.argv;
try {
  await buy(JSON.parse(order), key);
} catch (error) {
  process.exitCode = 1;
  if (error instanceof Unanswered) {
    console.error(`The shop does not answer. Run this again with the key ${key}: nothing is charged twice.`);
  } else if (error.code === "insufficient_balance") {
    console.error(`${error.message} You hold ${await balance()}.`);
  } else if (error instanceof Refused) {
    console.error(`${error.message} (${error.code})`);
  } else {
    throw error;
  }
}
