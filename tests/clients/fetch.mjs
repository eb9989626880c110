// Fetches pages by an HTTP proxy with what Node brings along, and prints the SHA-256 of each: PROXY ADDRESS...
import { createHash } from "node:crypto";
import http from "node:http";
import https from "node:https";

const [proxyAddress, ...addresses] = process.argv.slice(2);
const proxy = new URL(proxyAddress);
const login = Buffer.from(`${proxy.username}:${proxy.password}`).toString("base64");
const headers = { "Proxy-Authorization": `Basic ${login}` };
const way = { host: proxy.hostname, port: proxy.port, headers };

const tunnel = ({ host }) => new Promise((resolve, reject) => {
  http.request({ ...way, method: "CONNECT", path: host })
    .on("connect", (answer, socket) => {
      if (answer.statusCode === 200) resolve(socket);
      else reject(new Error(`CONNECT: ${answer.statusCode} ${answer.headers["x-error-code"]}`));
    })
    .on("error", reject)
    .end();
});

const answered = (request) => new Promise((resolve, reject) => {
  request.on("response", resolve).on("error", reject).end();
});

const fetched = async (address) => {
  const url = new URL(address);
  if (url.protocol === "http:") return answered(http.request({ ...way, path: address }));
  return answered(https.request(url, { socket: await tunnel(url), agent: false }));
};

for (const address of addresses) {
  const sum = createHash("sha256");
  for await (const piece of await fetched(address)) sum.update(piece);
  console.log(sum.digest("hex"));
}
