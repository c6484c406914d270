// A server of the demo service on connect-node: `connect-node.ts [--port <port>] [--tls] [--mtls]`. Prints its port.
import { createSecureServer, createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { parseArgs } from "node:util";
import { ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { Simple } from "../../../gen/simple_pb.ts";
import { ca, server as identity } from "../../support/tls.ts";
import { COUNTED, ECHO, FAIL, FAILURE, messagesOf, summaryOf } from "./answers.ts";

const { values: options } = parseArgs({
  options: { port: { type: "string", default: "0" }, tls: { type: "boolean" }, mtls: { type: "boolean" } },
});

const answer = (value: string) => ({ code: 200, value });
const took = (data: string) => void (data.startsWith(COUNTED) && console.log(`took ${data}`));

function echo({ requestHeader, responseHeader, responseTrailer }: HandlerContext): void {
  const sent = requestHeader.get(ECHO);
  if (sent === null) return;
  responseHeader.set(ECHO, sent);
  responseTrailer.set(`${ECHO}-trailer`, sent);
}

const routes = (router: ConnectRouter) => {
  router.service(Simple, {
    route({ data }, context) {
      took(data);
      echo(context);
      if (data === FAIL) throw new ConnectError(FAILURE.message, FAILURE.code);
      return answer(data);
    },
    async *routeServerStream({ data }, context) {
      echo(context);
      for (const text of messagesOf(data)) yield answer(text);
    },
    async routeClientStream(requests, context) {
      echo(context);
      const texts: string[] = [];
      for await (const { data } of requests) {
        if (texts.length === 0) took(data);
        texts.push(data);
      }
      return answer(summaryOf(texts));
    },
    async *routeBidiStream(requests, context) {
      echo(context);
      for await (const { data } of requests) yield answer(data);
    },
  });
};

const handler = connectNodeAdapter({ routes });
const server = options.tls || options.mtls
  ? createSecureServer({ ...identity, ca, requestCert: options.mtls, rejectUnauthorized: options.mtls }, handler)
  : createServer(handler);
server.on("session", (session) => session.on("error", () => {}));
server.listen(Number(options.port), "127.0.0.1", () => console.log(`port ${(server.address() as AddressInfo).port}`));
process.once("SIGTERM", () => {
  server.close(() => process.exit(0));
  // A server on Bun waits for its clients to close their side.
  setTimeout(() => process.exit(0), 2_000).unref();
});
