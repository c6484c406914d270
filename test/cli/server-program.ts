// A server for tests of `register`: `server-program.ts <port>`. It prints what happens to it, and does what its standard
// input says: listen, close, exit <code>.
import { createServer, type Server } from "node:net";
import process from "node:process";
import { createInterface } from "node:readline";

const port = Number(process.argv[2]);
let server: Server | undefined;

function listen(): void {
  server = createServer((socket) => socket.on("error", () => {}).end());
  server.listen(port, "127.0.0.1", () => console.log("listening"));
}

console.log(
  `etcd's variables: ${Object.keys(process.env).filter((name) => name.startsWith("ETCDCTL_")).sort().join(" ")}`,
);
for (const name of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(name, () => console.log(`got ${name}`));
// A test that was killed leaves nothing behind.
const input = createInterface({ input: process.stdin }).on("close", () => process.exit(0));
input.on("line", (line) => {
  const [word, code] = line.split(" ");
  if (word === "listen") listen();
  else if (word === "close") server?.close(() => console.log("closed"));
  else if (word === "exit") process.exit(Number(code));
});
console.log("started");
