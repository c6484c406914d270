import { isWildcardHost } from "../../endpoint.ts";
import { createGrpcServer } from "../../server.ts";
import { createMemoryEtcd } from "../../testing.ts";
import { type Command, defineCommand } from "../command.ts";
import { EXIT } from "../exit.ts";
import { cantListen, isLoopback } from "../listening.ts";
import { untilAborted } from "../until-aborted.ts";
import { listenAddress } from "../values.ts";

const WHERE_IT_IS_TAKEN = [
  "does an etcd run there already? connect-lb ls shows what it holds",
  "another port: --listen 127.0.0.1:0",
] as const;

/** `connect-lb etcd`: an etcd in memory. */
export const etcd: Command = defineCommand({
  name: "etcd",
  summary: "run an etcd in memory, for development",
  examples: [
    { line: "etcd", does: "on port 2379, where everything looks by default" },
    { line: "etcd --listen 127.0.0.1:0", does: "on a free port; its URL is printed" },
  ],
  description: [
    "A single member, without TLS and users, that is empty at each start. It takes what connect-lb and etcdctl send it, " +
    "and is no replacement for etcd.",
  ],
  options: {
    listen: {
      type: "string",
      value: "ADDR",
      help: "where to listen: host:port, or a port of 127.0.0.1; port 0 takes a free one",
      default: "127.0.0.1:2379",
    },
  },
  serves: true,
  async run({ options, io, say, signal }) {
    const { host, port } = listenAddress(["--listen", options.listen]);
    const memory = createMemoryEtcd();
    const server = createGrpcServer({ routes: memory.routes });
    try {
      const { address } = await server.listen({ host, port }).catch((error: NodeJS.ErrnoException) => {
        throw cantListen(options.listen, error, ...WHERE_IT_IS_TAKEN);
      });
      if (!isLoopback(host)) say(`anyone who reaches ${address} can read and write this etcd: it has no users`);
      say("an etcd in memory, for development; what it holds is lost when it ends");
      io.stdout.write(`http://${isWildcardHost(host) ? `127.0.0.1:${address.split(":").at(-1)}` : address}\n`);
      await untilAborted(signal);
      return EXIT.ok;
    } finally {
      await memory.close();
      server.closeAllConnections();
      await server.close();
    }
  },
});
