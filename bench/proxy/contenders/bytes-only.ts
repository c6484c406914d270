// Passes the bytes of each connection on to one of the servers whose addresses are the arguments, and back.
import net from "node:net";
import process from "node:process";
import { listening } from "../../server/listening.ts";

const servers = process.argv.slice(2);
let next = 0;

const relay = net.createServer({ noDelay: true }, (client) => {
  const [host, port] = servers[next++ % servers.length]!.split(":");
  const server = net.connect({ host, port: Number(port), noDelay: true });
  for (const [from, to] of [[client, server], [server, client]] as const) {
    from.on("data", (chunk) => to.write(chunk) || from.pause());
    to.on("drain", () => from.resume());
    from.on("error", () => {}).on("close", () => to.destroy());
  }
});
relay.listen(0, "127.0.0.1", () => listening(`127.0.0.1:${(relay.address() as net.AddressInfo).port}`));
